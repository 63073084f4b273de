import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What terminated_workers.mjs prints. */
export interface TerminatedWorkers {
  /** How each ended, and how long after it was terminated. */
  readonly workers: readonly { readonly exitCode: number; readonly millis: number }[];
  readonly threadsAtFirst: number;
  readonly threadsAtLast: number;
  /** Of a training step that nobody ends. */
  readonly passMillis: number;
}

/** Runs terminated_workers.mjs; throws what it wrote to its standard error where it does not end well. */
export function terminateWorkers({ count, side, layers }: Readonly<Record<'count' | 'side' | 'layers', number>>) {
  const child = fileURLToPath(new URL('terminated_workers.mjs', import.meta.url));
  const args = [child, ...[count, side, layers].map(String)];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  if (status !== 0) throw new Error(`the process of the workers ended with ${status ?? signal}:\n${stderr}`);
  return JSON.parse(stdout) as TerminatedWorkers;
}
