// A search as a user runs it, killed at random moments and resumed, must end in the same bytes as one left alone.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/methods/method.ts';
import { uniform } from '../../src/random/philox.ts';
import { readCheckpointHead } from '../../src/run/checkpoint.ts';
import { cli } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { writeTinyText } from '../helpers/tiny_text.ts';

const tiny = [
  '--dataset',
  'mnist',
  '--limit',
  '96',
  '--epochs',
  '2',
  '--batch-size',
  '16',
  '--init-channels',
  '2',
  '--layers',
  '3',
];
const often = ['--checkpoint-seconds', '0.05'];

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  /** From the start of the process. */
  readonly millis: { readonly firstEvent: number; readonly end: number };
}

/** Runs `dartsmith search`, or `select` or `train` where `args` begin with that; `interfere` gets the process as soon as it runs. */
function runSearch(args: readonly string[], interfere: (child: ChildProcess) => void = () => {}): Promise<Ended> {
  const start = performance.now();
  const own = ['select', 'train'].includes(args[0]) ? args : ['search', ...args];
  const child = spawn(process.execPath, [cli, ...own, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  let firstEvent = Number.POSITIVE_INFINITY;
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdout.on('data', () => {
    firstEvent = Math.min(firstEvent, performance.now() - start);
  });
  interfere(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, stderr, millis: { firstEvent, end: performance.now() - start } });
    });
  });
}

async function finish(args: readonly string[]): Promise<Ended> {
  const ended = await runSearch(args);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return ended;
}

const checkpointOf = (directory: string) => readFileSync(join(directory, 'checkpoint.safetensors'));

/** What the clock decides. */
const clocked = { imagesPerSecond: 0, wordsPerSecond: 0, secondsLeft: 0, seconds: 0 };

