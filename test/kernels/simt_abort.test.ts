// An abort in the middle of commands on the CUDA backend: wherever it strikes, each command before it has run whole, none
// after it, weights are whole, and the device goes on.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Command } from '../../src/backend/device.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import { AbortedError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { normal } from '../../src/random/philox.ts';
import { expectSameBits } from '../helpers/compare.ts';
import {
  type SmallPlace,
  setState,
  smallBatch,
  smallDataset,
  smallPlace,
  smallStep,
  stateOf,
} from '../helpers/small_net.ts';

const kept: readonly Arena[] = ['weights', 'momentum', 'alpha', 'alphaMean', 'alphaVariance'];
const moments = [0, 0.1, 0.3, 0.5, 0.7, 0.9];

let place: SmallPlace;
beforeEach(async () => {
  place = await smallPlace({ backend: 'simt' });
});
afterEach(() => place[Symbol.dispose]());

const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));

/** Runs commands and aborts them after `wait`; whether the abort came in time. */
async function abortAfter(wait: () => unknown, commands: readonly Command[]): Promise<boolean> {
  const controller = new AbortController();
  const running = place.device.execute(commands, { signal: controller.signal });
  const ended = running.then(
    () => undefined,
    (error: unknown) => error,
  );
  const waited = wait();
  if (waited instanceof Promise) await waited;
  controller.abort();
  const error = await ended;
  if (error !== undefined) expect(error).toBeInstanceOf(AbortedError);
  return error !== undefined;
}

async function millisOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** A step works as on a device where nothing was aborted. */
async function expectGoesOn(): Promise<void> {
  using other = await smallPlace({ backend: 'simt' });
  await setState(other.parameters, await stateOf(place.parameters));
  for (let run = 0; run < 3; run++) {
    const outcomes = await place.device.execute(smallStep(place.program, place.dataset, { step: run }));
    expect(outcomes).toEqual(await other.device.execute(smallStep(other.program, other.dataset, { step: run })));
  }
  expect(await stateOf(place.parameters)).toEqual(await stateOf(other.parameters));
}

it('of a list of steps leaves the bits of the steps before it', async () => {
  // Batches given directly: the engine waits for the device before each, so that an abort meets kernels that run.
  const { device, program, parameters } = place;
  const sgd = { kind: 'sgd', parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 0, maxNorm: 5 } as const;
  const steps = Array.from({ length: 8 }, (_, step): Command[] => {
    const stream = { seed: 8, purpose: 'weights', epoch: 0, step } as const;
    const batch = { inputs: { images: Float32Array.from(normal(stream, 4 * 48)) }, labels: Int32Array.of(0, 1, 2, 0) };
    return [{ kind: 'gradients', program, batch, target: 'weights' }, sgd];
  });
  const start = await stateOf(parameters);
  const reached = [start];
  for (const commands of steps) {
    await device.execute(commands);
    reached.push(await stateOf(parameters));
  }
  const same = (a: Float32Array, b: Float32Array) => a.every((value, i) => Object.is(value, b[i]));
  await setState(parameters, start);
  const whole = await millisOf(() => device.execute(steps.flat()));
  const found = new Set<number>();
  for (const share of moments) {
    await setState(parameters, start);
    await abortAfter(() => sleep(share * whole), steps.flat());
    const state = await stateOf(parameters);
    const count = reached.findIndex((one) => same(one.get('weights')!, state.get('weights')!));
    expect(count, `the weights after an abort at ${share} are those between two steps`).toBeGreaterThanOrEqual(0);
    expectSameBits(state.get('momentum')!, reached[count].get('momentum')!, `momentum after ${count} steps`);
    found.add(count);
  }
  expect(
    [...found].some((count) => count > 0 && count < steps.length),
    `stopped after ${[...found]} steps`,
  ).toBe(true);
  await expectGoesOn();
});

describe('of a hypergradient', () => {
  it('leaves weights, momentum and alpha with their bits', async () => {
    const { device, program, parameters } = place;
    const images = Float32Array.from({ length: 4 * 48 }, (_, i) => Math.sin(i * i));
    const batch = { inputs: { images }, labels: Int32Array.of(0, 1, 2, 0) };
    const decay = { learningRate: 0.1, momentum: 0.9, weightDecay: 1e-3 };
    const one: Command = { kind: 'hypergradient', program, train: batch, validation: batch, ...decay };
    const commands = [one, one, one];
    const start = await stateOf(parameters);
    const whole = await millisOf(() => device.execute(commands));
    let aborted = 0;
    for (const share of moments) {
      if (await abortAfter(() => sleep(share * whole), commands)) aborted++;
      const state = await stateOf(parameters);
      for (const arena of kept) expectSameBits(state.get(arena)!, start.get(arena)!, `${arena}, aborted at ${share}`);
    }
    expect(aborted).toBeGreaterThan(2);
    await expectGoesOn();
  });
});

