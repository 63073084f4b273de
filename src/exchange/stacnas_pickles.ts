// What StacNAS' code (arXiv:1909.11926) leaves of a search as plain pickles: genotypes.pk and alphas.pk, and those of the best epoch. Nothing
// of a file is run.
import { FileError } from '../errors.ts';
import { Opaque, unpickle } from '../io/unpickle.ts';
import { readBytes } from './open_tensors.ts';
import { openTorchArchive } from './torch_archive.ts';
import { StorageReference } from './torch_names.ts';
import { decodeElements } from './torch_types.ts';

/** Raw alpha by type or by cell, by node, by edge. */
export type PublishedAlphas = readonly (readonly (readonly (readonly number[])[])[])[];

/** No name is known: tensors come as what they are to be made from. */
const names = { global: () => undefined, persistent: () => undefined };

/** The object of a pickle that is no file of torch.save. Throws Error. */
export function plainPickle(bytes: Uint8Array): unknown {
  return unpickle(bytes, 0, names).value;
}

/** Reads alphas.pk or alphas_best.pk: vectors as lists, numpy arrays or tensors of PyTorch. Throws FileError. */
export async function readPublishedAlphas(path: string): Promise<PublishedAlphas> {
  const bytes = await readBytes(path);
  try {
    return listOf(plainPickle(bytes), (cell) => listOf(cell, (node) => listOf(node, vectorOf)));
  } catch (error) {
    throw new FileError(`${path} holds no alpha of StacNAS' code: ${(error as Error).message}`, { cause: error });
  }
}

const most = 1000;

function listOf<T>(value: unknown, read: (item: unknown) => T): T[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > most) {
    throw new Error('expected lists by cell of lists by node of lists by edge of vectors');
  }
  return value.map(read);
}

function vectorOf(value: unknown): number[] {
  const numbers = value instanceof Opaque ? arrayOf(value) : value;
  if (!Array.isArray(numbers) || numbers.length > most || !numbers.every(Number.isFinite)) {
    throw new Error('expected a vector of finite numbers');
  }
  return numbers;
}

function arrayOf(value: Opaque): number[] {
  if (/^torch\._utils\._rebuild_parameter/.test(value.name) && value.args[0] instanceof Opaque)
    return arrayOf(value.args[0]);
  if (/^torch\._utils\._rebuild_tensor/.test(value.name)) return tensorOf(value.args);
  if (/^numpy\..*\._reconstruct$/.test(value.name)) return numpyOf(value.state);
  throw new Error(`expected a vector but got ${value.name.slice(0, 100)}, which is not run`);
}

/** Its arguments: a storage, an offset into it and a shape. */
function tensorOf([storage, offset, shape]: readonly unknown[]): number[] {
  const [bytes] = storage instanceof Opaque ? storage.args : [];
  if (!(bytes instanceof Uint8Array) || typeof offset !== 'number' || !Array.isArray(shape)) {
    throw new Error('expected the storage, the offset and the shape of a tensor');
  }
  const archive = openTorchArchive(bytes);
  if (!(archive.value instanceof StorageReference)) throw new Error('expected the storage of a tensor');
  const { type, key } = archive.value;
  const data = Uint8Array.from(archive.storage(key)).buffer;
  const numbers = decodeElements(type.type, data, archive.isBigEndian);
  return [...numbers.subarray(offset, offset + Number(shape.at(-1) ?? 0))];
}

const numpyTypes: Readonly<Record<string, string>> = { f4: 'float32', f8: 'float64' };

/** What an array is restored from: version, shape, type, order, bytes. */
function numpyOf(state: unknown): number[] {
  const [, , type, , bytes] = Array.isArray(state) ? state : [];
  const [code] = type instanceof Opaque ? type.args : [];
  const known = typeof code === 'string' ? numpyTypes[code] : undefined;
  if (known === undefined || !(bytes instanceof Uint8Array)) throw new Error('expected an array of f4 or f8');
  const isBigEndian = Array.isArray((type as Opaque).state) && ((type as Opaque).state as unknown[])[1] === '>';
  return [...decodeElements(known, Uint8Array.from(bytes).buffer, isBigEndian)];
}
