// The runs in a folder, however deep they lie in it.
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { aName, check } from '../checks.ts';
import { fileError } from '../io/file_error.ts';

/** A run directory, and its path within the folder with `/`; `.` for the folder itself. */
export interface FoundRun {
  readonly name: string;
  readonly directory: string;
}

/** Folders within one another: a training within a search within a protocol, and some around them. */
const deepest = 6;

/**
 * The runs in a folder, by name. Links are not followed, so that nothing outside the folder is ever found; folders that cannot be read
 * are passed over. Throws FileError for a folder that is none.
 */
export async function findRuns(folder: string): Promise<FoundRun[]> {
  check('folder', folder, aName);
  const found: FoundRun[] = [];
  const look = async (directory: string, path: readonly string[]): Promise<void> => {
    const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown): Dirent[] => {
      if (path.length === 0) throw fileError('read', directory, error);
      return [];
    });
    if (holdsRun(entries)) found.push({ name: path.join('/') || '.', directory });
    if (path.length === deepest) return;
    const folders = entries.filter((entry) => entry.isDirectory() && !skipped.includes(entry.name));
    await Promise.all(folders.map(({ name }) => look(join(directory, name), [...path, name])));
  };
  await look(folder, []);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Where nobody keeps runs, and many files lie. */
const skipped = ['node_modules', '.git', 'snapshots'];

function holdsRun(entries: readonly Dirent[]): boolean {
  return entries.some((entry) => entry.name === 'journal.jsonl' && entry.isFile());
}
