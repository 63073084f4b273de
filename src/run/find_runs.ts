// The runs in a folder, up to six folders deep in it.
import type { Dirent } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { aName, check } from '../checks.ts';
import { fileError } from '../io/file_error.ts';
import { runFiles } from './directory.ts';

/** A run directory, and its path within the folder with `/`; `.` for the folder itself. */
export interface FoundRun {
  readonly name: string;
  readonly directory: string;
}

/** Folders within one another: a training within a search within a protocol, and some around them. */
const deepest = 6;

/**
 * The runs in a folder, by name, up to six folders deep. Links are not followed, so that nothing outside the folder is ever found; folders that
 * cannot be read are passed over, and those called `node_modules`, `.git` and `snapshots`. Throws FileError for a folder that is none.
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

/** Whether a run that was found in a folder still is there: no link may have taken the place of anything on the way to its journal. */
export async function isStillIn(folder: string, { name, directory }: FoundRun): Promise<boolean> {
  try {
    const [at, within, journal] = await Promise.all([
      realpath(directory),
      realpath(folder),
      lstat(runFiles(directory).journal),
    ]);
    return at === join(within, name) && journal.isFile();
  } catch {
    return false;
  }
}

/** Where nobody keeps runs, and many files lie. */
const skipped = ['node_modules', '.git', 'snapshots'];

function holdsRun(entries: readonly Dirent[]): boolean {
  return entries.some((entry) => entry.name === 'journal.jsonl' && entry.isFile());
}
