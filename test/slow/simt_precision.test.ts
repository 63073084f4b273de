// A supernet in tf32 and bf16 on the CUDA kernels: other numbers than in float32, but near, and how near.
import { describe, expect, it } from 'vitest';
import type { Precision } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';
import { readGradients } from '../helpers/parameter_space.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';

const graph = tinySupernet();
const batchSize = 12;
const prepared = prepareGraph(graph, batchSize);

// How far the gradient may be from that in float32, as a share of its length, and how near it cannot be if products round:
// their factors are off by up to 2^-11 (tf32) or 2^-8 (bf16), in several layers; relus at their kinks turn and add to it.
const bounds = {
  tf32: { least: 2 ** -14, most: 2 ** -4 },
  bf16: { least: 2 ** -11, most: 2 ** -2 },
} as const;

/** One pass: the loss, every gradient as one vector, and the memory that it takes. */
async function pass(precision: Precision, index = 0) {
  using device = await openDevice({ backend: 'simt', index });
  using parameters = await device.createParameters(graph, { seed: 1 });
  using program = device.compile(graph, { batchSize, parameters, precision });
  const { loss } = await program.gradients({ batch: directBatch(prepared), target: 'both' });
  const roles = [await readGradients(parameters, 'weight'), await readGradients(parameters, 'alpha')];
  const gradient = Float32Array.from(roles.flatMap((role) => [...role.values()].flatMap((values) => [...values])));
  return { loss: loss ?? Number.NaN, gradient, memory: await program.memory() };
}

function relativeDistance(actual: Float32Array, expected: Float32Array): number {
  return Math.hypot(...actual.map((value, i) => value - expected[i])) / Math.hypot(...expected);
}

describe.each(['tf32', 'bf16'] as const)('a supernet in %s', (precision) => {
  const { least, most } = bounds[precision];

  it('has nearly the loss and the gradients of float32, and not the same', async () => {
    const [exact, rounded] = [await pass('fp32'), await pass(precision)];
    const distance = relativeDistance(rounded.gradient, exact.gradient);
    expect(distance).toBeGreaterThan(least);
    expect(distance).toBeLessThan(most);
    const difference = Math.abs(rounded.loss - exact.loss) / exact.loss;
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.01);
  });

  it('has the same bits under every order of threads', async () => {
    const forward = await pass(precision);
    for (const index of [1, 2, 3, 4]) {
      const other = await pass(precision, index);
      expect(other.loss).toBe(forward.loss);
      expectSameBits(other.gradient, forward.gradient, `gradients in order ${index}`);
    }
  });
});

it('bf16 is farther from float32 than tf32, and takes less memory', async () => {
  const [exact, tf32, bf16] = [await pass('fp32'), await pass('tf32'), await pass('bf16')];
  const distances = [tf32, bf16].map(({ gradient }) => relativeDistance(gradient, exact.gradient));
  expect(distances[1]).toBeGreaterThan(2 * distances[0]);
  expect(tf32.memory).toEqual(exact.memory);
  expect(bf16.memory.weights).toBeLessThan(0.65 * exact.memory.weights);
});
