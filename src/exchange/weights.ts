import { readFile } from 'node:fs/promises';
import { splitAverages } from '../backend/parameter_file.ts';
import { FileError, invalid } from '../errors.ts';
import { fileError } from '../io/file_error.ts';
import { decodeSafetensors, type WeightTensor } from '../io/safetensors.ts';
import { readTorchFile } from './torch_read.ts';

/** The weights that a file holds. */
export interface WeightFile {
  readonly format: 'safetensors' | 'torch';
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
}

/** Prefixes that data-parallel and compiled modules put before every name. */
const wrappers = ['module.', '_orig_mod.', 'model.'];

/**
 * Reads weights from a safetensors file or a PyTorch checkpoint (zip or legacy format; a state dict, or a dict that holds one as
 * `state_dict`), told apart by their first bytes. Optimiser state is left out, averages take the place of the weights, and prefixes that wrap every name are taken off.
 * Throws FileError that names the file.
 */
export async function readWeights(path: string): Promise<WeightFile> {
  if (typeof path !== 'string') throw invalid('path', 'the path of a file', path);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  const file: WeightFile = isSafetensors(bytes)
    ? { format: 'safetensors', ...decodeSafetensors(bytes, path) }
    : { format: 'torch', metadata: {}, tensors: readTorchFile(bytes, path) };
  // A training of ours that keeps averages means them to be used.
  const { own, average } = splitAverages(file.tensors);
  const isAveraged = average.size > 0 && [...average.keys()].every((name) => own.has(name));
  const weights = [...(isAveraged ? average : file.tensors)].filter(([name]) => !name.startsWith('optimizer.'));
  if (weights.length === 0) throw new FileError(`${path} holds no weights`);
  return { ...file, tensors: new Map(unwrapped(weights)) };
}

/** A length of eight bytes, then the JSON header. */
function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 8 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0;
}

function unwrapped<T>(entries: readonly (readonly [string, T])[]): (readonly [string, T])[] {
  const wrapper = wrappers.find((prefix) => entries.every(([name]) => name.startsWith(prefix)));
  if (wrapper === undefined) return [...entries];
  return unwrapped(entries.map(([name, value]) => [name.slice(wrapper.length), value] as const));
}
