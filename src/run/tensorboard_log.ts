// The event files of a run that goes on, in a folder within its directory: one more each time that a process begins or resumes it.
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BackendError } from '../errors.ts';
import {
  fileBeginning,
  type SummaryValue,
  sessionEndEvent,
  sessionStartEvent,
  stepOfEvent,
  summaryEvent,
} from '../exchange/tensorboard.ts';
import { BatchedAppend } from '../io/batched_append.ts';
import { errorCode, fileError } from '../io/file_error.ts';
import { readRecords } from '../io/tfrecord.ts';
import type { Method } from '../methods/method.ts';
import { makeFolders } from './directory.ts';
import type { JournalRecord } from './journal.ts';
import { timedRecords } from './record_times.ts';
import { type TensorboardMoment, TensorboardRecords } from './tensorboard_records.ts';

/** Where a run's event files lie. */
export function tensorboardDirectory(directory: string): string {
  return join(directory, 'tensorboard');
}

/** Writes what a run shows while it goes on. Throws FileError where the disk takes nothing more. */
export interface TensorboardLog {
  /** Takes the next record of the journal. */
  append(record: JournalRecord): Promise<void>;
  close(): Promise<void>;
}

/**
 * Begins an event file of a run whose journal ends where it goes on. What files before lack is written again: all of it where there are
 * none, else what stands at the last step that they and the journal share, and behind it. Throws FileError.
 */
export async function openTensorboard(directory: string, method: Method): Promise<TensorboardLog> {
  const folder = tensorboardDirectory(directory);
  const records = new TensorboardRecords(directory, () => method);
  try {
    await makeFolders(folder);
    const known = await lastStepIn(folder);
    const file = await newFile(folder);
    try {
      const written = new BatchedAppend(file);
      await catchUp(directory, records, known, written);
      await written.flush();
    } catch (error) {
      await file.close();
      throw error;
    }
    return {
      append: async (record) => {
        const moment = taken(records, record);
        if (moment !== undefined) await guarded(folder, file.appendFile(await eventsOf(moment, Date.now())));
      },
      close: () => file.close(),
    };
  } catch (error) {
    throw fileError('write', folder, error);
  }
}

/** Writes what the journal tells from the step on that is known, or of its last one where files go beyond. */
async function catchUp(
  directory: string,
  records: TensorboardRecords,
  known: number,
  file: BatchedAppend,
): Promise<void> {
  let begun = false;
  let last: { readonly moment: TensorboardMoment; readonly millis: number }[] = [];
  const begin = async (step: number) => {
    begun = true;
    await file.append(fileBeginning({ step, seconds: Date.now() / 1000 }));
  };
  for await (const { record, millis } of timedRecords(directory, Date.now())) {
    const moment = record && taken(records, record);
    if (moment === undefined) continue;
    if (moment.step >= known) {
      if (!begun) await begin(known);
      await file.append(await eventsOf(moment, millis));
    } else {
      last = last.filter(({ moment: { step } }) => step === moment.step);
      last.push({ moment, millis });
    }
  }
  if (begun) return;
  await begin(Math.min(known, records.step));
  for (const { moment, millis } of last) {
    if (moment.step === records.step) await file.append(await eventsOf(moment, millis));
  }
}

/** Nothing of a record that makes no sense: what is wrong with a run, such as alpha that became NaN, the run itself tells. */
function taken(records: TensorboardRecords, record: JournalRecord): TensorboardMoment | undefined {
  try {
    return records.take(record);
  } catch {
    return undefined;
  }
}

/** The events of a moment. A picture that cannot be drawn on this platform is left out. */
export async function eventsOf(moment: TensorboardMoment, millis: number): Promise<Buffer> {
  const { step, settings, isEnd } = moment;
  const place = { step, seconds: millis / 1000 };
  const values = await moment.values().catch((error: unknown): readonly SummaryValue[] => {
    if (error instanceof BackendError) return [];
    throw error;
  });
  return Buffer.concat([
    ...(settings === undefined ? [] : [sessionStartEvent(place, settings)]),
    ...(values.length === 0 ? [] : [summaryEvent(place, values)]),
    ...(isEnd ? [sessionEndEvent(place)] : []),
  ]);
}

/** The step of the last whole event in the newest file of a folder; 0 where there is none. */
async function lastStepIn(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter(isEventFile).sort();
  let last = 0;
  const newest = names.at(-1);
  if (newest === undefined) return last;
  for await (const record of readRecords(join(folder, newest))) last = stepOfEvent(record) ?? last;
  return last;
}

/** Whether TensorBoard reads a file of that name. */
export function isEventFile(name: string): boolean {
  return name.includes('tfevents');
}

/** Its name sorts behind those of files before it. */
async function newFile(folder: string): Promise<FileHandle> {
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
  for (let count = 0; ; count++) {
    const name = `events.out.tfevents.${seconds}.${hostname().replace(/[^\w.-]/g, '-')}.${process.pid}.${count}`;
    try {
      return await open(join(folder, name), 'ax');
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
}

async function guarded(folder: string, work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    throw fileError('write', folder, error);
  });
}
