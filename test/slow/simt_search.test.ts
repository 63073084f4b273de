// Whole searches on the CUDA kernels, on their stand-in: the CPU's genotype, the same bits under another order of threads and
// after a resume, and the command line.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { type OpenDeviceOptions, openDevice } from '../../src/backend/open.ts';
import { AbortedError } from '../../src/errors.ts';
import type { SearchSettings } from '../../src/methods/darts/settings.ts';
import type { SearchEvent, SearchResult } from '../../src/run/events.ts';
import { search } from '../../src/search.ts';
import type { SearchSpace } from '../../src/space/space.ts';
import { cli } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset } from '../helpers/tiny_search.ts';

/** Small enough for the stand-in: two nodes a cell, four candidates an edge. */
const space: SearchSpace = {
  name: 'small',
  nodes: 2,
  candidates: ['none', 'max_pool_3x3', 'skip_connect', 'sep_conv_3x3'],
};
/** Batches of two sizes. A high rate for alpha, so that the candidates of the genotype stand apart. */
const settings: Partial<SearchSettings> = {
  ...{ batchSize: 12, epochs: 2, initChannels: 2, layers: 3, archLearningRate: 0.05 },
};
// Float32 sums in another order: 1e-6 of a loss of order 1 in a step, grown by the steps before it.
const lossTolerance = 1e-5;

interface Found {
  readonly losses: readonly number[];
  readonly result: SearchResult;
  readonly checkpoint: Buffer;
}

async function follow(run: ReturnType<typeof search>): Promise<number[]> {
  const losses: number[] = [];
  for await (const event of run as AsyncIterable<SearchEvent>) {
    if (event.type === 'step') losses.push(event.loss, event.validationLoss ?? Number.NaN);
    if (event.type === 'epoch') losses.push(event.trainLoss, event.validationLoss);
  }
  return losses;
}

async function find(device: Device, unrolled: boolean): Promise<Found> {
  const out = join(scratch(), 'run');
  const run = search({
    dataset: tinyDataset(),
    space: unrolled ? { ...space, nodes: 1 } : space,
    // The hypergradient takes four passes: one epoch of two equal batches, the second of which is recorded.
    settings: { ...settings, ...(unrolled && { unrolled, epochs: 1, batchSize: 10 }) },
    device,
    out,
  });
  const losses = await follow(run);
  return { losses, result: await run.result, checkpoint: readFileSync(join(out, 'checkpoint.safetensors')) };
}

const found = new Map<string, Found>();
const devices: Device[] = [];

/** The search on a device, done once. */
async function searchOn(options: OpenDeviceOptions, unrolled: boolean): Promise<Found> {
  const key = JSON.stringify({ options, unrolled });
  const known = found.get(key);
  if (known !== undefined) return known;
  const device = await openDevice(options);
  devices.push(device);
  const result = await find(device, unrolled);
  found.set(key, result);
  return result;
}

afterAll(() => {
  for (const device of devices) device.dispose();
});

describe.each([
  ['first order', false],
  ['second order', true],
])('a search of %s', (_, unrolled) => {
  it("has the CPU's genotype and nearly its losses", async () => {
    const cpu = await searchOn({ backend: 'cpu', threads: 2 }, unrolled);
    const simt = await searchOn({ backend: 'simt' }, unrolled);
    expect(simt.result.genotype).toEqual(cpu.result.genotype);
    expect(simt.losses.length).toBe(cpu.losses.length);
    simt.losses.forEach((loss, i) => {
      expect(Math.abs(loss - cpu.losses[i]), `loss ${i}: ${loss}, on the CPU ${cpu.losses[i]}`).toBeLessThan(
        lossTolerance,
      );
    });
    expect(devices.at(-1)?.recordedKernels, 'steps are recorded').toBeGreaterThan(20);
  });

  it('has the same bits under another order of threads', async () => {
    const forward = await searchOn({ backend: 'simt' }, unrolled);
    const random = await searchOn({ backend: 'simt', index: 2 }, unrolled);
    expect(random.losses).toEqual(forward.losses);
    expect(random.checkpoint.equals(forward.checkpoint)).toBe(true);
    expect(random.result.mixing).toEqual(forward.result.mixing);
  });
});

it('an aborted search goes on to the same bits, on another device', async () => {
  const whole = await searchOn({ backend: 'simt' }, false);
  const out = join(scratch(), 'run');
  const controller = new AbortController();
  const first = search({
    ...{ dataset: tinyDataset(), space, settings, out },
    ...{ backend: 'simt', index: 1, signal: controller.signal },
  });
  let steps = 0;
  await expect(
    (async () => {
      for await (const event of first) if (event.type === 'step' && ++steps === 3) controller.abort();
    })(),
  ).rejects.toThrow(AbortedError);
  const resumed = search({ resume: out, dataset: tinyDataset(), space, backend: 'simt', index: 3 });
  const losses = await follow(resumed);
  expect(losses.length).toBeLessThan(whole.losses.length);
  expect(whole.losses.slice(-losses.length + 1)).toEqual(losses.slice(1));
  expect(readFileSync(join(out, 'checkpoint.safetensors')).equals(whole.checkpoint)).toBe(true);
});

describe('the command line', () => {
  /** IDX files of eight random images of 4x4. */
  function idxFolder(): string {
    const folder = join(scratch(), 'idx');
    mkdirSync(folder);
    const count = 8;
    const header = (...numbers: number[]) =>
      Buffer.concat(numbers.map((n) => Buffer.from(Uint32Array.of(n).buffer).reverse()));
    const images = Buffer.from(Uint8Array.from({ length: count * 16 }, (_, i) => (i * i * 37) & 255));
    writeFileSync(join(folder, 'train-images-idx3-ubyte'), Buffer.concat([header(0x803, count, 4, 4), images]));
    const labels = Buffer.from(Uint8Array.from({ length: count }, (_, i) => i % 2));
    writeFileSync(join(folder, 'train-labels-idx1-ubyte'), Buffer.concat([header(0x801, count), labels]));
    return folder;
  }

  it('searches on simt, prints events, names the device and goes on with it', async () => {
    const out = join(scratch(), 'run');
    const args = ['search', '--dataset', 'idx', '--data-dir', idxFolder(), '--backend', 'simt', '--gpu', '1', '--json'];
    const small = ['--epochs', '1', '--batch-size', '4', '--init-channels', '2', '--layers', '1', '--out', out];
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, ...small], { encoding: 'utf8' });
    expect({ status, stderr }, stderr).toMatchObject({ status: 0 });
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ type: 'start', device: expect.stringMatching(/^simt \(1: /), steps: 1 });
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['step', 'epoch', 'genotype', 'result']));
    expect(stderr).toMatch(/ on simt \(1: /);
    const again = ['search', '--resume', out, '--backend', 'simt', '--gpu', '0', '--json'];
    const resumed = spawnSync(process.execPath, [cli, ...again], { encoding: 'utf8' });
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(JSON.parse(resumed.stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ type: 'result' });
  });

  it('names a GPU that is not there in one line', () => {
    const args = ['search', '--dataset', 'idx', '--data-dir', idxFolder(), '--backend', 'simt', '--gpu', '99'];
    const { status, stderr } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', cwd: scratch() });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^dartsmith: \[cuda\] expected a device index below \d+ but got 99\n$/);
  });
});
