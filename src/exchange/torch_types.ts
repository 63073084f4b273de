import { dataTypes } from '../io/data_types.ts';

/** Element types of PyTorch that are read. */
export type TorchType = 'float32' | 'float64' | 'float16' | 'bfloat16' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8';

/** The type of each kind of storage, by its name in the module torch. */
export const torchStorages: Readonly<Record<string, TorchType | undefined>> = Object.assign(Object.create(null), {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'uint8',
});

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

const codecs: Readonly<
  Record<TorchType, { bytes: number; decode: (buffer: ArrayBuffer) => Float32Array | Float64Array }>
> = {
  float32: dataTypes.F32,
  float64: dataTypes.F64,
  float16: dataTypes.F16,
  bfloat16: dataTypes.BF16,
  int64: dataTypes.I64,
  int32: { bytes: 4, decode: (buffer) => Float64Array.from(new Int32Array(buffer)) },
  int16: { bytes: 2, decode: (buffer) => Float32Array.from(new Int16Array(buffer)) },
  int8: { bytes: 1, decode: (buffer) => Float32Array.from(new Int8Array(buffer)) },
  uint8: { bytes: 1, decode: (buffer) => Float32Array.from(new Uint8Array(buffer)) },
};

/** Of one element. */
export function elementBytes(type: TorchType): number {
  return codecs[type].bytes;
}

/** Little-endian elements as numbers: 64-bit integers are rounded to doubles. */
export function decodeElements(type: TorchType, buffer: ArrayBuffer): Float32Array | Float64Array {
  return codecs[type].decode(buffer);
}
