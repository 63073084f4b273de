// Training on TensorFlow.js: the same batches, trajectories and files as on the CPU engine, and no tensor left behind.

import { join } from 'node:path';
import * as tensorflow from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import { openTfjsDevice } from '../../src/backend/tfjs/device.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { scratch } from '../helpers/scratch.ts';
import { smallBatch, smallDataset, smallNet, smallPlace, smallStep, stateOf } from '../helpers/small_net.ts';

// Round-off of float32 grows from step to step: by some hundred units in the last place over ten of them, with relus and
// maxima that none of the small net's values lies near.
const relativeTolerance = 1e-4;

function distance(actual: Float32Array, expected: Float32Array): number {
  const length = Math.hypot(...expected);
  const error = Math.hypot(...actual.map((value, i) => value - expected[i]));
  return length === 0 ? error : error / length;
}

async function trained(backend: 'cpu' | 'tfjs', unrolled: boolean): Promise<Map<Arena, Float32Array>> {
  using place = await smallPlace({ backend });
  for (let step = 0; step < 10; step++) {
    await place.device.execute(smallStep(place.program, place.dataset, { step, unrolled, adamStep: step + 1 }));
  }
  return await stateOf(place.parameters);
}

describe('ten steps of a search', () => {
  it.each([
    ['first', false],
    ['second', true],
  ] as const)('of %s order lead where the CPU engine gets', { timeout: 60_000 }, async (_, unrolled) => {
    const [actual, expected] = [await trained('tfjs', unrolled), await trained('cpu', unrolled)];
    for (const [arena, values] of expected) {
      expect(distance(actual.get(arena)!, values), arena).toBeLessThan(relativeTolerance);
    }
  });

  it('leave no tensor behind', { timeout: 60_000 }, async () => {
    using place = await smallPlace({ backend: 'tfjs' });
    const step = (index: number) => place.device.execute(smallStep(place.program, place.dataset, { step: index }));
    await step(0);
    const before = tensorflow.memory().numTensors;
    for (let index = 1; index <= 100; index++) await step(index);
    expect(tensorflow.memory().numTensors).toBe(before);
  });
});

it('gives the batches of the CPU engine to the bit', async () => {
  const builder = new GraphBuilder();
  const graph = builder.finish(builder.input('images', [4, 4, 3]));
  const images: Float32Array[] = [];
  for (const backend of ['cpu', 'tfjs'] as const) {
    using device = await openDevice({ backend });
    using parameters = await device.createParameters(graph, { seed: 0 });
    using program = device.compile(graph, { batchSize: 6, parameters });
    using dataset = await smallDataset(device);
    const batch = smallBatch(dataset, 6, 3);
    const { outputs } = await program.evaluate({ batch, statistics: 'batch', read: [graph.output] });
    images.push(outputs!.get(graph.output)!);
  }
  expect(images[1]).toEqual(images[0]);
});

it('exchanges files with the CPU engine, both ways', async () => {
  using one = await smallPlace({ backend: 'tfjs' }, 4, 5);
  using other = await smallPlace({ backend: 'cpu' }, 4, 6);
  await one.device.execute(smallStep(one.program, one.dataset, { step: 0 }));
  const path = join(scratch(), 'state.safetensors');
  await one.parameters.save(path, { optimizer: true });
  await other.parameters.load(path);
  const state = await stateOf(one.parameters);
  for (const [arena, values] of await stateOf(other.parameters)) {
    if (!arena.endsWith('Gradients')) expect(values, arena).toEqual(state.get(arena));
  }
  await other.device.execute(smallStep(other.program, other.dataset, { step: 1 }));
  await other.parameters.save(path, { optimizer: true });
  await one.parameters.load(path);
  expect((await stateOf(one.parameters)).get('weights')).toEqual((await stateOf(other.parameters)).get('weights'));
});

describe('refusals', () => {
  it('of a batch that does not fit', async () => {
    using device = await openTfjsDevice({ platform: 'cpu' });
    const graph = smallNet();
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize: 2, parameters });
    const evaluate = (images: Float32Array, labels?: Int32Array) =>
      program.evaluate({ batch: { inputs: { images }, labels }, statistics: 'batch' });
    await expect(evaluate(new Float32Array(3))).rejects.toThrow('inputs.images');
    await expect(evaluate(new Float32Array(96))).rejects.toThrow('labels');
    await expect(evaluate(new Float32Array(96), Int32Array.of(0, 3))).rejects.toThrow('labels below 3');
  });

  it('of a precision, a profile and an aborted run', async () => {
    using place = await smallPlace({ backend: 'tfjs' });
    const { device, program, parameters, dataset } = place;
    expect(() => device.compile(smallNet(), { batchSize: 2, parameters, precision: 'bf16' })).toThrow('precision fp32');
    const batch = smallBatch(dataset, 4, 0);
    await expect(program.gradients({ batch, target: 'both', profile: true })).rejects.toThrow('does not measure');
    const signal = AbortSignal.abort();
    await expect(program.gradients({ batch, target: 'both', signal })).rejects.toMatchObject({ name: 'AbortedError' });
  });

  it('of options that mean nothing to it', async () => {
    await expect(openDevice({ backend: 'tfjs', index: 1 })).rejects.toThrow('none with backend tfjs for index');
  });
});
