import { FileError } from '../errors.ts';
import { mostRecurrentNodes } from '../graph/check.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { languageModelNames } from '../network/language_model.ts';
import type { LanguageModelSizes } from '../network/language_model_size.ts';
import { isSearchedLanguageModel, tiedNames } from './language_names.ts';

/** What the weights of a language model tell of it. */
export interface StoredLanguageModel extends LanguageModelSizes {
  /** Whether its cell is a search's. */
  readonly supernet: boolean;
}

const nodeWeight = new RegExp(`^${languageModelNames.cell.replace('.', '\\.')}\\._Ws\\.(\\d{1,4})$`);

/** Reads the sizes off named weights. Throws FileError, naming `source`, where there is no table of words or no node. */
export function sizesOfLanguageModel(tensors: ReadonlyMap<string, WeightTensor>, source: string): StoredLanguageModel {
  const shape = tensors.get(tiedNames.kept)?.shape ?? [];
  if (shape.length !== 2 || shape.includes(0)) {
    throw new FileError(
      `${source} holds no language model: expected ${tiedNames.kept} of [words, size] but got [${shape}]`,
    );
  }
  const numbers = [...tensors.keys()].map((name) => Number(nodeWeight.exec(name)?.[1] ?? -1));
  const nodes = 1 + numbers.reduce((most, number) => Math.max(most, number), -1);
  if (nodes < 1 || nodes > mostRecurrentNodes) {
    throw new FileError(
      `${source} holds no language model: expected a cell of 1 to ${mostRecurrentNodes} nodes but got ${nodes}`,
    );
  }
  return { words: shape[0], size: shape[1], nodes, supernet: isSearchedLanguageModel(tensors) };
}
