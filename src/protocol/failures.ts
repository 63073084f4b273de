// Runs that came to nothing, as far as no run directory tells of it: one that diverged would diverge again, and counts.
import { readFile } from 'node:fs/promises';
import { isRecord } from '../checks.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { fileError, isMissing } from '../io/file_error.ts';

/** Why there is no outcome of an arm with a seed. */
export interface Failure {
  /** What failed. */
  readonly part: string;
  readonly reason: string;
}

/** Whether a run came to nothing. */
export function isFailure(outcome: object): outcome is Failure {
  return 'reason' in outcome && 'part' in outcome;
}

/** Beside the run directory: `train.failed.json`. */
function failureFile(directory: string): string {
  return `${directory}.failed.json`;
}

/** Keeps why the run in a folder came to nothing. Throws FileError. */
export async function writeFailure(directory: string, failure: Failure): Promise<void> {
  await writeFileAtomic(failureFile(directory), `${JSON.stringify(failure, null, 2)}\n`);
}

/** Why the run in a folder came to nothing, where it did. A damaged file tells nothing: the run is taken up again, and fails again. */
export async function readFailure(directory: string, part: string): Promise<Failure | undefined> {
  const path = failureFile(directory);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return '';
    throw fileError('read', path, error);
  });
  try {
    const found: unknown = JSON.parse(text);
    if (!isRecord(found) || found['part'] !== part || typeof found['reason'] !== 'string') return undefined;
    return { part, reason: found['reason'] };
  } catch {
    return undefined;
  }
}
