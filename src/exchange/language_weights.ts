// The weights of a language model in a file, whatever else lies there.

import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { languageModelNames } from '../network/language_model.ts';
import type { LanguageMetadata } from './language_metadata.ts';
import { decodeLanguageMetadata } from './language_metadata.ts';
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

const { embedding, cell, decoder } = languageModelNames;
const isOwn = (name: string) =>
  name === `${embedding}.weight` || name === `${decoder}.bias` || new RegExp(`^${cell}\\._(W0|Ws\\.\\d+)$`).test(name);

/** Best weights of a training that goes on, which its checkpoint has under a name of their own. */
const bestPrefix = 'best.';

/** Reads the weights of a language model: of a checkpoint those of its best epoch. Throws FileError where the file holds none. */
export async function readLanguageWeights(path: string): Promise<LanguageWeights> {
  const { tensors: all, metadata, notices } = await readWeights(path, { averages: false });
  const prefix = metadata['best'] === undefined ? '' : bestPrefix;
  const tensors = new Map<string, WeightTensor>();
  for (const [name, tensor] of all) {
    if (name.startsWith(prefix) && isOwn(name.slice(prefix.length))) tensors.set(name.slice(prefix.length), tensor);
  }
  if (all.has(`${cell}.bn.running_mean`)) {
    throw new FileError(`${path} is of a search, whose weights are of all candidates: expected those of a training`);
  }
  const shape = tensors.get(`${embedding}.weight`)?.shape ?? [];
  if (shape.length !== 2 || shape.some((size) => size < 1)) {
    throw new FileError(`${path} holds no language model: expected a tensor of 2 axes named ${embedding}.weight`);
  }
  const [words, size] = shape;
  return { tensors, words, size, known: decodeLanguageMetadata(metadata), notices };
}
