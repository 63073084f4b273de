// Noise that is part of what a graph computes (the operation `noise`), on every backend: what it follows from, and what it is like. That
// kernels add the reference's numbers is in the tables of cases.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, DropoutDraw, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { ArgumentError } from '../../src/errors.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import { applyOperation, type NamedOperation, operations } from '../../src/operation/operations.ts';
import { allBackends } from '../helpers/backends.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const draw: DropoutDraw = { seed: 11, epoch: 2, step: 7 };
const batchSize = 4;
const shape = [16, 16, 8] as const;

/** Two edges of the candidates noise and convolution, the second with stride 2, and a dropout. */
const builder = new GraphBuilder();
const alpha = builder.alpha('alphas', [2, 2]);
const x = builder.input('images', shape);
const candidates = (stride: 1 | 2) =>
  ['noise', 'sep_conv_3x3'].map((name) => ({
    name,
    build: (inner: GraphBuilder, input: Tensor) => {
      const operation: NamedOperation = { name, build: operations[name] };
      const context = { layer: 'here', channels: 8, stride, affine: false, normalisePooling: true };
      return applyOperation(operation, inner, input, context);
    },
  }));
const first = builder.within('first').mixed(x, candidates(1), { alpha, row: 0 });
const second = builder.within('second').mixed(first, candidates(2), { alpha, row: 1 });
const features = builder.dropout(builder.globalAvgPool(second), { rate: 0.5 });
const graph = builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 3)));

const batch = {
  inputs: { images: Float32Array.from(gaussian(batchSize * 16 * 16 * 8, 1)) },
  labels: Int32Array.of(0, 1, 2, 1),
};
/** Noise alone on the first edge. */
const alone = { alphas: [Float32Array.of(1, 0), undefined] };

describe.each(allBackends)('noise on $name', ({ name, device: options }) => {
  let device: Device;
  let parameters: Parameters;
  let program: Program;

  beforeAll(async () => {
    device = await openDevice(options);
    parameters = await device.createParameters(graph, { seed: 0 });
    program = device.compile(graph, { batchSize, parameters });
  });

  afterAll(() => {
    for (const each of [program, parameters, device]) each.dispose();
  });

  async function drawn(dropout: DropoutDraw, statistics: 'running' | 'moving' = 'running'): Promise<Float32Array> {
    const fields = { batch: { ...batch, dropout }, mixing: alone, read: [first.id] };
    const { outputs } =
      statistics === 'running'
        ? await program.evaluate({ ...fields, statistics })
        : await program.gradients({ ...fields, target: 'both' });
    return outputs!.get(first.id)!;
  }

  it('is standard normal, in evaluation as in training, whatever the scale of other noise', async () => {
    const values = await drawn({ ...draw, drops: false });
    const count = values.length;
    const mean = values.reduce((sum, value) => sum + value / count, 0);
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / count, 0);
    // Five deviations of either.
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(await drawn(draw, 'moving')).toEqual(values);
    expect(await drawn({ ...draw, noiseScale: 0 })).toEqual(values);
  });

  it('is drawn anew by seed, epoch, step, sample and pixel', async () => {
    const values = await drawn(draw);
    expect(new Set(values).size).toBeGreaterThan(0.99 * values.length);
    for (const other of [{ seed: 12 }, { epoch: 3 }, { step: 8 }]) {
      const found = await drawn({ ...draw, ...other });
      expect(found.filter((value, i) => value === values[i]).length).toBeLessThan(0.01 * values.length);
    }
  });

  it('gives no gradient to its input, and its weight the slope of the loss', async () => {
    const row = [0.6, 0.4];
    const at = (k: number, step: number) => ({
      batch: { ...batch, dropout: { ...draw, drops: false } },
      mixing: {
        alphas: [Float32Array.from(row, (weight, i) => weight + (i === k ? step : 0)), Float32Array.of(0.5, 0.5)],
      },
      statistics: 'running' as const,
    });
    await program.gradients({ ...at(0, 0), target: 'both' });
    const slopes = (await parameters.gradient('alphas')).data;
    for (const k of [0, 1]) {
      const [more, less] = [await program.evaluate(at(k, 3e-3)), await program.evaluate(at(k, -3e-3))];
      const difference = (more.loss! - less.loss!) / 6e-3;
      // Losses of about 1 are good to 1e-7, by 6e-3; kinks of ReLU within the step add a little.
      expect(Math.abs(slopes[k] - difference), `candidate ${k}`).toBeLessThan(1e-4 + 0.02 * Math.abs(difference));
      expect(Math.abs(difference)).toBeGreaterThan(1e-4);
    }
    // With noise alone on the second edge nothing reaches the first.
    await program.gradients({ ...at(0, 0), mixing: { alphas: Float32Array.of(0.5, 0.5, 1, 0) }, target: 'both' });
    expect([...(await parameters.gradient('alphas')).data.subarray(0, 2)]).toEqual([0, 0]);
  });

  it('may be drawn where nothing is dropped', async () => {
    const pass = (dropout: DropoutDraw) => program.evaluate({ batch: { ...batch, dropout }, statistics: 'batch' });
    const [dropped, whole] = [await pass(draw), await pass({ ...draw, drops: false })];
    expect(whole.loss).not.toBe(dropped.loss);
    const small = { ...draw, drops: false, pathFactor: 0.1 };
    expect((await pass(small)).loss).toBe(whole.loss);
  });

  it('refuses batches that it cannot draw from', async () => {
    for (const refused of [
      program.evaluate({ batch, statistics: 'running' }),
      program.gradients({ batch, target: 'alpha' }),
    ]) {
      await expect(refused).rejects.toThrow(ArgumentError);
      await expect(refused).rejects.toThrow(/what the noise of the graph draws from for batch.dropout/);
    }
    const wrong = { ...draw, drops: 1 } as unknown as DropoutDraw;
    await expect(program.evaluate({ batch: { ...batch, dropout: wrong }, statistics: 'running' })).rejects.toThrow(
      /true or false for batch.dropout.drops/,
    );
  });

  it.skipIf(name === 'tfjs')('follows the step in a run that is recorded', async () => {
    const images = Uint8Array.from({ length: batchSize * 16 * 16 * 8 }, (_, i) => (i * 37) % 256);
    const eight = new Array<number>(8).fill(0.5);
    using dataset = await device.createDataset({ images, labels: batch.labels, shape });
    const augmentation = { mean: eight, deviation: eight, pad: 0, flip: false, cutout: 0 };
    const losses: number[] = [];
    for (const step of [0, 1, 2, 3, 0]) {
      const one = {
        dataset,
        indices: Uint32Array.of(0, 1, 2, 3),
        augmentation,
        dropout: { ...draw, step, drops: false },
      };
      losses.push((await program.evaluate({ batch: one, statistics: 'batch' })).loss!);
    }
    expect(new Set(losses).size).toBe(4);
    expect(losses[4]).toBe(losses[0]);
  });
});
