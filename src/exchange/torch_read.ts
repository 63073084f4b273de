// Tensors of files that torch.save wrote.

import { DartsmithError, FileError } from '../errors.ts';
import { elementsOf } from '../graph/shape.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { Opaque } from '../io/unpickle.ts';
import { encodeLanguageMetadata } from './language_metadata.ts';
import { pickledLanguageModel } from './pickled_language_model.ts';
import { tensorPaths } from './tensor_paths.ts';
import type { TensorSource } from './tensor_source.ts';
import { openTorchArchive, type TorchArchive } from './torch_archive.ts';
import type { TensorReference } from './torch_names.ts';
import { decodeElements } from './torch_types.ts';

type Numbers = Float32Array | Float64Array;

/** Of one tensor; more would not fit a typed array. */
const mostElements = 2 ** 31;

/** Keys under which programs keep the state dict in a larger checkpoint. */
const stateDictKeys = ['state_dict', 'model_state_dict', 'model', 'net'];

/** What a file tells beside its tensors: of a whole language model of the published code what it was built from. */
export interface TorchFile extends TensorSource {
  readonly metadata: Readonly<Record<string, string>>;
}

/** The tensors of a file, wherever in its object they are. Throws FileError that names `path`, as reading them does. */
export function readTorchFile(bytes: Uint8Array, path: string): TorchFile {
  return withPath(path, () => {
    const archive = openTorchArchive(bytes);
    const found = tensorPaths(archive.value);
    if (found.size === 0) throw new Error(`expected a dict of named tensors but got ${nameOf(archive.value)}`);
    const paths = [...found.keys()];
    const root = stateDictKeys.find((key) => archive.value instanceof Map && archive.value.get(key) instanceof Map);
    const model = pickledLanguageModel(archive.value);
    return {
      metadata: model === undefined ? {} : encodeLanguageMetadata(model),
      paths,
      root: root === undefined ? '' : `${root}.`,
      read: (wanted) => withPath(path, () => readTensors(archive, found, wanted)),
    };
  });
}

function readTensors(
  archive: TorchArchive,
  found: ReadonlyMap<string, TensorReference>,
  wanted: readonly string[],
): Map<string, WeightTensor> {
  const known = new Map<string, Numbers>();
  const tensors = new Map<string, WeightTensor>();
  let gatheredBytes = 0;
  for (const name of wanted) {
    const tensor = found.get(name)!;
    const identifier = `${tensor.type} ${tensor.storage.key}`;
    const numbers = known.get(identifier) ?? numbersOf(archive, tensor, name);
    known.set(identifier, numbers);
    const data = gathered(tensor, numbers, name);
    gatheredBytes += data.byteLength;
    // Bytes become floats, four times as large; beyond twice that the same numbers have many names.
    if (gatheredBytes > 8 * archive.bytes) throw new Error('expected tensors that are not all of the same few numbers');
    tensors.set(name, { shape: tensor.shape, data });
  }
  return tensors;
}

/** All numbers of a tensor's storage. */
function numbersOf(archive: TorchArchive, { storage, type }: TensorReference, name: string): Numbers {
  const stored = archive.storage(storage.key);
  const bytes = storage.count * storage.type.bytes;
  if (stored.length < bytes) {
    throw new Error(`expected ${bytes} bytes in storage ${storage.key} but got ${stored.length}`);
  }
  try {
    // A copy: slices of a file share its memory, whose start need not be aligned.
    return decodeElements(type, Uint8Array.from(stored.subarray(0, bytes)).buffer, archive.isBigEndian);
  } catch (error) {
    throw new Error(`${(error as Error).message} in ${name}`, { cause: error });
  }
}

/** The elements of a view in row order. */
function gathered({ offset, shape, strides }: TensorReference, numbers: Numbers, name: string): Numbers {
  const count = elementsOf(shape);
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

/** For messages. */
function nameOf(value: unknown): string {
  if (value instanceof Opaque) return `an object of ${value.name}, which is not run`;
  if (value instanceof Map) return 'one without tensors';
  return Array.isArray(value) ? 'a list without tensors' : `a ${typeof value}`;
}

function withPath<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DartsmithError) throw error;
    throw new FileError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
