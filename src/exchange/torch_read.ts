// Tensors of files that torch.save wrote, in the zip format (PyTorch 1.6 and later) and the legacy one before it. The pickle in
// them is read without running anything: a global that is not among a few names of tensors and containers is refused.
import { unzipSync } from 'fflate';
import { DartsmithError, FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { decodeElements, elementBytes, legacyMagic, type TorchType, torchStorages } from './torch_types.ts';
import { type PickleGlobal, type PickleNames, unpickle } from './unpickle.ts';

/** Where the numbers of a storage come from, by its key. */
type Storages = (key: string, type: TorchType, count: number) => Float32Array | Float64Array;

/** A storage as the pickle names it. */
class StorageReference {
  readonly type: TorchType;
  readonly key: string;
  readonly count: number;

  constructor(type: TorchType, key: string, count: number) {
    this.type = type;
    this.key = key;
    this.count = count;
  }
}

/** A view of a storage. */
class TensorReference {
  readonly storage: StorageReference;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: unknown, offset: unknown, shape: unknown, strides: unknown) {
    if (!(storage instanceof StorageReference)) throw new Error('expected a storage for a tensor');
    if (!isCount(offset) || !isCounts(shape) || !isCounts(strides) || shape.length !== strides.length) {
      throw new Error('expected offset, shape and strides for a tensor');
    }
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Of one tensor; more would not fit a typed array. */
const mostElements = 2 ** 31;
const mostAxes = 16;

/** Keys under which programs keep the state dict in a larger checkpoint. */
const stateDictKeys = ['state_dict', 'model_state_dict', 'model', 'net'];

/** The named tensors of a checkpoint's state dict. Throws FileError that names `path`. */
export function readTorchFile(bytes: Uint8Array, path: string): Map<string, WeightTensor> {
  try {
    if (startsWith(bytes, Uint8Array.of(0x50, 0x4b, 3, 4))) return readZip(bytes);
    if (startsWith(bytes, legacyMagic)) return readLegacy(bytes);
    throw new Error('expected a safetensors file or one that torch.save wrote');
  } catch (error) {
    if (error instanceof DartsmithError) throw error;
    throw new FileError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function readZip(bytes: Uint8Array): Map<string, WeightTensor> {
  let [entries, unpacked] = [0, 0];
  const files = unzipSync(bytes, {
    filter: ({ name, size, originalSize, compression }) => {
      // An entry of the directory takes 46 bytes at least; entries may share their bytes, so that sizes are summed.
      if (++entries * 46 > bytes.length) throw new Error('expected fewer entries in the zip archive');
      if (!/\/data\/[^/]+$|\/data\.pkl$|\/byteorder$/.test(name)) return false;
      if (compression !== 0 || size !== originalSize) {
        throw new Error(`expected ${name} as torch.save stores it, uncompressed`);
      }
      unpacked += size;
      if (unpacked > bytes.length) throw new Error('expected a zip archive whose entries do not overlap');
      return true;
    },
  });
  const names = Object.keys(files);
  const pickle = names.find((name) => name.endsWith('/data.pkl'));
  if (pickle === undefined) throw new Error('expected data.pkl in the zip archive');
  const folder = pickle.slice(0, -'data.pkl'.length);
  const order = files[`${folder}byteorder`];
  if (order !== undefined && new TextDecoder().decode(order) !== 'little') {
    throw new Error('expected little-endian numbers');
  }
  const { value } = unpickle(files[pickle], 0, torchNames);
  return tensorsOf(value, bytes.length, (key, type, count) => {
    const stored = files[`${folder}data/${key}`];
    if (stored === undefined) throw new Error(`expected the storage data/${key} in the zip archive`);
    return elementsOf(stored, type, count, key);
  });
}

function readLegacy(bytes: Uint8Array): Map<string, WeightTensor> {
  // Magic number, protocol, what machine wrote it, the object, the keys of its storages; then these, each behind its length.
  const protocol = unpickle(bytes, legacyMagic.length, torchNames);
  const system = unpickle(bytes, protocol.end, torchNames);
  if (system.value instanceof Map && system.value.get('little_endian') === false) {
    throw new Error('expected little-endian numbers');
  }
  const { value, end } = unpickle(bytes, system.end, torchNames);
  const { value: keys, end: begin } = unpickle(bytes, end, torchNames);
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    throw new Error('expected a list of storages');
  let at = begin;
  const types = storageTypes(value);
  const places = new Map<string, Uint8Array>();
  for (const key of keys as string[]) {
    if (at + 8 > bytes.length) throw new Error(`expected the storage ${key} but the file ends`);
    const count = Number(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigInt64(0, true));
    const size = count * elementBytes(types.get(key) ?? 'uint8');
    at += 8;
    if (!(count >= 0 && at + size <= bytes.length))
      throw new Error(`expected ${count} elements of storage ${key} but the file ends`);
    places.set(key, bytes.subarray(at, at + size));
    at += size;
  }
  return tensorsOf(value, bytes.length, (key, type, count) => {
    const stored = places.get(key);
    if (stored === undefined) throw new Error(`expected the storage ${key}`);
    return elementsOf(stored, type, count, key);
  });
}

const torchNames: PickleNames = { global: allowedGlobal, persistent: storageReference };

/** The names of tensors and containers; any other is refused. */
function allowedGlobal(module: string, name: string): PickleGlobal {
  const type = module === 'torch' ? torchStorages[name] : undefined;
  // A type that is only named in the identifier of a storage.
  if (type !== undefined) return Object.assign(() => type, { torchType: type });
  switch (`${module}.${name}`) {
    case 'collections.OrderedDict':
      return ([items = []]) => new Map(items as Iterable<readonly [unknown, unknown]>);
    case 'torch.Size':
      return ([sizes]) => sizes;
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2':
      return ([storage, offset, shape, strides]) => new TensorReference(storage, offset, shape, strides);
    case 'torch._utils._rebuild_parameter':
      return ([tensor]) => tensor;
  }
  throw new Error(`refused the global ${module}.${name}: only tensors and containers are read`);
}

function storageReference(id: unknown): StorageReference {
  const [kind, type, key, , count, view] = Array.isArray(id) ? id : [];
  const torchType = (type as { torchType?: TorchType } | undefined)?.torchType;
  if (kind !== 'storage' || torchType === undefined || typeof key !== 'string' || !isCount(count)) {
    throw new Error('expected the identifier of a storage');
  }
  // Files of before 0.4 may have storages that are parts of others.
  if (view !== undefined && view !== null) throw new Error(`expected a storage of its own but got a view for ${key}`);
  return new StorageReference(torchType, key, count);
}

/** The type of each storage that an object refers to. */
function storageTypes(value: unknown): Map<string, TorchType> {
  const types = new Map<string, TorchType>();
  const seen = new Set<unknown>();
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null || seen.has(next)) continue;
    seen.add(next);
    if (next instanceof TensorReference) types.set(next.storage.key, next.storage.type);
    else if (next instanceof Map || Array.isArray(next)) for (const item of next.values()) pending.push(item);
  }
  return types;
}

/** `fileBytes` bounds what views of few storages may come to. */
function tensorsOf(value: unknown, fileBytes: number, storages: Storages): Map<string, WeightTensor> {
  const state = stateDict(value);
  const known = new Map<string, Float32Array | Float64Array>();
  const tensors = new Map<string, WeightTensor>();
  let gatheredBytes = 0;
  for (const [name, tensor] of state) {
    if (typeof name !== 'string' || !(tensor instanceof TensorReference)) continue;
    const { key, type, count } = tensor.storage;
    const numbers = known.get(key) ?? storages(key, type, count);
    known.set(key, numbers);
    const data = gathered(tensor, numbers, name);
    gatheredBytes += data.byteLength;
    // Bytes become floats, four times as large; beyond twice that the same numbers have many names.
    if (gatheredBytes > 8 * fileBytes) throw new Error('expected tensors that are not all of the same few numbers');
    tensors.set(name, { shape: tensor.shape, data });
  }
  if (tensors.size === 0) throw new Error('expected a dict of named tensors');
  return tensors;
}

function stateDict(value: unknown): Map<unknown, unknown> {
  if (!(value instanceof Map)) throw new Error('expected a dict of named tensors');
  const inner = stateDictKeys.map((key) => value.get(key)).find((candidate) => candidate instanceof Map);
  return inner === undefined ? value : (inner as Map<unknown, unknown>);
}

/** The elements of a view in row order. */
function gathered(
  { offset, shape, strides }: TensorReference,
  numbers: Float32Array | Float64Array,
  name: string,
): Float32Array | Float64Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((end, size, axis) => end + (size - 1) * strides[axis], offset);
  if (count > mostElements) throw new Error(`expected fewer than 2^31 elements in ${name}`);
  if (count > 0 && last >= numbers.length)
    throw new Error(`${name} lies beyond its storage of ${numbers.length} elements`);
  // A stride of 0 makes many elements of few; nothing that was trained has one.
  if (count > numbers.length) throw new Error(`${name} has more elements than its storage`);
  const result = numbers instanceof Float32Array ? new Float32Array(count) : new Float64Array(count);
  const index = shape.map(() => 0);
  let from = offset;
  for (let to = 0; to < count; to++) {
    result[to] = numbers[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

function elementsOf(stored: Uint8Array, type: TorchType, count: number, key: string): Float32Array | Float64Array {
  const bytes = count * elementBytes(type);
  if (stored.length < bytes) throw new Error(`expected ${bytes} bytes in storage ${key} but got ${stored.length}`);
  // A copy: slices of a Buffer share its memory, whose start need not be aligned.
  return decodeElements(type, Uint8Array.from(stored.subarray(0, bytes)).buffer);
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return start.every((byte, i) => bytes[i] === byte);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= mostAxes && value.every(isCount);
}
