// One run at a time works in a run directory. Its lock is lock.json; who finds one whose holder is gone writes a successor, named by
// what it succeeds so that only one can, and moves it into place. No lock is ever removed by anybody but its holder.
import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FileError } from '../errors.ts';
import { createFileAtomic } from '../io/atomic.ts';
import { fileError, isMissing } from '../io/file_error.ts';
import { readSmallFile } from '../io/small_file.ts';
import { inUtc } from '../words.ts';
import { type Holder, stateOf, thisHolder } from './holder.ts';

/** A run directory that is held. */
export interface Lock {
  /** What a user should know of how it was taken. */
  readonly notices: readonly string[];
  /** Never throws: an error here must not hide the one that ended the run. */
  release(): Promise<void>;
}

/** What a lock file holds. One that a crash left unfinished tells of nobody. */
interface LockRecord {
  readonly token: string;
  readonly holder?: Holder;
}

/** Of this thread. */
const held = new Set<string>();

const lockName = 'lock.json';
const tokenForm = /^[0-9a-f-]{36}$/;
/** How long a lock may be unfinished, where a file system has no hard links: its holder is just writing it. */
const unfinished = { tries: 6, millis: 20 };
/** Bytes of a lock file, and successors that one has. */
const most = { bytes: 1 << 16, successors: 100 };

/** Takes hold of a run directory. Throws FileError that names the holder where there is one. */
export async function takeLock(directory: string): Promise<Lock> {
  const token = randomUUID();
  // Before its file is there, so that others of this thread never find a lock that nobody seems to hold.
  held.add(token);
  try {
    const last = await succeed(directory, token);
    const notices = last === undefined ? [] : [takeoverNotice(last)];
    return { notices, release: () => release(join(directory, lockName), token) };
  } catch (error) {
    held.delete(token);
    throw error;
  }
}

/** Whether a process works in a run directory, without taking hold of it; `unseen` for one that cannot be looked for from here. */
export async function holderState(directory: string): Promise<'runs' | 'gone' | 'unseen'> {
  const holder = (await readChain(directory)).at(-1)?.holder;
  return holder === undefined ? 'gone' : stateOf(holder);
}

/** Gives what the new lock succeeded, which nobody held any more. */
async function succeed(directory: string, token: string): Promise<LockRecord | undefined> {
  const text = `${JSON.stringify({ token, ...thisHolder() })}\n`;
  for (;;) {
    const chain = await readChain(directory);
    const last = chain.at(-1);
    if (last !== undefined) refuseHeld(directory, last);
    const path = last === undefined ? join(directory, lockName) : successor(directory, last);
    if (!(await createFileAtomic(path, text))) continue;
    // What was read may have been succeeded or given back meanwhile: then nothing leads here.
    if ((await readChain(directory)).at(-1)?.token !== token) {
      await remove(path);
      continue;
    }
    if (last !== undefined) await moveIntoPlace(directory, path, chain);
    return last;
  }
}

/**
 * The lock, what succeeds it, what succeeds that: more than one where a process was killed between writing and moving. Throws FileError for a
 * chain that nobody has left so, such as one whose end succeeds itself.
 */
async function readChain(directory: string): Promise<LockRecord[]> {
  const chain: LockRecord[] = [];
  for (let path = join(directory, lockName); ; path = successor(directory, chain.at(-1)!)) {
    const record = await readRecord(path);
    if (record === undefined) return chain;
    if (chain.length > most.successors || chain.some(({ token }) => token === record.token))
      throw new FileError(`${path} succeeds a lock that it cannot succeed: if nothing runs in ${directory}, remove it`);
    chain.push(record);
  }
}

function successor(directory: string, { token }: LockRecord): string {
  return join(directory, `lock-${token}.json`);
}

async function moveIntoPlace(directory: string, path: string, chain: readonly LockRecord[]): Promise<void> {
  await rename(path, join(directory, lockName)).catch((error: unknown) => {
    throw fileError('write', path, error);
  });
  for (const record of chain.slice(0, -1)) await remove(successor(directory, record));
}

async function release(path: string, token: string): Promise<void> {
  held.delete(token);
  // Another's, where somebody has removed this one by hand.
  const current = await readRecord(path).catch(() => undefined);
  if (current?.token === token) await remove(path);
}

/** What is left in the way is told by who finds it. */
async function remove(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {});
}

async function readRecord(path: string): Promise<LockRecord | undefined> {
  for (let tries = 1; ; tries++) {
    const text = await readSmallFile(path, most.bytes).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw fileError('read', path, error);
    });
    if (text === undefined) return undefined;
    const record = parseRecord(text);
    if (record !== undefined) return record;
    if (tries === unfinished.tries) return { token: 'unfinished' };
    await pause(unfinished.millis);
  }
}

function parseRecord(text: string): LockRecord | undefined {
  try {
    const { token, ...holder } = JSON.parse(text) as Holder & { readonly token: string };
    const words = [holder.host, holder.since, holder.namespace, holder.thread, holder.started];
    const whole = tokenForm.test(token) && Number.isSafeInteger(holder.pid) && holder.pid > 0;
    return whole && words.every((value) => typeof value === 'string') ? { token, holder } : undefined;
  } catch {
    return undefined;
  }
}

function refuseHeld(directory: string, { token, holder }: LockRecord): void {
  if (holder === undefined) return;
  const state = stateOf(holder);
  // A copy of the directory of a run that has ended since brings the lock of this very thread.
  const isOwn = state === 'runs' && holder.pid === process.pid && holder.thread === thisHolder().thread;
  if (state === 'gone' || (isOwn && !held.has(token))) return;
  const who = `${directory} is in use by ${nameOf(holder)}`;
  throw new FileError(
    state === 'runs'
      ? `${who}: wait until that ends, or stop it`
      : `${who}, which cannot be looked for from here: if it runs no more, remove ${join(directory, lockName)}`,
  );
}

function nameOf({ pid, host, since }: Holder): string {
  return `process ${pid} on ${host} since ${inUtc(since)}`;
}

function takeoverNotice({ holder }: LockRecord): string {
  const whose = holder === undefined ? 'whoever held it' : nameOf(holder);
  return `the run was left locked by ${whose}, which is gone: the lock was taken over`;
}
