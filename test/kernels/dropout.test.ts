// dropout: what the masks follow from. That kernels apply them as the float64 reference does is in the tables of cases.ts.
import { describe, expect, it } from 'vitest';
import type { DropoutDraw } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';

const draw: DropoutDraw = { seed: 11, epoch: 2, step: 7 };
const batchSize = 64;
const shape = [8, 8, 16] as const;
const count = batchSize * 8 * 8 * 16;

/** What is left of ones behind one dropout, or behind the second of two side by side. */
async function dropped(
  dropout: DropoutDraw | undefined,
  options: { rate: number; drops?: 'elements' | 'samples' },
  { second = false, threads = 2 } = {},
): Promise<Float32Array> {
  const builder = new GraphBuilder();
  const x = builder.input('x', shape);
  const first = builder.dropout(x, options);
  const graph = builder.finish(second ? builder.dropout(x, options) : first);
  using device = await openDevice({ backend: 'cpu', threads });
  using parameters = await device.createParameters(graph, { seed: 0 });
  using program = device.compile(graph, { batchSize, parameters });
  const batch = { inputs: { x: new Float32Array(count).fill(1) }, dropout };
  const { outputs } = await program.evaluate({ batch, statistics: 'batch', read: [graph.output] });
  return outputs?.get(graph.output) ?? new Float32Array();
}

const share = (values: Float32Array) => values.filter((value) => value === 0).length / values.length;

describe('dropout', () => {
  it.each([0.1, 0.5, 0.9])('drops a share of %d and divides the rest by what stays', async (rate) => {
    const values = await dropped(draw, { rate });
    // Five deviations of a binomial share.
    expect(Math.abs(share(values) - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / count));
    const kept = Math.fround(1 / (1 - Math.fround(rate)));
    expect(new Set(values)).toEqual(new Set([0, kept]));
  });

  it('drops nothing where the batch has nothing to draw from', async () => {
    expect(new Set(await dropped(undefined, { rate: 0.9 }))).toEqual(new Set([1]));
  });

  it('drops whole samples', async () => {
    const values = await dropped(draw, { rate: 0.5, drops: 'samples' });
    const samples = Array.from({ length: batchSize }, (_, n) => new Set(values.subarray(n * 1024, (n + 1) * 1024)));
    expect(samples.every(({ size }) => size === 1)).toBe(true);
    const kept = samples.filter((sample) => sample.has(2)).length;
    expect(kept).toBeGreaterThan(batchSize / 4);
    expect(kept).toBeLessThan((3 * batchSize) / 4);
  });

  it('drops samples at the rate times the factor, elements at the rate', async () => {
    expect(share(await dropped({ ...draw, pathFactor: 0 }, { rate: 0.9, drops: 'samples' }))).toBe(0);
    const factor = await dropped({ ...draw, pathFactor: 0.5 }, { rate: 0.5, drops: 'elements' });
    expect(factor).toEqual(await dropped(draw, { rate: 0.5 }));
  });

  it('draws by seed, epoch, step and node, whatever the threads', async () => {
    const values = await dropped(draw, { rate: 0.5 });
    expect(await dropped(draw, { rate: 0.5 }, { threads: 1 })).toEqual(values);
    for (const other of [{ seed: 12 }, { epoch: 3 }, { step: 8 }]) {
      expect(await dropped({ ...draw, ...other }, { rate: 0.5 })).not.toEqual(values);
    }
    const second = await dropped(draw, { rate: 0.5 }, { second: true });
    const both = values.filter((value, i) => value === 0 && second[i] === 0).length / count;
    expect(Math.abs(both - 0.25)).toBeLessThan(0.02);
  });

  it('refuses a rate or a factor that is none', async () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', [4]);
    expect(() => builder.dropout(x, { rate: 1 })).toThrow('expected a number in [0, 1) for rate');
    expect(() => builder.dropout(x, { rate: Number.NaN })).toThrow('expected a number in [0, 1) for rate');
    await expect(dropped({ ...draw, pathFactor: 2 }, { rate: 0.5 })).rejects.toThrow('dropout.pathFactor');
  });
});

describe('dropout in a recorded step', () => {
  const pixels = 4 * 4 * 3;
  const builder = new GraphBuilder();
  const image = builder.dropout(builder.input('images', [4, 4, 3]), { rate: 0.3 });
  const logits = builder.linear('classifier', builder.dropout(builder.globalAvgPool(image), { rate: 0.5 }), 3);
  const graph = builder.finish(builder.softmaxCrossEntropy(logits));

  /** Losses of a batch under one step's masks after another's. */
  async function losses(backend: 'cpu' | 'simt', steps: readonly number[]): Promise<number[]> {
    using device = await openDevice({ backend });
    using parameters = await device.createParameters(graph, { seed: 3 });
    using program = device.compile(graph, { batchSize: 4, parameters });
    const images = Uint8Array.from({ length: 4 * pixels }, (_, i) => (i * 37) % 256);
    using dataset = await device.createDataset({ images, labels: Int32Array.of(0, 1, 2, 0), shape: [4, 4, 3] });
    const augmentation = { mean: [0.5, 0.5, 0.5], deviation: [0.2, 0.2, 0.2], pad: 0, flip: false, cutout: 0 };
    const results: number[] = [];
    for (const step of steps) {
      const batch = { dataset, indices: Uint32Array.of(0, 1, 2, 3), augmentation, dropout: { ...draw, step } };
      results.push((await program.gradients({ batch, target: 'weights' })).loss ?? Number.NaN);
    }
    return results;
  }

  it('follows the step from replay to replay, as the CPU does', async () => {
    const steps = [0, 1, 2, 3, 0];
    const [replayed, expected] = [await losses('simt', steps), await losses('cpu', steps)];
    for (const [i, loss] of replayed.entries()) expect(loss).toBeCloseTo(expected[i], 5);
    expect(new Set(replayed).size).toBe(4);
    expect(replayed[4]).toBe(replayed[0]);
  });
});
