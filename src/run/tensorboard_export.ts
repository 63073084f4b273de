// The event file of a run, made afterwards from its journal alone.
import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { check, checkOptions, type Rule } from '../checks.ts';
import { FileError, messageOf } from '../errors.ts';
import { fileBeginning } from '../exchange/tensorboard.ts';
import { BatchedAppend } from '../io/batched_append.ts';
import { exists, fileError } from '../io/file_error.ts';
import { methods as builtIn, methodsOf } from '../methods/registry.ts';
import { makeFolders, runFiles, trainingDirectory } from './directory.ts';
import { type TimedRecord, timedRecords } from './record_times.ts';
import { eventsOf, isEventFile } from './tensorboard_log.ts';
import { TensorboardRecords } from './tensorboard_records.ts';

/** Options of {@link exportTensorboard}. */
export interface TensorboardExportOptions {
  /** Folder for the event file. It may hold one of the same run already, which is then replaced. */
  readonly out: string;
}

/** What {@link exportTensorboard} gives. */
export interface TensorboardExport {
  /** Event files that were written: one, and one of the training that followed a search, in `train`. */
  readonly files: readonly string[];
  /** What of the journals makes no sense and was left out, a line each. */
  readonly problems: readonly string[];
}

const mostProblems = 20;

const aFolder: Rule = {
  words: 'the path of a folder',
  holds: (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
};

/**
 * Writes what a run shows, as far as it is, as an event file for TensorBoard; the same journal gives the same file. It tells the times of
 * epochs, between which steps are spread evenly, those behind the last one up to when the journal was written last. Throws ArgumentError, or
 * FileError where there is no journal or `out` holds event files of others.
 */
export async function exportTensorboard(run: string, options: TensorboardExportOptions): Promise<TensorboardExport> {
  check('run', run, aFolder);
  checkOptions('options', options, ['out']);
  check('out', options.out, aFolder);
  const { out } = options;
  const found = await exportOne(run, out);
  const training = trainingDirectory(run);
  if (!(await exists(runFiles(training).journal))) return found;
  const next = await exportOne(training, trainingDirectory(out));
  return { files: [...found.files, ...next.files], problems: [...found.problems, ...next.problems] };
}

async function exportOne(run: string, out: string): Promise<TensorboardExport> {
  const { journal } = runFiles(run);
  if (!(await exists(journal))) throw new FileError(`${run} holds no journal: expected the directory of a run`);
  // When the last of it was written.
  const { mtimeMs } = await stat(journal);
  try {
    await makeFolders(out);
    const name = await fileName(run);
    const other = (await readdir(out)).find((found) => isEventFile(found) && found !== name);
    if (other !== undefined) {
      throw new FileError(`${out} holds event files already (${other}): choose another folder`);
    }
    // TensorBoard passes over a name without "tfevents".
    const draft = join(out, `.${process.pid}.export.tmp`);
    const file = await open(draft, 'w');
    try {
      const problems = await writeAll(run, mtimeMs, file);
      await file.close();
      await rename(draft, join(out, name));
      return { files: [join(out, name)], problems };
    } catch (error) {
      await file.close();
      await rm(draft, { force: true });
      throw error;
    }
  } catch (error) {
    throw fileError('write', out, error);
  }
}

/** The same for the same run, so that a second export takes the place of the first; another for one that began in the same second. */
async function fileName(run: string): Promise<string> {
  for await (const { record, millis } of timedRecords(run, 0)) {
    const digest = createHash('sha256')
      .update(JSON.stringify(record) ?? '')
      .digest('hex')
      .slice(0, 12);
    return `events.out.tfevents.${String(Math.floor(millis / 1000)).padStart(10, '0')}.${digest}.journal`;
  }
  throw new FileError(`${run} tells nothing yet: its journal has no record`);
}

async function writeAll(run: string, until: number, file: FileHandle): Promise<string[]> {
  const records = new TensorboardRecords(run, ({ run: command, method }) =>
    methodsOf(command, builtIn).find(({ name }) => name === method),
  );
  const problems = new Set<string>();
  const written = new BatchedAppend(file);
  let begun = false;
  for await (const { record, millis } of timedRecords(run, until)) {
    if (!begun) await written.append(fileBeginning({ step: 0, seconds: millis / 1000 }));
    begun = true;
    const events = await eventsOfRecord(records, { record, millis }).catch((error: unknown) => {
      if (problems.size < mostProblems) problems.add(`left out of ${run}: ${messageOf(error)}`);
    });
    if (events !== undefined) await written.append(events);
  }
  await written.flush();
  return [...problems];
}

/** Rejects for a record that makes no sense, whatever it holds. */
async function eventsOfRecord(
  records: TensorboardRecords,
  { record, millis }: TimedRecord,
): Promise<Buffer | undefined> {
  if (record === undefined) throw new FileError('a line of the journal is damaged');
  const moment = records.take(record);
  return moment && eventsOf(moment, millis);
}
