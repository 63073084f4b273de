// How far a run came, and when another one of the same kind has come as far.
import { statSync } from 'node:fs';
import { exists } from '../io/file_error.ts';
import { runFiles } from './directory.ts';
import type { RunEvent } from './events.ts';
import { readJournalFrom } from './journal.ts';

/** How far a run came when its journal was read. */
export interface Reach {
  /** Steps and ends of epochs, those too that a rollback took back: what only grows. */
  readonly moments: number;
  /** Where the lines end that were read: a run that goes on appends others. */
  readonly end: number;
  /** Whether it has ended. */
  readonly whole: boolean;
}

/** How far the run in a directory came, by the first `end` bytes of its journal; without one nothing has begun. Throws FileError. */
export async function reachOf(directory: string, end = Number.POSITIVE_INFINITY): Promise<Reach> {
  let reach: Reach = { moments: 0, end: 0, whole: false };
  if (!(await exists(runFiles(directory).journal))) return reach;
  for await (const { record, next } of readJournalFrom(directory, 0)) {
    if (next > end) break;
    const moments = reach.moments + (record !== undefined && isMoment(record) ? 1 : 0);
    reach = { moments, end: next, whole: record === undefined ? reach.whole : record.type === 'result' };
  }
  return reach;
}

function isMoment({ type }: { readonly type: string }): boolean {
  return type === 'step' || type === 'epoch';
}

/** Follows the events of the run in a directory until it has come as far as another. */
export class Reaching {
  readonly #directory: string;
  readonly #reach: Reach;
  /** Moments that were told before this process; unknown while they are counted, so that a run goes too far rather than not far enough. */
  #before = 0;
  #since = 0;

  constructor(directory: string, reach: Reach) {
    this.#directory = directory;
    this.#reach = reach;
  }

  /** Takes the next event; gives whether the run has come as far as the reach. */
  take(event: RunEvent): boolean {
    if (event.type === 'start') {
      this.#since = 0;
      this.#before = 0;
      if (event.resumed !== undefined) this.#countBefore();
    } else if (isMoment(event)) this.#since++;
    return !this.#reach.whole && this.#before + this.#since >= this.#reach.moments;
  }

  /** What lies behind the checkpoint has been cut off by now, and is told again. */
  #countBefore(): void {
    const end = statSync(runFiles(this.#directory).journal, { throwIfNoEntry: false })?.size ?? 0;
    reachOf(this.#directory, end).then(
      ({ moments }) => {
        this.#before = moments;
      },
      // The run itself tells what is wrong with its journal.
      () => {},
    );
  }
}
