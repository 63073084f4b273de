import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError } from './file_error.ts';

const temporary = /^\..+\.[0-9a-f-]{36}\.tmp$/;

/**
 * Replaces a file as a whole: after a crash at any moment the path holds the old bytes or the new ones. Throws FileError
 * and leaves the old file alone when the disk is full or the folder cannot be written.
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await writeSynced(draft, data);
    await rename(draft, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw fileError('write', path, error);
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

async function writeSynced(path: string, data: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the rename itself durable; Windows can neither open nor needs to sync a folder. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
