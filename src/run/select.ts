// Selecting afterwards: from a run, or from what a search of the published code left.
import { existsSync, statSync } from 'node:fs';
import { aName, aNumber, anInteger, check, checkOptional, checkOptions, listOf, oneOf } from '../checks.ts';
import { ArgumentError, FileError } from '../errors.ts';
import {
  holdsPublishedHistory,
  type PublishedHistoryOptions,
  readPublishedHistory,
} from '../exchange/published_history.ts';
import type { CellKey, Genotype } from '../genotype/genotype.ts';
import { countAtThreshold, emptyCellNotice, type ThresholdCount } from '../select/empty_cells.ts';
import type { HistoryEntry, HistoryFrame, MixingHistory } from '../select/history.ts';
import { selectableOf } from '../select/layout.ts';
import {
  checkSelection,
  defaultThreshold,
  type SelectionRule,
  selectGenotype,
  usualSelection,
} from '../select/rules.ts';
import { mixingActivations } from '../space/space.ts';
import { runFiles } from './directory.ts';
import { readRunEntries, readRunHistory } from './history.ts';

/** Which history of a source. */
export interface HistoryOptions extends PublishedHistoryOptions {
  /** Of a run in stages: which, the last when absent. */
  readonly stage?: string;
}

/** Options of {@link selectFrom}. */
export interface SelectFromOptions extends HistoryOptions {
  /** When absent that of the search, where it tells; else `threshold_sparse` or, where weights are by softmax, `darts`. */
  readonly by?: SelectionRule;
  /** What a mixing weight must reach, from 0 to 1; when absent that of the search, where it tells, else 0.85. Not all rules look at it. */
  readonly threshold?: number;
  /** Epochs that the search had behind it: 0 is before its first step; the last entry when absent. */
  readonly epoch?: number;
}

/** What {@link selectFrom} gives. */
export interface Selection {
  readonly genotype: Genotype;
  readonly by: SelectionRule;
  readonly threshold: number;
  /** Epochs that the search had behind it; absent where the source does not say. */
  readonly epoch?: number;
  /** Mixing weights that reach the threshold, by cell. */
  readonly counts: Readonly<Record<CellKey, ThresholdCount>>;
  /** Why no network can be built of it, where a cell has no entry, and what to do. */
  readonly notice?: string;
}

const optionNames = ['by', 'threshold', 'epoch', 'stage', 'candidates', 'activation'];
const names = listOf(aName, 'a list of names');

/**
 * Selects a genotype by any rule and threshold from a run directory, from a folder with the published code's `normal_weight.npy` and
 * `reduce_weight.npy` or its histories, from one of these files, or from the checkpoint of its search (arXiv:1911.12126). Throws
 * ArgumentError or FileError.
 */
export async function selectFrom(source: string, options: SelectFromOptions = {}): Promise<Selection> {
  checkOptions('options', options, optionNames);
  checkOptional('epoch', options.epoch, anInteger(0));
  const { by: rule, threshold: given } = options;
  if (rule !== undefined) checkSelection({ by: rule, threshold: given ?? defaultThreshold });
  checkOptional('threshold', given, aNumber(0, 1));
  const { entry, isDated, ...frame } = await readEntry(source, options);
  const { by, threshold } = usualSelection(frame, options);
  const supernet = selectableOf(frame.layout);
  const genotype = selectGenotype(supernet, entry.mixing, { by, threshold }, entry.alpha);
  const notice = emptyCellNotice(supernet, entry.mixing, genotype, threshold);
  return {
    ...{ genotype, by, threshold },
    ...(isDated && { epoch: entry.epoch }),
    counts: countAtThreshold(supernet, entry.mixing, threshold),
    ...(notice !== undefined && { notice }),
  };
}

/**
 * Reads how mixing weights moved in a search, from whatever {@link selectFrom} takes; of a run with several stages those of one.
 * Throws ArgumentError or FileError.
 */
export async function readHistory(source: string, options: HistoryOptions = {}): Promise<MixingHistory> {
  checkSource(source);
  checkOptions('options', options, ['stage', 'candidates', 'activation']);
  const { stage, ...published } = options;
  checkPublished(options);
  return (await isRun(source, stage)) ? readRunHistory(source, stage) : readPublishedHistory(source, published);
}

/** One moment of a history; of a run's, which may be long, no other is kept. */
async function readEntry(source: string, { epoch, stage, candidates, activation }: SelectFromOptions) {
  checkSource(source);
  checkPublished({ stage, candidates, activation });
  let found: (HistoryFrame & { readonly entry: HistoryEntry }) | undefined;
  let last = 0;
  let isDated = true;
  const take = (told: HistoryFrame, entry: HistoryEntry) => {
    last = entry.epoch;
    if (epoch === undefined || epoch === entry.epoch) found = { ...told, entry };
  };
  if (await isRun(source, stage)) {
    for await (const { frame, entry } of readRunEntries(source, stage)) take(frame, entry);
  } else {
    const { entries, ...told } = await readPublishedHistory(source, { candidates, activation });
    for (const entry of entries) take(told, entry);
    isDated = entries.length > 1 || last > 0;
  }
  if (found !== undefined) return { ...found, isDated };
  const known = isDated ? `epochs up to ${last}` : 'one table a cell, of no known epoch';
  throw new FileError(`${source} holds no epoch ${epoch}: it has ${known}`);
}

async function isRun(source: string, stage: string | undefined): Promise<boolean> {
  if (existsSync(runFiles(source).journal)) return true;
  if (stage !== undefined) throw new ArgumentError(`stage (--stage) is for run directories, which ${source} is not`);
  const isFolder = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isFolder || (await holdsPublishedHistory(source))) return false;
  throw new FileError(
    `${source} holds no search: expected a run directory with journal.jsonl, or normal_weight.npy or normal/history_weight.json`,
  );
}

function checkSource(source: unknown): void {
  check('source', source, aName);
  if (String(source).includes('\0')) throw new FileError('the path for source holds a NUL character');
}

function checkPublished({ stage, candidates, activation }: HistoryOptions): void {
  checkOptional('stage', stage, aName);
  checkOptional('candidates', candidates, names);
  checkOptional('activation', activation, oneOf(mixingActivations));
}
