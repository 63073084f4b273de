import { access } from 'node:fs/promises';
import { FileError } from '../errors.ts';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied; change its permissions or choose another folder',
  EDQUOT: 'the disk quota is used up; free some space and try again',
  EEXIST: 'a file of that name is in the way; choose another path',
  EFBIG: 'the file system takes no file of that size',
  EISDIR: 'it is a folder; a file is wanted',
  EIO: 'the disk reported an error',
  ENOENT: 'no such file or folder',
  ENOSPC: 'the disk is full; free some space and try again',
  ENOTDIR: 'a part of the path is a file; a folder is wanted there',
  EPERM: 'permission denied; change its permissions or choose another folder',
  EROFS: 'the file system is read-only; choose another folder',
};

/** A file system's error as one line that says what to do; errors of this library pass through as they are. */
export function fileError(action: 'read' | 'write', path: string, error: unknown): Error {
  if (!(error instanceof Error)) return new FileError(`cannot ${action} ${path}: ${String(error)}`);
  const code = errorCode(error);
  // The latter of files that are too large for Node.
  if (!('syscall' in error) && !code.startsWith('ERR_FS_')) return error;
  return new FileError(`cannot ${action} ${path}: ${reasons[code] ?? error.message} (${code})`, { cause: error });
}

/** Whether a file system call failed because there is nothing at the path. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** Whether there is something at a path. Throws FileError where that cannot be told. */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError('read', path, error);
  }
}

/** Such as EEXIST; empty for an error that has none. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
