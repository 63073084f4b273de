// journal.jsonl: what a run was for. Every line is a record; lines are appended and never rewritten, and a run that goes on cuts
// off what lies behind its checkpoint, since it will write it again. It may be gigabytes: nothing reads it whole into memory.
import { type FileHandle, open } from 'node:fs/promises';
import { FileError } from '../errors.ts';
import { fileError, isMissing } from '../io/file_error.ts';
import { linesBackward } from '../io/lines_backward.ts';
import { type ByteLine, linesForward } from '../io/lines_forward.ts';
import type { ArchitectureReport, InitialArchitecture, JsonValue, Position } from '../methods/method.ts';
import type { AlphaLayout } from '../select/layout.ts';
import type { RunConfig } from './config.ts';
import { runFiles } from './directory.ts';
import type {
  DecisionEvent,
  EpochEvent,
  GenotypeEvent,
  SearchResult,
  StageEvent,
  StartEvent,
  StepEvent,
  TrainResult,
} from './events.ts';

/** Where a record stands; `stage` is told from the second one on. */
interface Place {
  readonly stage?: number;
  readonly epoch: number;
}

/** Each time that a process begins or resumes the run: what works where, and when, in ISO 8601. */
export type StartRecord = Omit<StartEvent, 'directory' | 'resumed'> &
  Place &
  Pick<RunConfig, 'settings' | 'versions'> & {
    readonly step: number;
    readonly time: string;
    readonly resumed: boolean;
  };

/** A stage but the first begins. */
export type StageRecord = Place & StageEvent;

/** How a stage's tables of architecture parameters lie and become mixing weights: what makes their records readable by themselves. */
export interface LayoutRecord extends Place {
  readonly type: 'layout';
  /** The step that it stands before: the first. */
  readonly step: 0;
  readonly activation: InitialArchitecture['activation'];
  readonly selection?: InitialArchitecture['selection'];
  readonly skeleton?: AlphaLayout['skeleton'];
  readonly nodes: AlphaLayout['nodes'];
  readonly nodeForm?: AlphaLayout['nodeForm'];
  readonly tables: AlphaLayout['tables'];
}

/** How tables lie, by their record. */
export function layoutOfRecord({ skeleton, nodes, nodeForm, tables }: LayoutRecord): AlphaLayout {
  return { ...(skeleton !== undefined && { skeleton }), nodes, ...(nodeForm !== undefined && { nodeForm }), tables };
}

/** Architecture parameters at an epoch's end or, of a stage's first epoch, before its first step. */
export interface AlphaRecord extends Place {
  readonly type: 'alpha';
  /** Where they stand before it. */
  readonly step?: 0;
  readonly tables: NonNullable<ArchitectureReport['alpha']>;
}

/** A choice that was made at an epoch's end, or to go back to the beginning of an epoch: it tells the steps taken until then. */
export type DecisionRecord = Place & DecisionEvent & { readonly updates?: number };

/** What a stage came to, for those that follow: in this run, or in one that begins with it. */
export interface OutcomeRecord extends Place {
  readonly type: 'outcome';
  /** Of the stage. */
  readonly name: string;
  readonly outcome: JsonValue;
}

/** What the run came to, at its end. */
export type ResultRecord = Place & { readonly type: 'result' } & (SearchResult | TrainResult);

/** A line of the journal. */
export type JournalRecord =
  | StartRecord
  | StageRecord
  | (Place & StepEvent)
  | (Place & EpochEvent)
  | (Place & GenotypeEvent)
  | LayoutRecord
  | AlphaRecord
  | DecisionRecord
  | OutcomeRecord
  | ResultRecord;

/** In bytes; no record is longer, and a line that is has been torn or is none of ours. */
export const longestLine = 2 ** 23;

/** The journal, open for appending. */
export interface Journal {
  append(record: JournalRecord): Promise<void>;
  /** Returns when all lines are on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the journal of a run that goes on at `position`, and cuts off the lines from there on, torn ones included. Throws FileError.
 */
export async function openJournal(path: string, position: Position): Promise<Journal> {
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw fileError('write', path, error);
    }
  };
  const file = await guarded(open(path, 'a+'));
  try {
    await guarded(truncateAt(file, position));
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    append: (record) => guarded(file.appendFile(`${JSON.stringify(record)}\n`)),
    sync: () => guarded(file.sync()),
    close: () => guarded(file.close()),
  };
}

/** Looks from the end, since little lies behind a checkpoint. */
async function truncateAt(file: FileHandle, position: Position): Promise<void> {
  for await (const { text, end } of linesBackward(file, longestLine)) {
    if (isBefore(text, position)) return file.truncate(end);
  }
  await file.truncate(0);
}

/** Whether a line tells of something that the run at a position has behind it. */
function isBefore(line: string, position: Position): boolean {
  const record = parseRecord(line);
  // A run that is at its end tells its result again.
  if (record === undefined || record.type === 'result') return false;
  const { type, stage = 0, epoch } = record;
  if (stage !== position.stage) return stage < position.stage;
  if (type === 'decision' && record.updates !== undefined) return record.updates <= position.updates;
  if (epoch !== position.epoch) return epoch < position.epoch;
  if (type === 'stage') return true;
  if (type === 'start') return record.step <= position.step;
  // What stands before the first step is written again with it.
  const { step } = record as { readonly step?: number };
  return step !== undefined && step < position.step;
}

/**
 * The records of a run, one after another, all but those of steps; lines that are torn, as the last one may be while the run goes on, are
 * passed over. Throws FileError.
 */
export async function* readJournal(directory: string): AsyncGenerator<JournalRecord, void, undefined> {
  for await (const { bytes } of journalLines(directory, 0)) {
    // Most lines by far: they are not even decoded.
    if (bytes.subarray(0, stepStart.length).equals(stepStart)) continue;
    const record = parseRecord(bytes.toString());
    if (record !== undefined) yield record;
  }
}

/** A record, if the line is one, the line's bytes, and where in the journal the next line begins. */
export interface PlacedRecord {
  readonly record: JournalRecord | undefined;
  readonly bytes: Buffer;
  readonly next: number;
}

/**
 * The records of a run that its journal holds from an offset on, and up to another, those of steps too, but for a last line that has not been
 * ended yet. Throws FileError.
 */
export async function* readJournalFrom(
  directory: string,
  start: number,
  until?: number,
): AsyncGenerator<PlacedRecord, void, undefined> {
  for await (const { bytes, next, torn } of journalLines(directory, start, until)) {
    if (!torn) yield { record: parseRecord(bytes.toString()), bytes, next };
  }
}

async function* journalLines(
  directory: string,
  start: number,
  until?: number,
): AsyncGenerator<ByteLine, void, undefined> {
  const path = runFiles(directory).journal;
  try {
    yield* linesForward(path, longestLine, start, until);
  } catch (error) {
    if (isMissing(error)) throw new FileError(`${directory} holds no journal: expected the directory of a run`);
    throw fileError('read', path, error);
  }
}

const stepStart = Buffer.from('{"type":"step",');

/** The record of a line; undefined for one that is torn. */
export function parseRecord(line: string): JournalRecord | undefined {
  try {
    const record = JSON.parse(line) as Partial<JournalRecord> | null;
    return typeof record?.type === 'string' && typeof record.epoch === 'number' ? (record as JournalRecord) : undefined;
  } catch {
    return undefined;
  }
}
