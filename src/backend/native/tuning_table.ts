// Which tuning was found fastest, by machine: a small file in the user's cache directory. What it says changes speed alone, so what
// cannot be read counts as nothing: it is measured again.
import { readFileSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { cpus, homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { isRecord } from '../../checks.ts';
import { writeFileAtomic } from '../../io/atomic.ts';
import { fileError } from '../../io/file_error.ts';

/** A home that many machines share has a line for each. */
const mostBytes = 1 << 20;

/** Where the table lies. Throws where the system tells no home, as that of a user without an account. */
export function tuningTablePath(): string {
  return join(cacheFolder(), 'dartsmith', 'tuning.json');
}

/** `XDG_CACHE_HOME` where that is set; else the platform's own. */
function cacheFolder(): string {
  const { XDG_CACHE_HOME = '', LOCALAPPDATA = '' } = process.env;
  if (isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  if (process.platform === 'win32' && LOCALAPPDATA !== '') return LOCALAPPDATA;
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}

/** What a tuning is found for: a device's description says its instruction set and threads. */
export function tuningKey(description: string): string {
  return `${cpus()[0]?.model.trim() || process.arch}: ${description}`;
}

/** The tuning that the table names, one of `names`. */
export function readTuning(key: string, names: readonly string[]): string | undefined {
  const found = readTable()[key];
  return typeof found === 'string' && names.includes(found) ? found : undefined;
}

/** Adds a line, or replaces it. Throws FileError, and what {@link tuningTablePath} throws. */
export async function writeTuning(key: string, name: string): Promise<void> {
  const path = tuningTablePath();
  const table = { ...readTable(), [key]: name };
  try {
    await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError('write', path, error);
  }
  await writeFileAtomic(path, `${JSON.stringify(table, null, 2)}\n`);
}

function readTable(): Readonly<Record<string, unknown>> {
  try {
    const path = tuningTablePath();
    const found = statSync(path);
    if (!found.isFile() || found.size > mostBytes) return {};
    const table: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isRecord(table) ? table : {};
  } catch {
    return {};
  }
}
