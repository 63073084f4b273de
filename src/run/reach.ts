// How far a run came, and when another one of the same kind has come as far.
import { exists } from '../io/file_error.ts';
import { runFiles } from './directory.ts';
import type { RunEvent } from './events.ts';
import { readJournalFrom } from './journal.ts';

/** The last step or epoch that a run has behind it. */
export interface Reach {
  /** Names of the stages that have begun. */
  readonly stages: readonly string[];
  /** From 0, as is the epoch; -1 where none has begun. */
  readonly stage: number;
  readonly epoch: number;
  /** From 0; infinity at the epoch's end. */
  readonly step: number;
}

/** How far the run in a directory came; undefined where it has ended. Of a directory without a journal nothing has begun. */
export async function reachOf(directory: string): Promise<Reach | undefined> {
  const stages: string[] = [];
  let [stage, epoch, step] = [0, -1, 0];
  let ended = false;
  if (!(await exists(runFiles(directory).journal))) return { stages, stage, epoch, step };
  for await (const { record } of readJournalFrom(directory, 0)) {
    if (record === undefined) continue;
    if (record.type === 'start') stages[0] ??= record.stageName ?? record.run;
    if (record.type === 'stage') stages[record.stage] = record.name;
    if (record.type === 'step' || record.type === 'epoch') {
      stage = record.stage ?? 0;
      epoch = record.epoch;
      step = record.type === 'step' ? record.step : Number.POSITIVE_INFINITY;
    }
    ended = record.type === 'result';
  }
  return ended ? undefined : { stages, stage, epoch, step };
}

/** Follows the events of a run. */
export class Reaching {
  readonly #reach: Reach;
  #stage = 0;

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  /** Takes the next event; gives whether the run has come as far as the reach. */
  take(event: RunEvent): boolean {
    const { stages, stage, epoch, step } = this.#reach;
    if (event.type === 'start') this.#stage = Math.max(0, stages.indexOf(event.stageName ?? event.run));
    if (event.type === 'stage') this.#stage = event.stage;
    if (event.type === 'start') return this.#stage === stage && epoch < 0;
    if (event.type !== 'step' && event.type !== 'epoch') return false;
    if (this.#stage !== stage) return this.#stage > stage;
    if (event.epoch !== epoch) return event.epoch > epoch;
    return (event.type === 'step' ? event.step : Number.POSITIVE_INFINITY) >= step;
  }
}
