// Which tuning was found fastest, by machine: a small file in the user's cache directory. What it says changes speed alone, so what
// cannot be read counts as nothing: it is measured again.
import { readFileSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import envPaths from 'env-paths';
import { isRecord } from '../../checks.ts';
import { writeFileAtomic } from '../../io/atomic.ts';

/** A home that many machines share has a line for each. */
const mostBytes = 1 << 20;

/** Where the table lies. */
export function tuningTablePath(): string {
  return join(envPaths('dartsmith', { suffix: '' }).cache, 'tuning.json');
}

/** What a tuning is found for: a device's description says its instruction set and threads. */
export function tuningKey(description: string): string {
  return `${cpus()[0]?.model.trim() || process.arch}: ${description}`;
}

/** The tuning that the table names, one of `names`. */
export function readTuning(key: string, names: readonly string[], path = tuningTablePath()): string | undefined {
  const found = readTable(path)[key];
  return typeof found === 'string' && names.includes(found) ? found : undefined;
}

/** Adds a line, or replaces it. Throws FileError. */
export async function writeTuning(key: string, name: string, path = tuningTablePath()): Promise<void> {
  const table = { ...readTable(path), [key]: name };
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomic(path, `${JSON.stringify(table, null, 2)}\n`);
}

function readTable(path: string): Readonly<Record<string, unknown>> {
  try {
    const found = statSync(path);
    if (!found.isFile() || found.size > mostBytes) return {};
    const table: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isRecord(table) ? table : {};
  } catch {
    return {};
  }
}
