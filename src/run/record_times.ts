// When the records of a journal were made: it tells the moment of each start and how long epochs took, and steps are spread between.
import { type JournalRecord, readJournalFrom, type StartRecord } from './journal.ts';

/** A record, undefined for a line that is none, and its time in milliseconds since 1970. */
export interface TimedRecord {
  readonly record: JournalRecord | undefined;
  readonly millis: number;
}

/** The records of a run in their order, none before the one in front of it. `until` is when the last was written. Throws FileError. */
export async function* timedRecords(directory: string, until: number): AsyncGenerator<TimedRecord, void, undefined> {
  const times = new Times();
  for await (const { record } of readJournalFrom(directory, 0)) {
    if (record?.type === 'start') yield* times.start(record);
    else if (record?.type === 'epoch') yield* times.epoch(record);
    else times.waiting.push(record);
  }
  yield* times.spread(until);
}

class Times {
  /** Since the last record whose time is known. */
  waiting: (JournalRecord | undefined)[] = [];
  #now = 0;
  /** When the epoch began, in the process that is at it. */
  #epochStart = 0;
  /** Of a step, in the last epoch. */
  #millisOfStep = Number.POSITIVE_INFINITY;

  *start(record: StartRecord): Generator<TimedRecord> {
    const time = Date.parse(record.time);
    const told = Number.isFinite(time) ? time : this.#now;
    yield* this.spread(told);
    this.#now = Math.max(this.#now, told);
    this.#epochStart = this.#now;
    yield { record, millis: this.#now };
  }

  *epoch(record: Extract<JournalRecord, { type: 'epoch' }>): Generator<TimedRecord> {
    const { seconds } = record;
    const end = this.#epochStart + (Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0);
    const steps = this.waiting.filter(isStep).length;
    if (steps > 0) this.#millisOfStep = Math.max(0, end - this.#now) / steps;
    yield* this.spread(end);
    this.#now = Math.max(this.#now, end);
    this.#epochStart = this.#now;
    yield { record, millis: this.#now };
  }

  /** Those that wait, to a moment at most: a run that was interrupted did not work all the time. */
  *spread(until: number): Generator<TimedRecord> {
    const steps = this.waiting.filter(isStep).length;
    const length = steps === 0 ? 0 : Math.min(this.#millisOfStep, Math.max(0, until - this.#now) / steps);
    for (const record of this.waiting) {
      if (isStep(record)) this.#now += length;
      yield { record, millis: this.#now };
    }
    this.waiting = [];
  }
}

function isStep(record: JournalRecord | undefined): boolean {
  return record?.type === 'step';
}
