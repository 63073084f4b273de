import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode, fileError } from './file_error.ts';

const temporary = /^\..+\.[0-9a-f-]{36}\.tmp$/;

/** What file systems (shares, FUSE) answer to a call that they do not offer, or that a folder without read permission refuses. */
const notOffered: readonly string[] = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'EACCES'];

/**
 * Replaces a file as a whole: after a crash at any moment the path holds the old bytes or the new ones. Throws FileError
 * and leaves the old file alone when the disk is full or the folder cannot be written.
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeSynced(draft, data);
    await rename(draft, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw fileError('write', path, error);
  }
}

/**
 * Makes a file that is whole from its first moment, unless something of its name is there: then it gives false. Of several that try
 * at once one succeeds. Throws FileError.
 */
export async function createFileAtomic(path: string, data: string): Promise<boolean> {
  const draft = draftOf(path);
  try {
    await writeSynced(draft, data);
    await link(draft, path).catch((error: unknown) => {
      // Where there are no hard links, who reads it early finds it unfinished.
      if (!isNotOffered(error)) throw error;
      return writeSynced(path, data);
    });
    return true;
  } catch (error) {
    // ENOENT: the owner of the folder swept the draft away.
    if (hasCode(error, ['EEXIST']) || (hasCode(error, ['ENOENT']) && existsSync(dirname(path)))) return false;
    throw fileError('write', path, error);
  } finally {
    await rm(draft, { force: true }).catch(() => {});
  }
}

/** Removes what interrupted calls of {@link writeFileAtomic} left in a folder. */
export async function removeDrafts(folder: string): Promise<void> {
  try {
    for (const name of await readdir(folder)) {
      if (temporary.test(name)) await rm(join(folder, name), { force: true });
    }
  } catch (error) {
    throw fileError('write', folder, error);
  }
}

function draftOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
}

async function writeSynced(path: string, data: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Makes a rename durable, where the file system can: the file is in its place already. Windows can neither open nor needs to sync a
 * folder.
 */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!isNotOffered(error)) throw error;
  }
}

function isNotOffered(error: unknown): boolean {
  return hasCode(error, notOffered);
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return codes.includes(errorCode(error));
}
