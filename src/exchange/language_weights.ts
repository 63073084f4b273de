// The weights of a language model in a file, whatever else lies there.
import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { decodeLanguageMetadata, type LanguageMetadata } from './language_metadata.ts';
import { type StoredLanguageModel, sizesOfLanguageModel } from './language_sizes.ts';
import { readWeights } from './weights.ts';

/** What a file tells of a language model. */
export interface LanguageWeights extends StoredLanguageModel {
  /** By the names of the network's parameters. */
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  readonly known: LanguageMetadata;
  readonly notices: readonly string[];
}

/** Reads the weights of a derived language model: of a checkpoint those of its best epoch. Throws FileError where the file holds none. */
export async function readLanguageWeights(path: string): Promise<LanguageWeights> {
  const { tensors, metadata, notices } = await readWeights(path);
  const sizes = sizesOfLanguageModel(tensors, path);
  if (sizes.supernet) {
    throw new FileError(`${path} is of a search, whose weights are of all candidates: expected those of a training`);
  }
  return { ...sizes, tensors, known: decodeLanguageMetadata(metadata), notices };
}
