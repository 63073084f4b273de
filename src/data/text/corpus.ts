// Texts of words in three files, to learn from, to choose by and to be scored on.
import { join } from 'node:path';
import { aBoolean, anInteger, aSignal } from '../../checks.ts';
import { invalid } from '../../errors.ts';
import { checkedLater, checkOptionRules, type OptionRule, type OptionRules, text } from '../../option_rules.ts';
import { invalidWord } from '../../suggest.ts';
import { listFolder, missing, readDataFile } from '../files.ts';
import { tokenise } from './tokenise.ts';
import { tableOf, type Vocabulary, vocabularyOfTable } from './vocabulary.ts';
import { WordTable } from './word_table.ts';

/** The parts of a corpus, in the order in which their words are numbered. */
export const corpusParts = ['train', 'valid', 'test'] as const;

/** One of {@link corpusParts}. */
export type CorpusPart = (typeof corpusParts)[number];

/** The texts that can be loaded by name; `text` is any folder of one's own. */
export const corpusNames = ['ptb', 'wikitext2', 'text'] as const;

/** The name of a text that can be loaded. */
export type CorpusName = (typeof corpusNames)[number];

/** A text as numbers of words, one a token. */
export interface Corpus {
  readonly name: string;
  readonly vocabulary: Vocabulary;
  readonly train: Int32Array;
  readonly valid: Int32Array;
  readonly test: Int32Array;
  /** What a user should know; one line each. */
  readonly notices: readonly string[];
}

/** Options of {@link loadCorpus}. */
export interface CorpusOptions {
  /** Folder of the text's files. */
  readonly dataDir: string;
  /** Tokens of train to keep, the first ones, and a tenth as many of valid and of test; all when absent. */
  readonly limit?: number;
  /** A `limit` that nobody asked for, so that a shorter text is no surprise; `limit` comes first. */
  readonly usualLimit?: number;
  /** Words that are known already; others are refused. Those of the text as far as it is read when absent. */
  readonly vocabulary?: Vocabulary;
  /** Read test alone, which needs a `vocabulary`; the others are empty then, and their files need not be there. */
  readonly testOnly?: boolean;
  readonly signal?: AbortSignal;
}

const aVocabulary: OptionRule = {
  words: 'a vocabulary, as vocabularyOf, readVocabulary or another corpus gives it',
  holds: (value) =>
    typeof (value as Vocabulary | null)?.numberOf === 'function' && Array.isArray((value as Vocabulary).words),
};

const corpusRules: OptionRules<CorpusOptions> = {
  dataDir: checkedLater,
  limit: checkedLater,
  usualLimit: anInteger(2),
  vocabulary: aVocabulary,
  testOnly: aBoolean,
  signal: aSignal,
};

/** Names of the files of a corpus, as they are published and as the published programs want them. */
const plainFiles = { train: 'train.txt', valid: 'valid.txt', test: 'test.txt' };
const publishedFiles: Readonly<Record<CorpusName, readonly Readonly<Record<CorpusPart, string>>[]>> = {
  ptb: [plainFiles, { train: 'ptb.train.txt', valid: 'ptb.valid.txt', test: 'ptb.test.txt' }],
  wikitext2: [plainFiles, { train: 'wiki.train.tokens', valid: 'wiki.valid.tokens', test: 'wiki.test.tokens' }],
  text: [plainFiles],
};

/** Of so many tokens of `limit` the texts for scoring keep one: as they are about a tenth of what is learned from in PTB and WikiText-2. */
const tokensPerScored = 10;

/**
 * Loads a text: words as they stand, split at Python's white space, with `<eos>` behind every line, numbered by first occurrence through
 * train, valid and test. With a `limit` it is as if the files ended there. Throws ArgumentError, DataError for a folder without the three
 * files, an empty one, what is not UTF-8 and a word that a given vocabulary lacks (each with its byte), and AbortedError.
 */
export async function loadCorpus(name: CorpusName, options: CorpusOptions): Promise<Corpus> {
  if (!corpusNames.includes(name)) throw invalidWord('dataset', corpusNames, name);
  checkOptionRules('loadCorpus', options, corpusRules);
  const { limit, usualLimit, vocabulary, testOnly = false, signal } = options;
  if (limit !== undefined && !anInteger(2).holds(limit)) throw invalid('limit (--limit)', anInteger(2).words, limit);
  if (testOnly && vocabulary === undefined) throw invalid('testOnly', 'false without a vocabulary', testOnly);
  const parts: readonly CorpusPart[] = testOnly ? ['test'] : corpusParts;
  const paths = await findFiles(name, options.dataDir, parts);
  const table = vocabulary === undefined ? new WordTable() : tableOf(vocabulary);
  const kept = limit ?? usualLimit;
  const tokens: Record<CorpusPart, Int32Array> = { train: none, valid: none, test: none };
  for (const part of parts) {
    const own = kept === undefined || part === 'train' ? kept : Math.ceil(kept / tokensPerScored);
    const file = await readDataFile(paths[part], signal);
    tokens[part] = await tokenise(file, table, { limit: own, isOpen: vocabulary === undefined, signal });
  }
  const count = tokens.train.length;
  const surplus =
    limit !== undefined && limit > count && !testOnly
      ? [`the limit of ${limit} is more than the ${count} tokens there are to learn from: all are used`]
      : [];
  return { name, vocabulary: vocabulary ?? (await vocabularyOfTable(table)), ...tokens, notices: surplus };
}

const none = new Int32Array(0);

/** What the folder of a corpus must hold, for messages. */
export function corpusFiles(name: CorpusName, parts: readonly CorpusPart[] = corpusParts): string {
  const lists = publishedFiles[name].map((files) => parts.map((part) => files[part]).join(', '));
  return lists.map((list) => list.replace(/, ([^,]*)$/, ' and $1')).join(', or ');
}

async function findFiles(
  name: CorpusName,
  folder: string,
  parts: readonly CorpusPart[],
): Promise<Readonly<Record<CorpusPart, string>>> {
  const expected = corpusFiles(name, parts);
  const { holds } = text('');
  if (!holds(folder)) throw invalid('dataDir (--data-dir)', `a folder with ${expected}`, folder);
  const names = await listFolder(folder, expected);
  const files = publishedFiles[name].find((one) => parts.every((part) => names.has(one[part])));
  if (files === undefined) {
    throw await missing(
      folder,
      expected,
      names,
      publishedFiles[name].flatMap((one) => parts.map((part) => one[part])),
    );
  }
  return { train: join(folder, files.train), valid: join(folder, files.valid), test: join(folder, files.test) };
}
