import { anInteger, check } from '../checks.ts';

/** What a language model of a recurrent cell is as large as. */
export interface LanguageModelSizes {
  /** V: words of its vocabulary. */
  readonly words: number;
  /** n: the size of an embedded word and of the hidden state. */
  readonly size: number;
  /** N: nodes of its cell, searched or derived. */
  readonly nodes: number;
}

/**
 * Weights of a language model (arXiv:1806.09055): the embedding, which is the decoder too, V·n, the decoder's bias V, and of the cell 4n² for
 * state 0 and 2n² a node. Architecture parameters are not counted. Throws ArgumentError.
 */
export function languageModelWeights({ words, size, nodes }: LanguageModelSizes): number {
  for (const [name, value] of Object.entries({ words, size, nodes })) check(name, value, anInteger(1));
  return words * size + words + (4 + 2 * nodes) * size ** 2;
}
