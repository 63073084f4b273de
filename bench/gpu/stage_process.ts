import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StageMessage } from './messages.ts';
import type { CheckOptions } from './options.ts';
import { type StageOutcome, type StageResult, statusOf } from './outcome.ts';
import { type CheckPart, stages } from './stages.ts';

/** Who hears of a stage while it runs. */
export interface StageListeners {
  onProgress(text: string): void;
  onDevice(description: string): void;
  /** The stage so far. */
  onKept(partial: StageResult): void;
}

/** This file's extension, `.ts` in a checkout, `.js` in a pack, is the check's. */
const script = fileURLToPath(new URL(`./check${import.meta.url.slice(-3)}`, import.meta.url));

/**
 * Runs a stage in a process of its own, which is killed after so many seconds. Never rejects: a process that crashes, a GPU
 * that no longer answers and an error all end up in the result, with what had been found until then.
 */
export function runStage(
  { stage: name, environment, rivals = true }: CheckPart,
  { backend, quick }: CheckOptions,
  seconds: number,
  { onProgress, onDevice, onKept }: StageListeners,
): Promise<StageResult> {
  const begun = performance.now();
  const { title, kind } = stages[name];
  let outcome: StageOutcome = {};
  let isDone = false;
  let error: string | undefined;
  let last = '';
  const result = (status: StageResult['status'], why?: string): StageResult => {
    const elapsed = (performance.now() - begun) / 1000;
    return { stage: name, title, kind, status, seconds: elapsed, ...outcome, error: why };
  };
  const args = [
    '--child',
    name,
    '--backend',
    backend,
    ...(quick ? ['--quick'] : []),
    ...(rivals ? [] : ['--without-rivals']),
    '--minutes',
    String(seconds / 60),
  ];
  const child = fork(script, args, {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, ...environment },
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-2000);
  });
  child.on('message', (message: StageMessage) => {
    switch (message.kind) {
      case 'device':
        onDevice(message.description);
        break;
      case 'progress':
        last = message.text;
        onProgress(message.text);
        break;
      case 'kept':
        outcome = message.outcome;
        onKept(result('error', 'still running'));
        break;
      case 'done':
        outcome = message.outcome;
        isDone = true;
        break;
      case 'error':
        error = message.message;
        break;
    }
  });
  const limit = Math.round(seconds);
  const timer = setTimeout(() => {
    error = `stopped after ${limit} s${last === '' ? '' : `, at: ${last}`}`;
    child.kill('SIGKILL');
  }, seconds * 1000);
  return new Promise((resolve) => {
    child.on('error', (fault) => {
      error = fault.message;
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (isDone && error === undefined) return resolve(result(statusOf(outcome)));
      const ending = `its process ended with ${signal ?? `exit code ${code}`}${last === '' ? '' : `, at: ${last}`}`;
      resolve(result('error', error ?? `${ending}. ${stderr.trim()}`.trim()));
    });
  });
}
