import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '../io/file_error.ts';
import { linesBackward } from '../io/lines_backward.ts';
import type { EpochEvent, StepEvent } from './events.ts';

/** A place in a search: the epoch and the step within it that come next. */
export interface Position {
  readonly epoch: number;
  readonly step: number;
}

/** metrics.jsonl, open for appending: one JSON line a step and an epoch. */
export interface MetricsLog {
  append(event: StepEvent | EpochEvent): Promise<void>;
  /** Returns when all lines are on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the log of a run that goes on at `position`, and cuts off the lines from there on, torn ones included: the run will
 * write them again. Throws FileError.
 */
export async function openMetrics(path: string, position: Position): Promise<MetricsLog> {
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
    append: (event) => guarded(file.appendFile(`${JSON.stringify(event)}\n`)),
    sync: () => guarded(file.sync()),
    close: () => guarded(file.close()),
  };
}

/** Looks from the end, since a log may be gigabytes and little of it lies behind a checkpoint. */
async function truncateAt(file: FileHandle, position: Position): Promise<void> {
  for await (const { text, end } of linesBackward(file)) {
    if (isBefore(text, position)) return file.truncate(end);
  }
  await file.truncate(0);
}

/** Whether a line tells of something that the run at `position` has behind it. */
function isBefore(line: string, { epoch, step }: Position): boolean {
  try {
    const event = JSON.parse(line) as Partial<StepEvent> | null;
    if (typeof event?.epoch !== 'number') return false;
    return event.epoch < epoch || (event.epoch === epoch && event.step !== undefined && event.step < step);
  } catch {
    return false;
  }
}
