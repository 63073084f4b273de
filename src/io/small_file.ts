import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { FileError } from '../errors.ts';

/** Where there are none, as on Windows, there is no pipe of a name to wait at. */
const { O_RDONLY, O_NONBLOCK = 0 } = constants;

/**
 * The text of a file of at most `mostBytes`. Never waits, as for somebody to write to a pipe that lies in its place. Throws FileError for what is
 * no file or longer, and what the file system throws.
 */
export async function readSmallFile(path: string, mostBytes: number): Promise<string> {
  const file = await open(path, O_RDONLY | O_NONBLOCK);
  try {
    const found = await file.stat();
    // What is told of a folder is what reading it gives.
    if (!found.isFile() && !found.isDirectory()) throw new FileError(`cannot read ${path}: it is no file`);
    if (found.size > mostBytes) throw new FileError(`cannot read ${path}: it is longer than ${mostBytes} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
