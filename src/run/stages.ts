// The stages of a search, as its journal tells of them.
import { FileError } from '../errors.ts';
import { type JournalRecord, readJournal } from './journal.ts';

/** A record, and the stage that it is of. */
export interface StagedRecord {
  readonly record: JournalRecord;
  /** From 0. */
  readonly stage: number;
  /** The stage's name; that of the command where the run has only one. */
  readonly name: string;
}

/** The records of a run as {@link readJournal} gives them, each with its stage. Throws FileError. */
export async function* readStagedRecords(directory: string): AsyncGenerator<StagedRecord, void, undefined> {
  const names: string[] = [];
  for await (const record of readJournal(directory)) {
    if (record.type === 'start') names[0] ??= record.stageName ?? record.run;
    if (record.type === 'stage') names[record.stage] = record.name;
    const { stage = 0 } = record;
    yield { record, stage, name: names[stage] };
  }
}

/** The stage of a name; when none is wanted the first or the last, as is usual. Throws FileError where there is none. */
export function stageNamed<Stage>(
  stages: ReadonlyMap<string, Stage>,
  wanted: string | undefined,
  usual: 'first' | 'last',
  directory: string,
): Stage {
  const names = [...stages.keys()];
  const found = stages.get(wanted ?? names.at(usual === 'first' ? 0 : -1) ?? '');
  if (found !== undefined) return found;
  const what = names.length === 0 ? 'no search that tells how its alpha lies' : `the stages ${names.join(', ')}`;
  throw new FileError(`${directory} holds ${what}${wanted === undefined ? '' : `, but no '${wanted}'`}`);
}
