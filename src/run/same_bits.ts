// Whether two runs came to the same bits, and where they first differ: their journals record by record, then what they left.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord } from '../checks.ts';
import { exists, fileError, isMissing } from '../io/file_error.ts';
import { decodeSteps } from '../io/safetensors.ts';
import { inSlices } from '../slices.ts';
import { runFiles, trainingDirectory } from './directory.ts';
import { type JournalRecord, readJournalFrom, type StartRecord } from './journal.ts';
import type { Reach } from './reach.ts';

/** Where two runs first differ. */
export interface RunDifference {
  /** Within the run directory, with `/`. */
  readonly file: string;
  /** Of a journal: the type of the record, and where that stands. All count from 0; `stage` is told from the second one on. */
  readonly record?: string;
  readonly stage?: number;
  readonly epoch?: number;
  readonly step?: number;
  /** Such as `loss`, `tables.alphas_normal[3][2]`, of weights the tensor and the place in it, of other files `byte 12`. */
  readonly field: string;
  /** Undefined where there is none. */
  readonly original: unknown;
  readonly repeated: unknown;
}

/** What was compared, and with what outcome. */
export interface RunComparison {
  readonly difference?: RunDifference;
  /** Whether the original has ended: else it was compared as far as it went. */
  readonly whole: boolean;
  readonly records: number;
  readonly files: number;
}

/** How far an original came, and the training behind it where one follows. */
export interface Reaches {
  readonly run: Reach;
  readonly training?: Reach;
}

/**
 * Compares two run directories as far as the original's reach, and the trainings within them where one follows. A run that goes on meanwhile
 * is compared as it was then. Throws FileError.
 */
export async function compareRuns(
  original: string,
  repeated: string,
  { run, training }: Reaches,
): Promise<RunComparison> {
  const found = await compareOne(original, repeated, run, '');
  if (found.difference !== undefined || training === undefined) return found;
  if (training.end === 0) return { ...found, whole: false };
  const next = await compareOne(trainingDirectory(original), trainingDirectory(repeated), training, 'train/');
  const { difference, whole } = next;
  return { difference, whole, records: found.records + next.records, files: found.files + next.files };
}

async function compareOne(original: string, repeated: string, reach: Reach, prefix: string): Promise<RunComparison> {
  const journals = await compareJournals(original, repeated, reach);
  const { difference, whole } = journals;
  // What a run leaves on its way is of where it stands.
  if (difference !== undefined || !whole) return { ...journals, difference: within(prefix, difference) };
  const files = await resultFiles(original);
  for (const [index, file] of files.entries()) {
    const found = await compareFiles(file, join(original, file), join(repeated, file));
    if (found !== undefined) return { ...journals, difference: within(prefix, found), files: index + 1 };
  }
  return { ...journals, files: files.length };
}

function within(prefix: string, difference: RunDifference | undefined): RunDifference | undefined {
  return difference && { ...difference, file: prefix + difference.file };
}

async function compareJournals(original: string, repeated: string, { end, whole }: Reach): Promise<RunComparison> {
  const others = comparable(repeated);
  let records = 0;
  let isOfVersion = true;
  try {
    for await (const record of comparable(original, end)) {
      const { value: other } = await others.next();
      if (record?.type === 'start' && other?.type === 'start') isOfVersion = isSameVersion(record, other);
      const found = recordDifference(record, other || undefined, isOfVersion);
      if (found !== undefined) return { difference: found, whole, records, files: 0 };
      records++;
    }
    const { value: more } = whole ? await others.next() : {};
    const surplus = more && recordDifference(undefined, more, isOfVersion);
    return { ...(surplus && { difference: surplus }), whole, records, files: 0 };
  } finally {
    await others.return();
  }
}

/**
 * The records that end before a place, but for starts behind the first: a run has as many as it was interrupted, and a kill before the first
 * was written makes that one tell of going on.
 */
async function* comparable(
  directory: string,
  end = Number.POSITIVE_INFINITY,
): AsyncGenerator<JournalRecord | undefined, void, undefined> {
  let isBegun = false;
  for await (const { record, next } of readJournalFrom(directory, 0)) {
    if (next > end) return;
    const isStart = record?.type === 'start';
    if (!(isStart && isBegun)) yield record;
    isBegun ||= isStart;
  }
}

/** What clock, machine and place decide. */
const free: readonly string[] = [
  ...['time', 'seconds', 'secondsLeft', 'imagesPerSecond', 'wordsPerSecond'],
  ...['device', 'previousDevice', 'versions', 'directory', 'notices', 'unreadableImages', 'resumed'],
];

