// The weights of a derived language model in a file, whatever else lies there.
import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { decodeLanguageMetadata, type LanguageMetadata } from './language_metadata.ts';
import { isLanguageModel, tiedNames } from './language_names.ts';
import { sizesOfLanguageModel } from './language_sizes.ts';
import { readWeights } from './weights.ts';

/** What a file tells of a language model. */
export interface LanguageWeights {
  /** By the names of the network's parameters. */
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  readonly words: number;
  readonly size: number;
  readonly known: LanguageMetadata;
  readonly notices: readonly string[];
}

/** Reads the weights of a derived language model: of a training that goes on those of its best epoch. Throws FileError where a file holds none. */
export async function readLanguageWeights(path: string): Promise<LanguageWeights> {
  const { tensors, metadata, notices } = await readWeights(path);
  if (!isLanguageModel(tensors)) {
    throw new FileError(`${path} holds no language model: expected ${tiedNames.kept} and a recurrent cell`);
  }
  const { words, size, supernet } = sizesOfLanguageModel(tensors, path);
  if (supernet) throw new FileError(`${path} holds the language model of a search: train what it has found first`);
  return { tensors, words, size, known: decodeLanguageMetadata(metadata), notices };
}
