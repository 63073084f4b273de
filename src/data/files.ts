import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { abortedBy, DataError, messageOf, throwIfAborted } from '../errors.ts';
import { errorCode } from '../io/file_error.ts';

/** A data file in memory, unpacked where it was gzipped. */
export interface DataFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

const unpack = promisify(gunzip);

/** Also bounds what a small hostile .gz may unpack to. */
const largestFileBytes = 2 ** 31 - 1;

/** The one form of "byte N: expected X, found Y"; in a gzipped file the bytes counted are the unpacked ones. */
export function corrupt(path: string, offset: number, expected: string, found: string): DataError {
  return new DataError(`${path}: byte ${offset}: expected ${expected}, found ${found}`);
}

/** Lets other work run between two stretches of a long loop. Throws AbortedError once the signal is aborted. */
export async function yieldToEventLoop(signal?: AbortSignal): Promise<void> {
  await nextTurn();
  throwIfAborted(signal);
}

/** Whether a file or folder is what a program left there and no data: hidden ones, and those of macOS and Synology. */
export function isStray(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX' || name === '@eaDir';
}

/** The names in a data folder but for strays; there must be some. `expected` says what belongs there. Throws DataError. */
export async function listFolder(folder: string, expected: string): Promise<ReadonlySet<string>> {
  const all = await readdir(folder).catch((error: unknown) => {
    throw unreadable(folder, `a folder with ${expected}`, error);
  });
  const names = all.filter((name) => !isStray(name));
  if (names.length === 0) throw new DataError(`${folder}: expected a folder with ${expected}, found an empty folder`);
  return new Set(names);
}

/** The error for a folder that lacks files which must be there; `wanted` are their names, to suggest what may have been meant. */
export async function missing(
  folder: string,
  expected: string,
  names: Iterable<string>,
  wanted: readonly string[],
): Promise<DataError> {
  const all = [...names].sort();
  const hint = inOtherCase(all, wanted) ?? (await nearby(folder, all, wanted)) ?? '';
  return new DataError(`${folder}: expected a folder with ${expected}, found only ${listed(all)}${hint}`);
}

/** Asks whether a wanted name was meant by one that differs in case; undefined where there is none. */
export function inOtherCase(names: Iterable<string>, wanted: readonly string[]): string | undefined {
  for (const name of names) {
    const meant = wanted.find((other) => other !== name && other.toLowerCase() === name.toLowerCase());
    if (meant !== undefined) return ` (did you mean ${meant} by ${name}? rename it)`;
  }
  return undefined;
}

/** Asks whether the folder above, or one within, was meant. */
async function nearby(
  folder: string,
  names: readonly string[],
  wanted: readonly string[],
): Promise<string | undefined> {
  const above = dirname(folder);
  for (const place of [...names.slice(0, 64).map((name) => join(folder, name)), above]) {
    const found = await readdir(place).catch(() => []);
    if (found.some((name) => wanted.includes(name))) return ` (did you mean ${place}?)`;
  }
  return undefined;
}

/** Some of many names, for messages. */
export function listed(names: readonly string[], most = 6): string {
  const shown = names.length > most ? [...names.slice(0, most), `${names.length - most} more`] : names;
  return shown.join(', ');
}

/** Reads a whole data file and unpacks it if its content is gzip. Throws DataError, or AbortedError. */
export async function readDataFile(path: string, signal?: AbortSignal): Promise<DataFile> {
  await yieldToEventLoop(signal);
  const bytes = await readRegularFile(path, signal).catch((error: unknown) => {
    if (error instanceof DataError) throw error;
    throw signal?.aborted ? abortedBy(signal) : unreadable(path, 'a readable file', error);
  });
  // By content and not by name, since browsers unpack some .gz downloads and keep the name.
  const gzipped = bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
  return { path, bytes: gzipped ? await gunzipped(path, bytes) : bytes };
}

async function readRegularFile(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const status = await stat(path);
  if (status.isDirectory()) throw new DataError(`${path}: expected a readable file, found a folder`);
  // Reading a pipe or a device might never end.
  if (!status.isFile()) throw new DataError(`${path}: expected a readable file, found a pipe or device`);
  if (status.size > largestFileBytes) {
    throw corrupt(path, largestFileBytes, 'the end of the file', `${status.size - largestFileBytes} more bytes`);
  }
  return readFile(path, { signal });
}

async function gunzipped(path: string, packed: Uint8Array): Promise<Uint8Array> {
  try {
    return await unpack(packed, { maxOutputLength: largestFileBytes });
  } catch (error) {
    if (errorCode(error) === 'Z_BUF_ERROR') {
      throw new DataError(
        `${path}: byte ${packed.length} (packed): expected the rest of a gzip stream, found the end of the file`,
        { cause: error },
      );
    }
    throw new DataError(`${path}: expected a gzip stream, found a damaged one (${messageOf(error)})`, { cause: error });
  }
}

/** The error for what the file system does not give. */
export function unreadable(path: string, expected: string, error: unknown): DataError {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'nothing by that name',
    ENOTDIR: 'a file',
    EACCES: 'no permission to read it',
    EPERM: 'no permission to read it',
  };
  return new DataError(`${path}: expected ${expected}, found ${reasons[errorCode(error)] ?? messageOf(error)}`, {
    cause: error,
  });
}
