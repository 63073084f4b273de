// NATS-Bench's archive of the topology space: a folder of a file a cell, `000000.pickle.pbz2` and on, or a tar of it.
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { oneLine } from '../describe.ts';
import { FileError } from '../errors.ts';
import { fileError } from '../io/file_error.ts';
import { listTar } from '../io/tar.ts';
import { structureCount } from './structure_index.ts';

/** A file of the archive. */
export interface ArchiveFile {
  /** For messages. */
  readonly place: string;
  /** Its bytes, packed as they are. Throws FileError. */
  read(): Promise<Uint8Array>;
}

/** An archive that is open. */
export interface Archive {
  /** By index of cell. */
  readonly cells: ReadonlyMap<number, ArchiveFile>;
  /** What lists the cells. */
  readonly meta: ArchiveFile | undefined;
  close(): Promise<void>;
}

const expected = 'NATS-tss-v1_0-3ffb9-simple, the folder or the tar of 000000.pickle.pbz2 and on';
/** Of a packed file, which has a tenth of a MB. */
const mostBytes = 2 ** 26;

/** Opens a folder or a tar. Throws FileError where it holds no file of a cell. */
export async function openArchive(path: string): Promise<Archive> {
  try {
    return (await stat(path)).isDirectory() ? await openFolder(path) : await openTar(path);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

async function openFolder(path: string): Promise<Archive> {
  const files = (await readdir(path)).map((name) => {
    const place = join(path, name);
    const read = async () => {
      const { size } = await stat(place);
      checkSize(place, size);
      return readFile(place);
    };
    return [name, { place, read: () => orFileError(place, read) }] as const;
  });
  return archiveOf(path, files, async () => {});
}

async function openTar(path: string): Promise<Archive> {
  if (!(await stat(path)).isFile()) throw new FileError(`cannot read ${path}: it is no regular file`);
  const file = await open(path);
  try {
    await refuseOthers(path, file);
    const files: (readonly [string, ArchiveFile])[] = [];
    for await (const { name, offset, bytes } of listTar(file)) {
      const place = `${path}: ${oneLine(name)}`;
      const read = () => orFileError(place, () => readPart(file, place, offset, bytes));
      files.push([name, { place, read }]);
    }
    return archiveOf(path, files, () => file.close());
  } catch (error) {
    await file.close();
    throw error instanceof FileError || 'syscall' in (error as Error)
      ? error
      : new FileError(`${path}: ${(error as Error).message}; expected ${expected}`, { cause: error });
  }
}

/** Other files of the benchmark's authors, told by their first bytes. */
async function refuseOthers(path: string, file: FileHandle): Promise<void> {
  const { buffer: head } = await file.read(Buffer.alloc(4), 0, 4, 0);
  const text = head.toString('latin1');
  if (text.startsWith('BZh')) throw new FileError(`${path} is one compressed file; expected ${expected}`);
  if (text.startsWith('PK') || head[0] === 0x80)
    throw new FileError(`${path} is a file of PyTorch; expected ${expected}`);
  if (head[0] === 0x1f && head[1] === 0x8b) throw new FileError(`${path} is gzipped: gunzip it first`);
}

function archiveOf(
  path: string,
  files: readonly (readonly [name: string, file: ArchiveFile])[],
  close: () => Promise<void>,
): Archive {
  const cells = new Map<number, ArchiveFile>();
  let meta: ArchiveFile | undefined;
  for (const [name, file] of files) {
    const [, stem] = /(?:^|\/)(\d{1,6}|meta)\.pickle\.pbz2$/.exec(name) ?? [];
    if (stem === 'meta') meta = file;
    else if (stem !== undefined && Number(stem) < structureCount) cells.set(Number(stem), file);
  }
  if (cells.size === 0) throw new FileError(`${path} holds no file of a cell; expected ${expected}`);
  return { cells, meta, close };
}

async function readPart(file: FileHandle, place: string, offset: number, bytes: number): Promise<Uint8Array> {
  checkSize(place, bytes);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset);
  if (bytesRead < bytes) throw new FileError(`${place}: expected ${bytes} bytes but found ${bytesRead}`);
  return buffer;
}

function checkSize(place: string, bytes: number): void {
  if (bytes > mostBytes) throw new FileError(`${place}: expected at most ${mostBytes} bytes but found ${bytes}`);
}

async function orFileError<T>(place: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw fileError('read', place, error);
  }
}
