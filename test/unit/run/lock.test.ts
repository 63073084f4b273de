// Who holds a run directory, and who may take it over.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { type Holder, stateOf, thisHolder } from '../../../src/run/holder.ts';
import { holderState, takeLock } from '../../../src/run/lock.ts';
import { makePipe } from '../../helpers/pipe.ts';
import { scratch } from '../../helpers/scratch.ts';

/** The number of a process that has ended. */
const gonePid = spawnSync(process.execPath, ['--version']).pid;
const gone: Partial<Holder> = { pid: gonePid, thread: `${gonePid}/task/${gonePid}` };
const token = (digit: number) => `0000000${digit}-0000-0000-0000-000000000000`;

/** A lock file of this thread but for what is changed. */
function lockFile(directory: string, changes: Partial<Holder>, number = 1, name = 'lock.json'): string {
  const path = join(directory, name);
  writeFileSync(path, JSON.stringify({ token: token(number), ...thisHolder(), ...changes }));
  return path;
}

describe('the lock of a run directory', () => {
  it('is held by one, who is named to others, until it is given back', async () => {
    const directory = scratch();
    const lock = await takeLock(directory);
    expect(lock.notices).toEqual([]);
    const refusal = await takeLock(directory).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(FileError);
    expect((refusal as FileError).message).toMatch(
      new RegExp(`^${directory} is in use by process ${process.pid} on ${hostname()} since [-0-9]+ [:0-9]+ UTC: wait`),
    );
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
    await (await takeLock(directory)).release();
  });

  it.each<[string, Partial<Holder>]>([
    ['of a process that was killed', gone],
    ['whose process number another process has now', { started: '1' }],
    ['of a thread that has ended', { thread: `${process.pid}/task/${gonePid}` }],
  ])('%s is taken over with a notice', async (_, changes) => {
    const directory = scratch();
    lockFile(directory, changes);
    const lock = await takeLock(directory);
    const pid = changes.pid ?? process.pid;
    expect(lock.notices).toEqual([expect.stringMatching(`locked by process ${pid} on ${hostname()} since .* is gone`)]);
    expect(readdirSync(directory)).toEqual(['lock.json']);
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it.each<[string, Partial<Holder>]>([
    ['another host', { host: 'node7', pid: gonePid }],
    ['another container', { namespace: 'pid:[1]', pid: gonePid }],
  ])('of %s is refused with how to remove it', async (_, changes) => {
    const directory = scratch();
    const path = lockFile(directory, changes);
    const before = readFileSync(path);
    await expect(takeLock(directory)).rejects.toThrow(
      new RegExp(`in use by process ${gonePid} on .* since .*: if it runs no more, remove ${path}$`),
    );
    expect(readFileSync(path)).toEqual(before);
  });

  it.each(['', '{"token":"../../x","pid":1}'])('that a crash left as %j is taken over', async (text) => {
    const directory = scratch();
    writeFileSync(join(directory, 'lock.json'), text);
    const lock = await takeLock(directory);
    expect(lock.notices).toEqual([expect.stringContaining('whoever held it')]);
    await lock.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('that came with a copy of the directory of a run which has ended since counts as left', async () => {
    const [directory, copy] = [scratch(), join(scratch(), 'copy')];
    const lock = await takeLock(directory);
    cpSync(directory, copy, { recursive: true });
    await lock.release();
    await (await takeLock(copy)).release();
  });

  it('is not given back for another who holds it now', async () => {
    const directory = scratch();
    const lock = await takeLock(directory);
    lockFile(directory, { host: 'node7' }, 2);
    await lock.release();
    expect(readdirSync(directory)).toEqual(['lock.json']);
  });

  it.each([
    ['none', 0],
    ['one that was left', 1],
    ['one whose takeover was killed midway', 2],
    ['one whose takeovers were killed midway', 3],
  ])('is had by one of many who ask at once, where there is %s', async (_, left) => {
    for (let round = 0; round < 10; round++) {
      const directory = scratch();
      if (left > 0) lockFile(directory, gone, 1);
      for (let i = 2; i <= left; i++) lockFile(directory, gone, i, `lock-${token(i - 1)}.json`);
      const asked = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(directory)));
      const got = asked.filter((one) => one.status === 'fulfilled');
      expect(got).toHaveLength(1);
      for (const one of asked) if (one.status === 'rejected') expect(one.reason.message).toContain('is in use by');
      expect(readdirSync(directory)).toEqual(['lock.json']);
      await got[0].value.release();
      expect(readdirSync(directory)).toEqual([]);
    }
  });

  it('that succeeds itself is told of', async () => {
    const directory = scratch();
    lockFile(directory, gone);
    const path = lockFile(directory, gone, 1, `lock-${token(1)}.json`);
    const message = `${path} succeeds a lock that it cannot succeed: if nothing runs in ${directory}, remove it`;
    await expect(takeLock(directory)).rejects.toThrow(message);
    await expect(holderState(directory)).rejects.toThrow(message);
  });

  it.skipIf(process.platform === 'win32')('is not waited for where it is a pipe', async () => {
    const directory = scratch();
    makePipe(join(directory, 'lock.json'));
    await expect(takeLock(directory)).rejects.toThrow(/cannot read .*lock.json: it is no file/);
    await expect(holderState(directory)).rejects.toThrow(FileError);
  });

  it('is not read where it is longer than locks are', async () => {
    const directory = scratch();
    writeFileSync(join(directory, 'lock.json'), ' '.repeat(70_000));
    await expect(holderState(directory)).rejects.toThrow(/lock.json: it is longer than 65536 bytes/);
  });

  it('says what is in the way', async () => {
    const directory = scratch();
    mkdirSync(join(directory, 'lock.json'));
    await expect(takeLock(directory)).rejects.toThrow(/cannot read .*lock.json: it is a folder/);
    await expect(takeLock(join(directory, 'nowhere'))).rejects.toThrow(/cannot write .*: no such file or folder/);
  });
});

describe('a holder', () => {
  it('runs while its thread does', () => {
    expect(stateOf(thisHolder())).toBe('runs');
    expect(stateOf({ ...thisHolder(), ...gone })).toBe('gone');
  });

  it.skipIf(process.platform === 'win32')('is looked for nowhere but among threads', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'stat'), `1 (x) S ${'1 '.repeat(18)}forged 1`);
    const holder = { ...thisHolder(), started: 'forged' };
    expect(stateOf({ ...holder, thread: `..${folder}` })).not.toBe('runs');
  });

  it('is looked for by its start where the system has no /proc', () => {
    const started = spawnSync('ps', ['-o', 'lstart=', '-p', String(process.pid)], {
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      encoding: 'utf8',
    });
    const elsewhere = { ...thisHolder(), thread: '' };
    expect(stateOf({ ...elsewhere, started: (started.stdout ?? '').trim() })).toBe('runs');
    if (started.status === 0) expect(stateOf({ ...elsewhere, started: 'Thu Jan  1 00:00:00 1970' })).toBe('gone');
  });
});
