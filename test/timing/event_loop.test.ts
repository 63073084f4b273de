// The event loop goes on whatever is done with networks of the published sizes: no stretch of the main thread's own time is as long as
// 10 ms. The best of three tries counts: a collection of garbage may fall on one.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { ImageArrays } from '../../src/data/dataset.ts';
import { datasetDigest } from '../../src/data/digest.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { longestStretch, threadMillis } from '../helpers/main_thread.ts';
import { scratch } from '../helpers/scratch.ts';
import { slowBatch, slowBatchSize, slowNetwork } from '../helpers/slow_network.ts';

const limitMillis = 10;

async function expectShortStretches(work: () => Promise<unknown>): Promise<void> {
  const longest: number[] = [];
  while (longest.length < 3 && !(Math.min(...longest) < limitMillis)) longest.push(await longestStretch(work));
  expect(Math.min(...longest)).toBeLessThan(limitMillis);
}

const sizes = { inputShape: [32, 32, 3], classes: 10 } as const;
/** The published evaluation: 20 cells, 3.8 million weights. */
const derived = buildDerivedNetwork({ ...sizes, genotype: genotypes['DARTS_V2'], auxiliaryWeight: 0.4, dropPath: 0.2 });
/** The published search: 8 cells, 1,399 weights. */
const supernet = buildSupernet(sizes);
/** As many images as CIFAR-10 has to train on. */
const images: ImageArrays = {
  images: new Uint8Array(50_000 * 32 * 32 * 3),
  labels: Int32Array.from({ length: 50_000 }, (_, i) => i % 10),
  shape: [32, 32, 3],
};

describe('the event loop turns during', () => {
  let device: Device;
  let parameters: Parameters;
  let averages: Parameters;

  beforeAll(async () => {
    device = await openDevice({ backend: 'cpu' });
    parameters = await device.createParameters(derived.graph, { seed: 1 });
    averages = await device.createParameters(derived.graph, { seed: 2 });
  });

  afterAll(() => {
    for (const each of [parameters, averages, device]) each.dispose();
  });

  it('drawing of first values', () =>
    expectShortStretches(async () => (await device.createParameters(derived.graph, { seed: 3 })).dispose()));

  it('saving and loading', async () => {
    const path = join(scratch(), 'parameters.safetensors');
    await expectShortStretches(() => parameters.save(path, { optimizer: true, averages }));
    await expectShortStretches(() => parameters.load(path, { averages }));
  });

  it('reading every weight of a supernet by its name', async () => {
    using own = await device.createParameters(supernet.graph, { seed: 1 });
    await expectShortStretches(async () => {
      for (const name of own.names('weight')) await own.get(name);
    });
  });

  it('a digest of images', () =>
    expectShortStretches(() =>
      datasetDigest({
        ...{ name: 'images', train: images, classes: 10, classNames: [], notices: [] },
        ...{ mean: [0, 0, 0], deviation: [1, 1, 1], augmentation: { pad: 4, flip: true } },
      }),
    ));

  it('moving a dataset to the device', () =>
    expectShortStretches(async () => {
      using dataset = await device.createDataset(images);
      expect(dataset.count).toBe(50_000);
    }));

  it.each([
    ['a derived network', derived.graph],
    ['a supernet', supernet.graph],
  ])('compiling %s and asking for its memory', async (_, graph) => {
    using own = await device.createParameters(graph, { seed: 1 });
    const programs: Program[] = [];
    await expectShortStretches(async () => {
      const program = device.compile(graph, { batchSize: 64, parameters: own });
      programs.push(program);
      expect((await program.memory()).both).toBeGreaterThan(0);
    });
    for (const program of programs) program.dispose();
  });

  it('search steps of about a second on every core, and their queueing', async () => {
    const network = slowNetwork();
    const batch = slowBatch(network);
    using own = await device.createParameters(network, { seed: 1 });
    using program = device.compile(network, { batchSize: slowBatchSize, parameters: own });
    const decay = { momentum: 0.9, weightDecay: 3e-4 };
    await expectShortStretches(() =>
      program.hypergradient({ train: batch, validation: batch, learningRate: 0.1, ...decay }),
    );
  });
});

it('a parameter is read at the cost of its own size, not of all', async () => {
  using device = await openDevice({ backend: 'cpu' });
  using parameters = await device.createParameters(supernet.graph, { seed: 1 });
  const millis = async (work: () => Promise<unknown>) => {
    const began = threadMillis();
    await work();
    return threadMillis() - began;
  };
  const names = parameters.names('weight').slice(0, 200);
  const byName = async () => {
    for (const name of names) await parameters.get(name);
  };
  const whole = async () => {
    for (let i = 0; i < 20; i++) await parameters.store.read('weights');
  };
  await byName();
  expect((await millis(byName)) / names.length).toBeLessThan((await millis(whole)) / 20 / 4);
});
