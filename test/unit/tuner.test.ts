// Which tuning a device is given, and the table of a machine's tunings.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Addon, NativeJob } from '../../src/backend/native/addon.ts';
import { describeTuning, Tuner } from '../../src/backend/native/tuner.ts';
import { readTuning, tuningKey, tuningTablePath, writeTuning } from '../../src/backend/native/tuning_table.ts';
import { BackendError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { makePipe } from '../helpers/pipe.ts';
import { scratch } from '../helpers/scratch.ts';

const names = ['first', 'second', 'third'];
const description = 'cpu (avx2, 2 threads)';

let folder: string;
let path: string;

beforeEach(() => {
  folder = scratch();
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  vi.stubEnv('DARTSMITH_TUNING', '');
  path = tuningTablePath();
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function put(contents: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
}

describe.runIf(process.platform === 'linux')('the table of tunings', () => {
  it('lies in the cache directory of the user', () => {
    expect(path).toBe(join(process.env['XDG_CACHE_HOME']!, 'dartsmith', 'tuning.json'));
  });

  it('gives what was written, and keeps the lines of other machines', async () => {
    expect(readTuning('a', names)).toBeUndefined();
    await writeTuning('a', 'second');
    await writeTuning('b', 'third');
    await writeTuning('a', 'first');
    expect(readTuning('a', names)).toBe('first');
    expect(readTuning('b', names)).toBe('third');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ a: 'first', b: 'third' });
  });

  it.each([
    ['is empty', ''],
    ['is cut off', '{"a": "sec'],
    ['is a list', '["a"]'],
    ['is no text', Uint8Array.of(0xff, 0xfe, 0, 1)],
    ['names a tuning that is none', '{"a": "fourth"}'],
    ['names a number', '{"a": 1}'],
    ['names it for another', '{"b": "second"}'],
    ['means an inherited property', '{"__proto__": {"a": "second"}}'],
    ['is too long', `{"a": "second"${' '.repeat(2 << 20)}}`],
  ])('counts as nothing where it %s, and is written anew', async (_, contents) => {
    put(contents);
    expect(readTuning('a', names)).toBeUndefined();
    await writeTuning('a', 'second');
    expect(readTuning('a', names)).toBe('second');
  });

  it('counts as nothing where a pipe or a folder lies in its place', () => {
    mkdirSync(dirname(path), { recursive: true });
    makePipe(path);
    expect(readTuning('a', names)).toBeUndefined();
    rmSync(path);
    mkdirSync(path);
    expect(readTuning('a', names)).toBeUndefined();
  });
});

/** An addon that has three tunings, the third the fastest unless it finds another, and what it was asked for. */
function fakeAddon({ tunings = names, found = 2 } = {}) {
  const calls: string[] = [];
  const job = <T>(value: T): NativeJob<T> => ({ promise: Promise.resolve(value), cancel: () => {} });
  const addon = {
    tunings: () => tunings,
    tune: (_: unknown, tuning: number) => {
      calls.push(`tune ${tuning}`);
      return job(undefined);
    },
    findTuning: () => {
      calls.push('find');
      return job(found);
    },
  } as unknown as Addon;
  return { addon, calls };
}

function tunerOf({ addon }: ReturnType<typeof fakeAddon>): Tuner {
  return new Tuner(addon, {}, description);
}

const builder = new GraphBuilder();
const image = builder.input('images', [256, 256, 4]);
const window = builder.conv2d('window', image, { channels: 4, kernel: 3, padding: 1, groups: 4 });
const graph = builder.finish(builder.softmaxCrossEntropy(builder.linear('fc', builder.globalAvgPool(window), 2)));
/** With this batch its tensors take 256 MiB. */
const large = 128;

describe.runIf(process.platform === 'linux')('a tuner', () => {
  it('measures before the first large program, once a machine', async () => {
    const first = fakeAddon();
    const tuner = tunerOf(first);
    tuner.prepare(graph, large / 2);
    expect(first.calls).toEqual([]);
    tuner.prepare(graph, large);
    tuner.prepare(graph, large);
    expect(first.calls).toEqual(['find']);
    const key = tuningKey(description);
    await vi.waitFor(() => expect(readTuning(key, names)).toBe('third'));
    const second = fakeAddon();
    tunerOf(second).prepare(graph, large);
    expect(second.calls).toEqual(['tune 2']);
    expect(describeTuning(description, names)).toBe(`third, the fastest here (${path})`);
  });

  it('leaves programs without depthwise convolutions alone', () => {
    const plain = new GraphBuilder();
    const pixels = plain.globalAvgPool(plain.input('images', [256, 256, 4]));
    const fake = fakeAddon();
    tunerOf(fake).prepare(plain.finish(plain.softmaxCrossEntropy(plain.linear('fc', pixels, 2))), 2 * large);
    expect(fake.calls).toEqual([]);
  });

  it('keeps nothing of a machine that does much else: the next process measures again', async () => {
    const busy = fakeAddon({ found: -1 });
    tunerOf(busy).prepare(graph, large);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(existsSync(path)).toBe(false);
    const next = fakeAddon();
    tunerOf(next).prepare(graph, large);
    expect([...busy.calls, ...next.calls]).toEqual(['find', 'find']);
  });

  it('does nothing where there is no choice', () => {
    const fake = fakeAddon({ tunings: [] });
    tunerOf(fake).prepare(graph, large);
    expect(fake.calls).toEqual([]);
  });

  it('keeps to what DARTSMITH_TUNING says', () => {
    vi.stubEnv('DARTSMITH_TUNING', 'second');
    const fake = fakeAddon();
    tunerOf(fake).prepare(graph, large);
    expect(fake.calls).toEqual(['tune 1']);
    expect(describeTuning(description, names)).toBe('second (DARTSMITH_TUNING)');
    vi.stubEnv('DARTSMITH_TUNING', 'off');
    const other = fakeAddon();
    tunerOf(other).prepare(graph, large);
    expect(other.calls).toEqual(['tune 0']);
    expect(describeTuning(description, names)).toBe('first (DARTSMITH_TUNING)');
    vi.stubEnv('DARTSMITH_TUNING', 'fourth');
    expect(() => tunerOf(fakeAddon())).toThrow(BackendError);
    expect(() => describeTuning(description, names)).toThrow(BackendError);
    expect(() => tunerOf(fakeAddon())).toThrow(
      "DARTSMITH_TUNING is 'fourth': expected off or one of first, second, third",
    );
  });

  it('warns where what was measured cannot be kept', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    writeFileSync(process.env['XDG_CACHE_HOME']!, 'a file where a folder is wanted');
    tunerOf(fakeAddon()).prepare(graph, large);
    await vi.waitFor(() => expect(warn).toHaveBeenCalled());
    expect(warn.mock.calls[0][0]).toMatch(/is not kept.*XDG_CACHE_HOME.*DARTSMITH_TUNING=third/);
  });
});