function storyOf(directory: string): unknown[] {
  const lines = readFileSync(join(directory, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
  const records = lines.map((line) => ({ ...JSON.parse(line), ...clocked }));
  // One that was killed has started more often.
  return records.filter(({ type }) => type !== 'start');
}

const namesOf = (directory: string) => readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();

/** Folders of stages that have ended. */
const stagesOf = (directory: string) =>
  namesOf(directory).filter((name) => existsSync(join(directory, name, 'cells.svg')));

/** An epoch, or the first one of averaged SGD, and how many of its steps are done at least. */
type Place = readonly [epoch: number | 'averaged', step: number];

/** The epoch behind which averaged SGD took over. */
function switchOf(directory: string): number {
  const lines = readFileSync(join(directory, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
  const records = lines.map((line) => JSON.parse(line));
  return records.find(({ decision }) => decision?.told.startsWith('averaged SGD')).epoch;
}

/** Goes on with a run, or begins it when it was killed before it had a configuration. */
function goOn(out: string, mode: readonly string[], threads: number): string[] {
  const begun = existsSync(join(out, 'config.json'));
  return [...(begun ? ['--resume', out] : ['--out', out, ...tiny, ...mode]), ...often, '--threads', String(threads)];
}

describe('kill -9 and resume', () => {
  it.each([
    ['first order', []],
    ['second order', ['--unrolled']],
    ['activations in bf16', ['--precision', 'bf16']],
    ['FairDARTS', ['--method', 'fairdarts']],
    ['FairDARTS of one level', ['--method', 'fairdarts', '--single-level', '--sep-loss', 'l1']],
    ['StacNAS in both of its stages', ['--method', 'stacnas', '--search2-layers', '4']],
    [
      'StacNAS and the training that follows',
      ['--method', 'stacnas', '--search2-layers', '4', '--then', 'train --epochs 2 --layers 3 --init-channels 2'],
    ],
  ])('%s: the same bytes, with another thread count as well', async (_, mode) => {
    const folder = scratch();
    const whole = join(folder, 'whole');
    const { millis } = await finish(['--out', whole, ...tiny, ...mode, '--threads', '1']);
    const moments = uniform({ seed: 7, purpose: 'split', epoch: 0, step: mode.length }, 6);
    let kills = 0;
    for (let attempt = 0; attempt < moments.length; attempt++) {
      // Two attempts on each folder; most kills fall between the first step and the end, some before.
      const out = join(folder, `killed-${attempt >> 1}`);
      const earliest = 0.7 * millis.firstEvent;
      const delay = earliest + moments[attempt] * (millis.end - earliest);
      const ended = await runSearch(goOn(out, mode, 1 + (attempt % 2)), (child) => {
        setTimeout(() => child.kill('SIGKILL'), delay);
      });
      if (ended.signal === 'SIGKILL') kills++;
      else expect(ended, ended.stderr).toMatchObject({ code: 0 });
      if (attempt % 2 === 0) continue;
      await finish(goOn(out, mode, 2));
      expect(checkpointOf(out).equals(checkpointOf(whole))).toBe(true);
      expect(storyOf(out)).toEqual(storyOf(whole));
      expect(namesOf(out)).toEqual(namesOf(whole));
      for (const stage of stagesOf(whole)) {
        expect(checkpointOf(join(out, stage)).equals(checkpointOf(join(whole, stage))), stage).toBe(true);
      }
    }
    expect(kills).toBeGreaterThanOrEqual(2);
  });

  it('a selection by perturbation: the same bytes, killed within scores, decisions and fine-tuning', {
    timeout: 300_000,
  }, async () => {
    const folder = scratch();
    const source = join(folder, 'source');
    await finish([...tiny, '--space', 's2', '--epochs', '1', '--out', source]);
    const fresh = ['select', source, '--by', 'projection', '--preset', 'quick', '--batch-size', '16'];
    const whole = join(folder, 'whole');
    const { millis } = await finish([...fresh, '--out', whole, '--threads', '1']);
    const out = join(folder, 'killed');
    const again = () => [
      ...(existsSync(join(out, 'config.json')) ? ['select', '--resume', out] : [...fresh, '--out', out]),
      ...often,
    ];
    let kills = 0;
    for (const moment of uniform({ seed: 9, purpose: 'split', epoch: 0, step: 0 }, 5)) {
      const delay = 0.7 * millis.firstEvent + moment * 0.5 * (millis.end - millis.firstEvent);
      const ended = await runSearch(again(), (child) => {
        setTimeout(() => child.kill('SIGKILL'), delay);
      });
      if (ended.signal === 'SIGKILL') kills++;
    }
    await finish(again());
    expect(kills).toBeGreaterThanOrEqual(2);
    expect(checkpointOf(out).equals(checkpointOf(whole))).toBe(true);
    expect(storyOf(out)).toEqual(storyOf(whole));
  });

  it.each([
    ['as NNI has it', ['--evaluation-layers', '4']],
    ['as its authors have it', ['--preset', 'cdarts-authors', '--evaluation-layers', '4']],
    ['in cells of NAS-Bench-201', ['--preset', 'cdarts-nasbench201', '--evaluation-layers', '3']],
  ])('CDARTS %s, killed in each of its parts: the same bytes', { timeout: 300_000 }, async (_, form) => {
    const folder = scratch();
    const fresh = [
      ...['--method', 'cdarts', ...form, ...tiny, '--limit', '128', '--batch-size', '8', '--epochs', '3'],
      ...['--warmup-epochs', '1'],
    ];
    const whole = join(folder, 'whole');
    await finish([...fresh, '--out', whole, '--threads', '1']);
    const steps = 8;
    const parts: Readonly<Record<string, (at: Position) => boolean>> = {
      'warm-up': ({ stage, step }) => stage === 0 && step > 0 && step < steps,
      evaluation: ({ stage, step }) => stage === 1 && step > 0 && step < steps,
      joint: ({ stage, step }) => stage === 1 && step > steps && step < 2 * steps,
    };
    for (const [part, isIn] of Object.entries(parts)) {
      const out = join(folder, part);
      const ended = await runSearch([...fresh, '--out', out, '--checkpoint-seconds', '0.001'], (child) => {
        let stage = 0;
        createInterface({ input: child.stdout! }).on('line', (line) => {
          const { type, ...event } = JSON.parse(line);
          if (type === 'stage') stage = event.stage;
          if (type === 'checkpoint' && isIn({ ...event, stage })) child.kill('SIGKILL');
        });
      });
      expect(ended, part).toMatchObject({ signal: 'SIGKILL' });
      const { at } = await readCheckpointHead(join(out, 'checkpoint.safetensors'));
      expect(isIn(at), `${part}: stage ${at.stage}, step ${at.step}`).toBe(true);
      await finish(['--resume', out, '--threads', '2']);
      expect(checkpointOf(out).equals(checkpointOf(whole)), part).toBe(true);
      expect(storyOf(out)).toEqual(storyOf(whole));
      expect(namesOf(out)).toEqual(namesOf(whole));
    }
  });

  it.each<[string, readonly string[], Readonly<Record<string, Place>>]>([
    ['a search of first order', ['--space', 'rnn', '--epochs', '2'], { 'first epoch': [0, 3], 'second epoch': [1, 4] }],
    [
      'a search of second order, columns in groups',
      ['--space', 'rnn', '--epochs', '2', '--unrolled', '--small-batch-size', '2'],
      { 'first epoch': [0, 3], 'second epoch': [1, 4] },
    ],
    [
      'a training that goes over to averaged SGD',
      ['train', '--arch', 'DARTS_V2_RNN', '--epochs', '12', '--nonmono', '1', '--lr', '4'],
      { plain: [1, 2], averaged: ['averaged', 2], 'later averaged': ['averaged', 5] },
    ],
  ])('of a text, %s, killed in each of its parts: the same bytes', { timeout: 300_000 }, async (_, form, parts) => {
    const folder = scratch();
    const text = writeTinyText(join(folder, 'text'), { train: 200, valid: 60, test: 60 });
    const fresh = [...form, '--data-dir', text, '--batch-size', '4', '--bptt', '6', '--emsize', '6'];
    const whole = join(folder, 'whole');
    await finish([...fresh, '--out', whole, '--threads', '1']);
    for (const [part, [of, step]] of Object.entries(parts)) {
      const epoch = of === 'averaged' ? switchOf(whole) + 1 : of;
      const isIn = (at: Pick<Position, 'epoch' | 'step'>) => at.epoch === epoch && at.step >= step;
      const out = join(folder, part);
      const ended = await runSearch([...fresh, '--out', out, '--checkpoint-seconds', '0.001'], (child) => {
        createInterface({ input: child.stdout! }).on('line', (line) => {
          const { type, ...event } = JSON.parse(line);
          if (type === 'checkpoint' && isIn(event)) child.kill('SIGKILL');
        });
      });
      expect(ended, part).toMatchObject({ signal: 'SIGKILL' });
      const { at, values } = await readCheckpointHead(join(out, 'checkpoint.safetensors'));
      expect(at.epoch, part).toBe(epoch);
      expect('averaging' in values, part).toBe(of === 'averaged');
      await finish([...(form[0] === 'train' ? ['train'] : []), '--resume', out, '--threads', '2']);
      expect(checkpointOf(out).equals(checkpointOf(whole)), part).toBe(true);
      expect(storyOf(out)).toEqual(storyOf(whole));
      expect(namesOf(out)).toEqual(namesOf(whole));
    }
  });

  it('SIGINT finishes the step, checkpoints and exits 130; the resumed run has the same bytes', {
    timeout: 120_000,
  }, async () => {
    const folder = scratch();
    const whole = join(folder, 'whole');
    await finish(['--out', whole, ...tiny]);
    const out = join(folder, 'interrupted');
    const ended = await runSearch(['--out', out, ...tiny], (child) => {
      child.stdout?.once('data', () => child.kill('SIGINT'));
    });
    expect(ended, ended.stderr).toMatchObject({ code: 130 });
    expect(checkpointOf(out).equals(checkpointOf(whole))).toBe(false);
    await finish(['--resume', out]);
    expect(checkpointOf(out).equals(checkpointOf(whole))).toBe(true);
  });
});
