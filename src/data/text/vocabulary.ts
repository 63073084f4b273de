// Words by number: what a network of a text knows beside its weights.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isRecord } from '../../checks.ts';
import { ArgumentError, FileError, invalid } from '../../errors.ts';
import { writeFileAtomic } from '../../io/atomic.ts';
import { fileError } from '../../io/file_error.ts';
import { inSlices, type Steps } from '../../slices.ts';
import { isWord } from './white_space.ts';
import { mostWords, WordTable } from './word_table.ts';

/** The words of a text, each with a number: that of its row of the embedding. */
export interface Vocabulary {
  /** By number. */
  readonly words: readonly string[];
  /** SHA-256, in hexadecimal, of the words in their order: of two vocabularies that agree in it, every number means the same word. */
  readonly digest: string;
  /** The number of a word; undefined for one that is not in the vocabulary. */
  numberOf(word: string): number | undefined;
}

/** What a checkpoint keeps of the vocabulary that its network was trained with. */
export interface KnownVocabulary {
  readonly words: number;
  readonly digest: string;
}

/** The vocabulary of some words, numbered from 0. Throws ArgumentError for an empty word, one with white space, and one that comes twice. */
export function vocabularyOf(words: readonly string[]): Vocabulary {
  if (!Array.isArray(words) || words.length === 0 || words.length > mostWords) {
    throw invalid('words', `a list of 1 to ${mostWords} words`, words);
  }
  for (let number = 0; number < words.length; number++) {
    const word: unknown = words[number];
    if (typeof word !== 'string' || !isWord(word)) {
      throw invalid(`words[${number}]`, 'a word without white space', word);
    }
  }
  const numbers = numbersOf(words);
  // The last number of a word that comes twice is the larger one.
  const first = numbers.size < words.length ? words.findIndex((word, number) => numbers.get(word) !== number) : -1;
  if (first >= 0) throw invalid(`words[${numbers.get(words[first])}]`, 'a word that has no number yet', words[first]);
  return new WordList(words);
}

/** The vocabulary of a table's words. */
export async function vocabularyOfTable(table: WordTable): Promise<Vocabulary> {
  return new WordList(await inSlices(decodeSteps(table)));
}

/** The words of a vocabulary as a table, in which texts are looked up. */
export function tableOf({ words }: Vocabulary): WordTable {
  const table = new WordTable();
  const encoder = new TextEncoder();
  for (const word of words) {
    const bytes = encoder.encode(word);
    table.add(bytes, 0, bytes.length, table.hashOf(bytes, 0, bytes.length));
  }
  return table;
}

/** Writes a vocabulary as JSON, for {@link readVocabulary}. Throws FileError. */
export async function writeVocabulary(path: string, vocabulary: Vocabulary): Promise<void> {
  if (!(vocabulary instanceof WordList)) throw invalid('vocabulary', 'one of vocabularyOf or loadCorpus', vocabulary);
  const { digest, words } = vocabulary;
  await writeFileAtomic(path, `${JSON.stringify({ digest, words })}\n`);
}

/** Reads a vocabulary. Throws FileError for a file that is cut or was changed. */
export async function readVocabulary(path: string): Promise<Vocabulary> {
  if (typeof path !== 'string' || path === '') throw invalid('path', 'the name of a file', path);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  const refused = (reason: string, cause?: unknown) =>
    new FileError(`${path} holds no vocabulary: ${reason}`, { cause });
  let value: unknown;
  try {
    // A text of half a gigabyte has no string.
    value = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw refused('expected JSON with digest and words', cause);
  }
  if (!isRecord(value)) throw refused('expected an object with digest and words');
  const vocabulary = soundVocabulary(value['words'], refused);
  if (vocabulary.digest === value['digest']) return vocabulary;
  throw refused(
    `expected words of the digest ${vocabulary.digest.slice(0, 12)}..., which it does not tell: it was changed`,
  );
}

/**
 * Throws FileError where numbers of a vocabulary do not mean what they mean to a network; `vocabularyName` and `networkName` say where
 * they come from.
 */
export function checkVocabulary(
  { words, digest }: Vocabulary,
  known: KnownVocabulary,
  vocabularyName: string,
  networkName: string,
): void {
  if (digest === known.digest && words.length === known.words) return;
  const told = (count: number, of: string) => `${count} words, digest ${of.slice(0, 12)}`;
  throw new FileError(
    `the vocabulary of ${vocabularyName} (${told(words.length, digest)}) does not fit ${networkName}, whose numbers mean other words ` +
      `(${told(known.words, known.digest)}): give it the text that it was trained with`,
  );
}

function soundVocabulary(words: unknown, refused: (reason: string, cause?: unknown) => FileError): Vocabulary {
  try {
    return vocabularyOf(words as readonly string[]);
  } catch (error) {
    if (error instanceof ArgumentError) throw refused(error.message, error);
    throw error;
  }
}

class WordList implements Vocabulary {
  readonly words: readonly string[];
  #digest?: string;
  #numbers?: ReadonlyMap<string, number>;

  constructor(words: readonly string[]) {
    this.words = words;
  }

  get digest(): string {
    this.#digest ??= digestOf(this.words);
    return this.#digest;
  }

  numberOf(word: string): number | undefined {
    this.#numbers ??= numbersOf(this.words);
    return this.#numbers.get(word);
  }
}

function numbersOf(words: readonly string[]): ReadonlyMap<string, number> {
  return new Map(words.map((word, number) => [word, number]));
}

/** No word holds the line ends that part them. */
function digestOf(words: readonly string[]): string {
  const hash = createHash('sha256');
  for (const word of words) hash.update(`${word}\n`, 'utf8');
  return hash.digest('hex');
}

/** What is decoded in some 100 microseconds. */
const stepWords = 512;

function* decodeSteps({ contents: { bytes, ends } }: WordTable): Steps<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const words: string[] = [];
  for (let number = 0; number + 1 < ends.length; number++) {
    words.push(decoder.decode(bytes.subarray(ends[number], ends[number + 1])));
    if (number % stepWords === stepWords - 1) yield;
  }
  return words;
}
