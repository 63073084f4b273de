// How a run's mixing weights moved, read from its journal alone.
import { FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { HistoryEntry, HistoryFrame, MixingHistory } from '../select/history.ts';
import { isLayout, mixingOf } from '../select/layout.ts';
import { isSelection } from '../select/rules.ts';
import { mixingActivations } from '../space/space.ts';
import { type AlphaRecord, type LayoutRecord, layoutOfRecord } from './journal.ts';
import { readStagedRecords } from './stages.ts';

/** An entry with what it takes to read it. */
export interface RunHistoryEntry {
  readonly entry: Required<HistoryEntry>;
  readonly frame: HistoryFrame;
  /** From 0; another stage may have another layout. */
  readonly stage: number;
  /** Of the stage. */
  readonly name: string;
  /** What the epoch came to; absent before the first step. */
  readonly genotype?: Genotype;
}

/**
 * The entries of a run, or of the stage `wanted`, one before the first step of each stage and one after each epoch, read as they are asked
 * for: the journal may be gigabytes. Throws FileError for a run that has none, for a stage that it has not, and for a journal that is damaged.
 */
export async function* readRunEntries(
  directory: string,
  wanted?: string,
): AsyncGenerator<RunHistoryEntry, void, undefined> {
  let known: HistoryFrame | undefined;
  let genotype: Genotype | undefined;
  let command: string | undefined;
  const told = new Set<string>();
  for await (const { record, stage, name } of readStagedRecords(directory)) {
    if (record.type === 'start') command = record.run;
    if (record.type === 'layout') known = frameOfRecord(record, directory);
    if (record.type === 'genotype') genotype = record.genotype;
    if (record.type !== 'alpha') continue;
    if (known === undefined) {
      throw new FileError(
        `${directory} holds no history that can be read: it was begun by a version of dartsmith that did not record which number of alpha is which`,
      );
    }
    told.add(name);
    if (wanted !== undefined && name !== wanted) continue;
    const entry = entryOf(record, known, directory);
    yield { entry, frame: known, stage, name, ...(record.step === undefined && { genotype }) };
  }
  if (told.size > 0) {
    if (wanted === undefined || told.has(wanted)) return;
    throw new FileError(`${directory} holds the stages ${[...told].join(', ')}, but no '${wanted}'`);
  }
  const why = command === 'train' ? 'it is a training, which has no alpha' : 'no step has been taken yet';
  throw new FileError(`${directory} holds no history: ${why}`);
}

/** The entries of a stage of a run, the last when none is wanted. Throws FileError as {@link readRunEntries} does. */
export async function readRunHistory(directory: string, wanted?: string): Promise<MixingHistory> {
  let history: (MixingHistory & { readonly stage: number; readonly entries: HistoryEntry[] }) | undefined;
  for await (const { stage, frame, entry } of readRunEntries(directory, wanted)) {
    if (history?.stage !== stage) history = { stage, ...frame, entries: [] };
    history.entries.push(entry);
  }
  const { stage: _, ...last } = history!;
  return last;
}

/** How a stage's tables lie and become mixing weights. Throws FileError for a record that makes no sense. */
export function frameOfRecord(record: LayoutRecord, directory: string): HistoryFrame {
  const { activation, selection } = record;
  const layout = layoutOfRecord(record);
  const isSound = isLayout(layout) && mixingActivations.includes(activation);
  if (isSound && (selection === undefined || isSelection(selection))) {
    return { layout, activation, ...(selection && { selection }) };
  }
  throw damaged(directory, 'its record of how alpha lies makes no sense');
}

/** A table of the journal with the mixing weights that follow. Throws FileError where it does not fit. */
export function entryOf(
  { epoch, step, tables }: AlphaRecord,
  frame: HistoryFrame,
  directory: string,
): Required<HistoryEntry> {
  const mixing = mixingOf(frame.layout, frame.activation, tables);
  if (mixing === undefined) throw damaged(directory, `the alpha of epoch ${epoch} does not fit the tables`);
  return { epoch: step === undefined ? epoch + 1 : epoch, mixing, alpha: tables };
}

function damaged(directory: string, what: string): FileError {
  return new FileError(`the journal of ${directory} is damaged: ${what}`);
}
