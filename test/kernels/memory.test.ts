// Memory of a device: limits, what the error advises, and memory that is used again.
import { afterEach, describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { ArgumentError, BackendError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { smallPlace, smallStep, stateOf } from '../helpers/small_net.ts';

const mebibyte = 2 ** 20;

/** 32 KiB of working memory an image and more. */
const graph = (() => {
  const builder = new GraphBuilder();
  const image = builder.input('images', [16, 16, 3]);
  const stem = builder.relu(builder.conv2d('stem', image, { channels: 16, kernel: 1 }));
  const logits = builder.linear('classifier', builder.globalAvgPool(stem), 3);
  return builder.finish(builder.softmaxCrossEntropy(logits));
})();

let opened: Device | undefined;
afterEach(() => opened?.dispose());

type Backend = 'cpu' | 'simt';

async function limited(
  backend: Backend,
  memoryLimitBytes: number,
): Promise<{ device: Device; parameters: Parameters }> {
  opened = await openDevice({ backend, memoryLimitBytes });
  return { device: opened, parameters: await opened.createParameters(graph, { seed: 1 }) };
}

/** One pass of a batch: its loss and its working memory. */
async function pass(device: Device, parameters: Parameters, batchSize: number) {
  using program = device.compile(graph, { batchSize, parameters });
  const images = new Float32Array(batchSize * 16 * 16 * 3).fill(0.5);
  const batch = { inputs: { images }, labels: new Int32Array(batchSize) };
  const { loss } = await program.gradients({ batch, target: 'weights' });
  return { loss, bytes: (await program.memory()).weights };
}

/** The batch that the error of a batch that is too large says would fit. */
async function advised(device: Device, parameters: Parameters, batchSize: number): Promise<number> {
  const error = await pass(device, parameters, batchSize).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(BackendError);
  const form = new RegExp(
    `needs (\\d+) MiB of working memory at batch ${batchSize} but \\d+ MiB can be had: a batch of (\\d+) would fit$`,
  );
  const [, needed, fits] = form.exec((error as Error).message) ?? [];
  expect(fits, (error as Error).message).toBeDefined();
  using program = device.compile(graph, { batchSize, parameters });
  expect(Number(needed)).toBe(Math.ceil((await program.memory()).weights / mebibyte));
  return Number(fits);
}

describe.each<Backend>(['cpu', 'simt'])('a program that needs more than the limit of %s', (backend) => {
  it.each([0.5, 1])('is refused with the batch that does fit: %d MiB', async (limit) => {
    const { device, parameters } = await limited(backend, limit * mebibyte);
    const fits = await advised(device, parameters, 300);
    expect(fits).toBeGreaterThan(10);
    const { loss, bytes } = await pass(device, parameters, fits);
    expect(loss).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(limit * mebibyte);
    // Not much less than what fits: two images more do not.
    await expect(pass(device, parameters, fits + 2)).rejects.toThrow(BackendError);
  });

  // Above 2 MiB the allocator takes whole pieces of that size, which the advice knows.
  it.each([3, 5.25, 8])('is refused with the batch that does fit: %d MiB, large pieces', async (limit) => {
    const { device, parameters } = await limited(backend, limit * mebibyte);
    const fits = await advised(device, parameters, 600);
    await expect(pass(device, parameters, fits)).resolves.toHaveProperty('loss');
  });

  it('says so where not even one image fits', async () => {
    const { device, parameters } = await limited(backend, 90_000);
    await expect(pass(device, parameters, 2)).rejects.toThrow('not even a batch of 1 would fit');
  });

  it('leaves the device as it was, and its recordings valid', async () => {
    using place = await smallPlace({ backend, memoryLimitBytes: mebibyte });
    const { device, parameters, program, dataset } = place;
    using untouched = await smallPlace({ backend });
    const other = await device.createParameters(graph, { seed: 1 });
    for (let step = 0; step < 5; step++) {
      const outcomes = await device.execute(smallStep(program, dataset, { step }));
      const expected = smallStep(untouched.program, untouched.dataset, { step });
      expect(outcomes).toEqual(await untouched.device.execute(expected));
      await expect(pass(device, other, 300)).rejects.toThrow(BackendError);
    }
    expect(await stateOf(parameters)).toEqual(await stateOf(untouched.parameters));
  });

  it('is refused where parameters or images alone are too many', async () => {
    const { device } = await limited(backend, mebibyte);
    const images = new Uint8Array(2 * mebibyte);
    const labels = new Int32Array(2 * 1024);
    await expect(device.createDataset({ images, labels, shape: [32, 32, 1] })).rejects.toThrow(
      /of the limit of 1 MiB are in use/,
    );
    const builder = new GraphBuilder();
    const wide = builder.finish(builder.linear('wide', builder.input('x', [1024]), 1024));
    await expect(device.createParameters(wide, { seed: 0 })).rejects.toThrow(BackendError);
    await expect(device.createParameters(graph, { seed: 0 })).resolves.toBeDefined();
  });
});

describe('memory is used again', () => {
  it.each<Backend>(['cpu', 'simt'])(
    'after dispose, of datasets, programs and parameters of changing sizes: %s',
    async (backend) => {
      const { device } = await limited(backend, 2 * mebibyte);
      for (let round = 0; round < 40; round++) {
        const count = 100 + 37 * (round % 9);
        const images = new Uint8Array(count * 32 * 32).fill(round);
        using dataset = await device.createDataset({ images, labels: new Int32Array(count), shape: [32, 32, 1] });
        expect(dataset.count).toBe(count);
        using parameters = await device.createParameters(graph, { seed: round });
        const { loss } = await pass(device, parameters, 1 + (round % 3));
        expect(loss).toBeGreaterThan(0);
      }
    },
  );

  it('after devices were disposed: many, one after another, each with most of the memory', async () => {
    // All devices of the stand-in share 2 GiB.
    for (let round = 0; round < 8; round++) {
      using device = await openDevice({ backend: 'simt', index: round % 5 });
      const images = new Uint8Array(300 * mebibyte);
      using dataset = await device.createDataset({ images, labels: new Int32Array(300), shape: [1024, 1024, 1] });
      expect(dataset.count).toBe(300);
    }
  });
});

describe('options', () => {
  it.each([
    [{ index: -1 }, ArgumentError],
    [{ index: 0.5 }, ArgumentError],
    [{ index: Number.NaN }, ArgumentError],
    [{ index: 1e9 }, ArgumentError],
    [{ index: 1000 }, BackendError],
  ])('%o are refused', async (options, error) => {
    await expect(openDevice({ backend: 'simt', ...options })).rejects.toThrow(error);
  });

  it.each(
    [-1, 0, 1.5, Number.POSITIVE_INFINITY, 2 ** 60].flatMap((memoryLimitBytes) =>
      (['cpu', 'simt'] as const).map((backend) => ({ backend, memoryLimitBytes })),
    ),
  )('%o are refused', async (options) => {
    await expect(openDevice(options)).rejects.toThrow(ArgumentError);
  });

  it('an index that no device has is told with how many there are', async () => {
    await expect(openDevice({ backend: 'simt', index: 1000 })).rejects.toThrow(
      /expected a device index below \d+ but got 1000/,
    );
  });
});
