import { type DataType, dataTypes } from '../io/data_types.ts';

/** Element types of PyTorch that are read, by PyTorch's names. */
const torchTypes: Readonly<Record<string, DataType>> = {
  float32: 'F32',
  float64: 'F64',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
};

/** PyTorch's name of the elements of each kind of storage, and their size; those of other names are only passed over. */
const storages: Readonly<Record<string, readonly [type: string, bytes: number]>> = {
  FloatStorage: ['float32', 4],
  DoubleStorage: ['float64', 8],
  HalfStorage: ['float16', 2],
  BFloat16Storage: ['bfloat16', 2],
  LongStorage: ['int64', 8],
  IntStorage: ['int32', 4],
  ShortStorage: ['int16', 2],
  CharStorage: ['int8', 1],
  ByteStorage: ['uint8', 1],
  BoolStorage: ['bool', 1],
  ComplexFloatStorage: ['complex64', 8],
  ComplexDoubleStorage: ['complex128', 16],
  QInt8Storage: ['qint8', 1],
  QUInt8Storage: ['quint8', 1],
  QInt32Storage: ['qint32', 4],
  UntypedStorage: ['bytes', 1],
};

/** A kind of storage. */
export class StorageType {
  /** Of the elements, such as float32. */
  readonly type: string;
  /** Of one element. */
  readonly bytes: number;

  constructor(type: string, bytes: number) {
    this.type = type;
    this.bytes = bytes;
  }
}

/** The kind of storage that a global names. */
export function storageType(module: string, name: string): StorageType | undefined {
  const isStorage = /^torch(?:\.storage|\.cuda)?$/.test(module) && Object.hasOwn(storages, name);
  return isStorage ? new StorageType(...storages[name]) : undefined;
}

/** What a file of the legacy format begins with: a pickle of its magic number. */
export const legacyMagic = Uint8Array.of(
  0x80,
  2,
  0x8a,
  10,
  0x6c,
  0xfc,
  0x9c,
  0x46,
  0xf9,
  0x20,
  0x6a,
  0xa8,
  0x50,
  0x19,
  0x2e,
);

/** Elements as numbers, from a buffer that is changed. Throws Error for a type that is not read. */
export function decodeElements(type: string, buffer: ArrayBuffer, isBigEndian: boolean): Float32Array | Float64Array {
  if (!Object.hasOwn(torchTypes, type)) {
    throw new Error(`expected elements of a type among ${Object.keys(torchTypes).join(', ')} but got ${type}`);
  }
  const { bytes, decode } = dataTypes[torchTypes[type]];
  const whole =
    buffer.byteLength % bytes === 0 ? buffer : buffer.slice(0, buffer.byteLength - (buffer.byteLength % bytes));
  if (isBigEndian) swap(Buffer.from(whole), bytes);
  return decode(whole);
}

function swap(buffer: Buffer, elementBytes: number): void {
  if (elementBytes === 2) buffer.swap16();
  if (elementBytes === 4) buffer.swap32();
  if (elementBytes === 8) buffer.swap64();
}
