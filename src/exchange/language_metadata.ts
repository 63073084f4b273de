// What a file of a language model tells beside its weights.
import { isRecord } from '../checks.ts';
import { checkVocabulary, type KnownVocabulary, type Vocabulary } from '../data/text/vocabulary.ts';
import { FileError } from '../errors.ts';
import type { RecurrentGenotype } from '../genotype/genotype.ts';
import { formatGenotype } from '../genotype/text.ts';
import type { LanguageModelDropouts } from '../network/language_model.ts';
import { attempt, decodeMetadata } from './weight_metadata.ts';

/** What is known of a language model; parts are absent where the file does not tell them. */
export interface LanguageMetadata {
  /** Of a derived one. */
  readonly genotype?: RecurrentGenotype;
  /** What it was trained with. */
  readonly dropouts?: LanguageModelDropouts;
  /** What its numbers of words mean. */
  readonly vocabulary?: KnownVocabulary;
}

/** As the strings of a file. */
export function encodeLanguageMetadata({
  genotype,
  dropouts,
  vocabulary,
}: LanguageMetadata): Readonly<Record<string, string>> {
  return {
    ...(genotype && { genotype: formatGenotype(genotype, 'json') }),
    ...(dropouts && { dropouts: JSON.stringify(dropouts) }),
    ...(vocabulary && { vocabulary: JSON.stringify({ words: vocabulary.words, digest: vocabulary.digest }) }),
  };
}

/** Reads what is whole; anything else counts as not told. */
export function decodeLanguageMetadata(metadata: Readonly<Record<string, string>>): LanguageMetadata {
  const { genotype } = decodeMetadata(metadata);
  const vocabulary = attempt(() => JSON.parse(metadata['vocabulary']) as unknown);
  const dropouts = attempt(() => JSON.parse(metadata['dropouts']) as unknown);
  return {
    genotype: genotype?.recurrent === undefined ? undefined : genotype,
    dropouts: areDropouts(dropouts) ? dropouts : undefined,
    vocabulary: isKnownVocabulary(vocabulary) ? vocabulary : undefined,
  };
}

/**
 * Throws FileError where the words of a text are not those that a language model knows by number: of another digest where its file tells
 * one, else another number of them. `textName` and `modelName` say where they come from.
 */
export function checkModelVocabulary(
  vocabulary: Vocabulary,
  { words, known }: { readonly words: number; readonly known?: KnownVocabulary },
  textName: string,
  modelName: string,
): void {
  if (known !== undefined) checkVocabulary(vocabulary, known, textName, modelName);
  if (vocabulary.words.length === words) return;
  throw new FileError(
    `the vocabulary of ${textName} (${vocabulary.words.length} words) does not fit ${modelName}, which knows ${words} words by number: ` +
      'give it the whole text that it was trained with',
  );
}

/** The dropouts by the originals' names. */
export const dropoutNames = [
  'dropout',
  'dropoutx',
  'dropouth',
  'dropouti',
  'dropoute',
] as const satisfies readonly (keyof LanguageModelDropouts)[];

/** Whether a value is the share that a dropout drops. */
export function isDropout(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1;
}

function areDropouts(value: unknown): value is LanguageModelDropouts {
  return isRecord(value) && dropoutNames.every((name) => isDropout(value[name]));
}

function isKnownVocabulary(value: unknown): value is KnownVocabulary {
  return isRecord(value) && Number.isSafeInteger(value['words']) && typeof value['digest'] === 'string';
}