function isSameVersion({ versions }: StartRecord, { versions: others }: StartRecord): boolean {
  return versions?.dartsmith === others?.dartsmith;
}

/** What records of another version do not tell is no difference: later ones may tell more. */
function recordDifference(
  original: JournalRecord | undefined,
  repeated: JournalRecord | undefined,
  isOfVersion: boolean,
): RunDifference | undefined {
  const place = placeOf(original ?? repeated);
  if (original === undefined || repeated === undefined) {
    // Of a damaged line nobody knows what it was.
    return { ...place, field: 'record', original: original?.type, repeated: repeated?.type };
  }
  const bits = (record: JournalRecord) =>
    Object.fromEntries(Object.entries(record).filter(([name]) => !free.includes(name)));
  const found = firstDifference(bits(original), bits(repeated), '', isOfVersion);
  return found && { ...place, ...found };
}

function placeOf(record: JournalRecord | undefined) {
  const file = 'journal.jsonl';
  if (record === undefined) return { file };
  const { type, stage, epoch, step } = record as JournalRecord & { readonly step?: number };
  return { file, record: type, ...(stage !== undefined && { stage }), epoch, ...(step !== undefined && { step }) };
}

/** A field, and its value on either side. */
type FieldDifference = Pick<RunDifference, 'field' | 'original' | 'repeated'>;

/** The first field in the order of the original, then of `both` one that it lacks; undefined where two values of JSON are the same. */
function firstDifference(
  original: unknown,
  repeated: unknown,
  field: string,
  both: boolean,
): FieldDifference | undefined {
  if (Array.isArray(original) && Array.isArray(repeated)) {
    const length = Math.max(original.length, repeated.length);
    for (let index = 0; index < length; index++) {
      const found = firstDifference(original[index], repeated[index], `${field}[${index}]`, both);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (isRecord(original) && isRecord(repeated)) {
    for (const name of new Set([...Object.keys(original), ...(both ? Object.keys(repeated) : [])])) {
      const found = firstDifference(original[name], repeated[name], field === '' ? name : `${field}.${name}`, both);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return Object.is(original, repeated) ? undefined : { field, original, repeated };
}

/** What a run that has ended leaves, by its name or below that of a stage. */
const resultNames = ['genotype.json', 'genotype.txt', 'checkpoint.safetensors', 'weights.safetensors'];

/** Paths within a run directory, those of stages first. */
async function resultFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const stages: string[] = [];
  for (const name of folders.sort()) {
    const files = runFiles(join(directory, name));
    if ((await exists(files.checkpoint)) && !(await exists(files.config))) stages.push(`${name}/`);
  }
  const paths = [...stages, ''].flatMap((folder) => resultNames.map((name) => folder + name));
  const there = await Promise.all(paths.map((path) => exists(join(directory, path))));
  return paths.filter((_, index) => there[index]);
}

async function compareFiles(file: string, original: string, repeated: string): Promise<RunDifference | undefined> {
  const [bytes, others] = await Promise.all([original, repeated].map(readThere));
  if (bytes === undefined || others === undefined) {
    const told = (found: Buffer | undefined) => (found === undefined ? undefined : `${found.length} bytes`);
    return { file, field: 'file', original: told(bytes), repeated: told(others) };
  }
  if (bytes.equals(others)) return undefined;
  const found = file.endsWith('.safetensors')
    ? await tensorDifference(bytes, others).catch(() => undefined)
    : undefined;
  return { file, ...(found ?? byteDifference(bytes, others)) };
}

async function readThere(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw fileError('read', path, error);
  });
}

function byteDifference(bytes: Buffer, others: Buffer): FieldDifference {
  const length = Math.max(bytes.length, others.length);
  let at = 0;
  while (at < length && bytes[at] === others[at]) at++;
  return { field: `byte ${at}`, original: bytes[at], repeated: others[at] };
}

/** The first number of the first tensor that differs, or what differs beside them. */
async function tensorDifference(bytes: Buffer, others: Buffer): Promise<FieldDifference | undefined> {
  const [original, repeated] = [await inSlices(decodeSteps(bytes, '')), await inSlices(decodeSteps(others, ''))];
  for (const [name, { data }] of original.tensors) {
    const other = repeated.tensors.get(name)?.data;
    if (other?.length !== data.length) {
      return { field: `${name}.length`, original: data.length, repeated: other?.length };
    }
    const at = data.findIndex((value, index) => !Object.is(value, other[index]));
    if (at >= 0) return { field: `${name}[${at}]`, original: data[at], repeated: other[at] };
  }
  return firstDifference(original.metadata, repeated.metadata, 'metadata', true);
}
