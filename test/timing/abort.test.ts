// How soon an abort ends a pass. Lists of passes, so long beside an abort that a busy machine cannot turn the comparison.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Command, Device, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { AbortedError } from '../../src/errors.ts';
import { slowBatch, slowBatchSize, slowNetwork } from '../helpers/slow_network.ts';

const graph = slowNetwork();
const batch = slowBatch(graph);
let device: Device;
let program: Program;

beforeAll(async () => {
  device = await openDevice({ threads: 2 });
  const parameters = await device.createParameters(graph, { seed: 1 });
  program = device.compile(graph, { batchSize: slowBatchSize, parameters });
});
afterAll(() => device.dispose());

const unrolling = { learningRate: 0.1, momentum: 0.9, weightDecay: 3e-4 };
const passes: readonly [string, () => Command][] = [
  ['gradients', () => ({ kind: 'gradients', program, batch, target: 'both' })],
  ['evaluation in slices', () => ({ kind: 'evaluate', program, batch, statistics: 'running' })],
  ['the hypergradient', () => ({ kind: 'hypergradient', program, train: batch, validation: batch, ...unrolling })],
];

it.each(passes)('an abort stops %s between two kernels', async (_, command) => {
  const one = [command()];
  const many = new Array<Command>(8).fill(command());
  await device.execute(one);
  const start = performance.now();
  await device.execute(many);
  const whole = performance.now() - start;
  const delays: number[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const controller = new AbortController();
    const ended = device.execute(many, { signal: controller.signal }).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, whole / 20));
    const aborted = performance.now();
    controller.abort();
    if ((await ended) instanceof AbortedError) delays.push(performance.now() - aborted);
  }
  // A quarter of one pass, if the machine had nothing else to do in the best of the tries.
  expect(Math.min(...delays)).toBeLessThan(whole / many.length / 4);
});
