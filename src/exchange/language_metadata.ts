// What a language model's training writes into its weights file beside the weights, so that the file can be used by itself.
import type { KnownVocabulary, Vocabulary } from '../data/text/vocabulary.ts';
import type { RecurrentGenotype } from '../genotype/genotype.ts';
import { formatGenotype, parseGenotype } from '../genotype/text.ts';

/** What is known of a language model; parts are absent where the file does not tell them. */
export interface LanguageMetadata {
  readonly genotype?: RecurrentGenotype;
  readonly vocabulary?: KnownVocabulary;
}

/** As the strings of a file. */
export function encodeLanguageMetadata({
  genotype,
  vocabulary,
}: {
  readonly genotype: RecurrentGenotype;
  readonly vocabulary: Vocabulary;
}): Record<string, string> {
  const { words, digest } = vocabulary;
  return { genotype: formatGenotype(genotype, 'json'), vocabulary: JSON.stringify({ words: words.length, digest }) };
}

/** Reads what is whole; anything else counts as not told. */
export function decodeLanguageMetadata(metadata: Readonly<Record<string, string>>): LanguageMetadata {
  const genotype = attempt(() => parseGenotype(metadata['genotype']));
  const vocabulary = attempt(() => JSON.parse(metadata['vocabulary']) as Partial<KnownVocabulary> | null);
  const isKnown = Number.isSafeInteger(vocabulary?.words) && typeof vocabulary?.digest === 'string';
  return {
    ...(genotype?.recurrent !== undefined && { genotype }),
    ...(isKnown && { vocabulary: vocabulary as KnownVocabulary }),
  };
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
