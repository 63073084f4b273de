// Records as views take them. A line that parses may hold anything: here it is brought to what records are, so that nobody who shows a
// view must look again.
import { anInteger, finite, isRecord, listOf, type Rule } from '../checks.ts';
import { FileError } from '../errors.ts';
import type { JournalRecord, StageRecord, StartRecord } from './journal.ts';

/** A record any field of which may be missing. */
type Loose<Record extends JournalRecord> = Partial<Record> & Pick<Record, 'type' | 'epoch'>;

export type SoundStart = Loose<StartRecord>;

/** Fields that are there are what they should be, as far as {@link rulesOf} tells. */
export type SoundRecord = SoundStart | Loose<StageRecord> | Exclude<JournalRecord, StartRecord | StageRecord>;

/** Of a selection some hundreds, two a decision. */
const mostStages = 1000;
/** Objects and lists within one another. Our own need 7; from some thousands on JSON.stringify fails. */
const deepest = 32;

/** Letters of a text that a list shows. */
const longestText = 2000;

const aText: Rule = {
  words: `a text of at most ${longestText} letters`,
  holds: (value) => typeof value === 'string' && value.length <= longestText,
};
const aCount = anInteger(0);
const aStage = anInteger(0, mostStages - 1);
const anObject: Rule = { words: 'an object', holds: isRecord };
/** Mixing weights are computed in float32. */
const aRow = listOf(finite, 'a list of numbers');
const areTables: Rule = {
  words: 'lists of rows of numbers by name',
  holds: (value) => isRecord(value) && Object.values(value).every(listOf(aRow, 'a list of rows').holds),
};

/** Fields that views show or count by. The rest of them have checks of their own: layouts, genotypes, measures. */
const rulesOf = new Map<string, Readonly<Record<string, Rule>>>([
  [
    'start',
    {
      ...{ run: aText, method: aText, dataset: aText, space: aText, device: aText, stageName: aText, time: aText },
      ...{ seed: aCount, epochs: aCount, steps: aCount, step: aCount },
      ...{ notices: listOf(aText, 'a list of texts'), settings: anObject, versions: anObject },
    },
  ],
  ['stage', { name: aText, epochs: aCount, steps: aCount }],
  ['alpha', { step: aCount, tables: areTables }],
]);

/** A record without those of its fields that are none; `tell` is told of them. Throws FileError where nothing of it can be taken. */
export function soundRecord(record: JournalRecord, tell: (problem: string) => void): SoundRecord {
  const { type, epoch, stage = 0 } = record;
  if (!aCount.holds(epoch)) throw damaged(type, 'epoch', aCount);
  if (!aStage.holds(stage)) throw damaged(type, 'stage', aStage);
  // Most lines by far: of these nothing is taken but numbers, one by one.
  if (type === 'step' || type === 'epoch') return record;
  if (!isWithin(record, deepest)) throw new FileError('a record of the journal is nested too deeply and was left out');
  const fields = record as unknown as Readonly<Record<string, unknown>>;
  const faults = Object.entries(rulesOf.get(type) ?? {}).filter(
    ([name, rule]) => fields[name] !== undefined && !rule.holds(fields[name]),
  );
  if (faults.length === 0) return record;
  for (const [name, rule] of faults) tell(damaged(type, name, rule).message);
  const isSound = ([name]: readonly [string, unknown]) => faults.every(([fault]) => fault !== name);
  return Object.fromEntries(Object.entries(record).filter(isSound)) as unknown as SoundRecord;
}

function damaged(type: string, name: string, { words }: Rule): FileError {
  return new FileError(`a record of the journal is damaged: expected ${words} for ${name} of '${type}'`);
}

/** Whether a value has no more than `depth` objects and lists within one another. */
function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  for (const inner of Object.values(value)) if (!isWithin(inner, depth - 1)) return false;
  return true;
}