it('while commands are recorded leaves nothing of them behind', async () => {
  const { device, parameters } = place;
  const before = await stateOf(parameters);
  // Hardly anything to compute, so that recording takes long beside running, and an abort meets it on a busy machine too.
  const builder = new GraphBuilder();
  const graph = builder.finish(builder.relu(builder.input('images', [4, 4, 3])));
  using none = await device.createParameters(graph, { seed: 1 });
  using program = device.compile(graph, { batchSize: 1, parameters: none });
  let aborted = 0;
  // What comes again is recorded once: every try takes a dataset of its own.
  for (let attempt = 0; attempt < 10 && aborted < 3; attempt++) {
    using dataset = await smallDataset(device, attempt);
    const evaluate: Command = {
      kind: 'evaluate',
      program,
      batch: smallBatch(dataset, 1, attempt),
      statistics: 'batch',
    };
    const evaluations = new Array<Command>(1000).fill(evaluate);
    const first = await device.execute([...evaluations, { ...evaluate, read: [graph.output] }]);
    await device.execute(evaluations);
    const spin = () => {
      const start = performance.now();
      while (performance.now() - start < 0.05 * aborted);
    };
    if (await abortAfter(spin, evaluations)) aborted++;
    expect(await stateOf(parameters)).toEqual(before);
    expect(await device.execute([...evaluations, { ...evaluate, read: [graph.output] }])).toEqual(first);
    await device.execute(evaluations);
    expect(device.recordedKernels).toBeGreaterThan(evaluations.length);
  }
  expect(aborted).toBeGreaterThan(0);
  await expectGoesOn();
});

it('before the commands start keeps all of them from running', async () => {
  const before = await stateOf(place.parameters);
  const running = place.device.execute(smallStep(place.program, place.dataset, { step: 0 }));
  const controller = new AbortController();
  const waiting = place.device.execute(smallStep(place.program, place.dataset, { step: 1 }), {
    signal: controller.signal,
  });
  controller.abort();
  await expect(waiting).rejects.toThrow(AbortedError);
  await running;
  const after = await stateOf(place.parameters);
  await setState(place.parameters, before);
  await place.device.execute(smallStep(place.program, place.dataset, { step: 0 }));
  const again = await stateOf(place.parameters);
  for (const arena of kept) expectSameBits(after.get(arena)!, again.get(arena)!, arena);
});

describe('commands that were queued when an abort came', () => {
  it('do not write to what takes the place of their parameters', async () => {
    const { device, program } = place;
    const adam: Command = {
      kind: 'adam',
      parameters: place.parameters,
      ...{ learningRate: 0.1, betas: [0.5, 0.999], epsilon: 1e-8, weightDecay: 0.1, step: 1 },
    };
    let aborted = 0;
    for (let run = 0; run < 8; run++) {
      const parameters = await device.createParameters(program.graph, { seed: run });
      const commands = Array.from({ length: 20_000 }, () => ({ ...adam, parameters }));
      if (await abortAfter(() => sleep(1), commands)) aborted++;
      parameters.dispose();
      using fresh = await device.createParameters(program.graph, { seed: run });
      // Long enough for what would still be under way to arrive.
      await sleep(5);
      expect(await fresh.store.read('alphaMean')).toEqual(new Float32Array(fresh.map.totals.alpha));
    }
    expect(aborted).toBeGreaterThan(0);
  });
});

describe('a write', () => {
  it('is done when its promise settles: what takes the place of its parameters keeps its values', async () => {
    const { device, program } = place;
    const parameters = await device.createParameters(program.graph, { seed: 1 });
    const zeros = new Float32Array(parameters.map.totals.alpha);
    await parameters.store.write(
      'alphaMean',
      0,
      zeros.map(() => 7),
    );
    parameters.dispose();
    using fresh = await device.createParameters(program.graph, { seed: 1 });
    expect(await fresh.store.read('alphaMean')).toEqual(zeros);
  });
});
