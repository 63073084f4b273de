// Gradients of a whole supernet in small against the reference and against differences of the loss, in float64 and in the
// device's own float32.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { directBatch, expectedTensors, prepareGraph, referenceOf } from '../helpers/kernel_case.ts';
import {
  inDouble,
  moved,
  norm,
  ofRole,
  type ParameterVector,
  product,
  randomLike,
  readGradients,
  writePoint,
} from '../helpers/parameter_space.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';

const batchSize = 6;
const graph = tinySupernet();
const prepared = prepareGraph(graph, batchSize);
const other = prepareGraph(graph, batchSize, 'normal', 500);
const start = prepared.parameters;
const directions = [1, 2, 3, 4];

let device: Device;
let parameters: Parameters;
let program: Program;

beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
  parameters = await device.createParameters(graph, { seed: 0 });
  program = device.compile(graph, { batchSize, parameters });
});

afterAll(() => {
  program.dispose();
  parameters.dispose();
  device.dispose();
});

/** The loss on the device, with batch statistics. */
async function deviceLoss(point: ParameterVector): Promise<number> {
  await writePoint(parameters, point);
  const { loss } = await program.evaluate({ batch: directBatch(prepared), statistics: 'batch' });
  return loss ?? Number.NaN;
}

function referenceLoss(point: ParameterVector): number {
  return referenceOf({ ...prepared, parameters: point }).loss ?? Number.NaN;
}

it('gives the loss, the hits, every gradient and every running statistic of the reference', async () => {
  await writePoint(parameters, start);
  const { loss, correct } = await program.gradients({ batch: directBatch(prepared), target: 'both' });
  const actual = new Map<string, Float32Array>([
    ['loss', Float32Array.of(loss ?? Number.NaN)],
    ['correct', Float32Array.of(correct ?? Number.NaN)],
  ]);
  for (const role of ['weight', 'alpha'] as const) {
    for (const [name, gradient] of await readGradients(parameters, role)) actual.set(`gradient of ${name}`, gradient);
  }
  for (const name of parameters.names('buffer')) actual.set(name, (await parameters.get(name)).data);
  const expected = expectedTensors(prepared);
  expected.delete('output');
  for (const [name, { values, ...comparison }] of expected) {
    expectClose(actual.get(name) ?? new Float32Array(0), values, { ...comparison, name });
  }
});

describe.each(['weight', 'alpha'] as const)('along random directions of every %s, the gradient', (role) => {
  let gradient: ParameterVector;

  beforeAll(async () => {
    await writePoint(parameters, start);
    await program.gradients({ batch: directBatch(prepared), target: 'both' });
    gradient = inDouble(await readGradients(parameters, role));
  });

  it.each(directions)('agrees with differences of the float64 loss (direction %i)', (seed) => {
    const direction = randomLike(ofRole(graph, start, role), seed);
    const step = 1e-6;
    const ahead = referenceLoss(moved(start, direction, step));
    const behind = referenceLoss(moved(start, direction, -step));
    const error = product(gradient, direction) - (ahead - behind) / (2 * step);
    // A float32 gradient through so many layers is good to about 1e-6 of its length.
    expect(Math.abs(error)).toBeLessThan(2e-5 * norm(gradient));
  });

  it.each(directions)("agrees with differences of the device's own loss (direction %i)", async (seed) => {
    const direction = randomLike(ofRole(graph, start, role), seed);
    const step = 1e-3;
    const ahead = await deviceLoss(moved(start, direction, step));
    const behind = await deviceLoss(moved(start, direction, -step));
    const error = product(gradient, direction) - (ahead - behind) / (2 * step);
    // The loss is good to 1e-7, which the step makes 1e-4; the third derivative and kinks of ReLU add to it.
    expect(Math.abs(error)).toBeLessThan(2e-2 * norm(gradient));
  });
});

it.each([
  ['weights', 'weight'],
  ['alpha', 'alpha'],
] as const)('gives the same bits for target %s alone as for both', async (target, role) => {
  await writePoint(parameters, start);
  await program.gradients({ batch: directBatch(prepared), target: 'both' });
  const both = await readGradients(parameters, role);
  // Another batch in between, so that gradients left over from the first pass would be noticed.
  await program.gradients({ batch: directBatch(other), target: 'both' });
  await program.gradients({ batch: directBatch(prepared), target });
  for (const [name, gradient] of await readGradients(parameters, role)) {
    expectSameBits(gradient, both.get(name) ?? new Float32Array(0), `gradient of ${name} with target ${target}`);
  }
});
