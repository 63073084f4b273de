// What the planner promises: memory, which gradients a pass leaves alone, which candidates it skips, what can be read.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Device, Outcome, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { ArgumentError } from '../../src/errors.ts';
import { type BranchBuilder, GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { type ReferenceResult, runReference } from '../../src/reference/interpreter.ts';
import { errorGrowth, tolerance } from '../../src/reference/tolerance.ts';
import { depthwiseSeparable, pooling } from '../helpers/candidates.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { directBatch, prepareGraph, referenceOf } from '../helpers/kernel_case.ts';
import { writePoint } from '../helpers/parameter_space.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';

const batchSize = 6;
const graph = tinySupernet();
const prepared = prepareGraph(graph, batchSize);
const batch = directBatch(prepared);

let device: Device;
let parameters: Parameters;
let program: Program;

beforeAll(async () => {
  device = await openDevice({ threads: 2 });
  parameters = await device.createParameters(graph, { seed: 0 });
  program = device.compile(graph, { batchSize, parameters });
});

beforeEach(() => writePoint(parameters, prepared.parameters));

afterAll(() => {
  program.dispose();
  parameters.dispose();
  device.dispose();
});

describe('memory', () => {
  it('is smaller for evaluation than for gradients, and for one kind of gradient no larger than for both', async () => {
    const { evaluate, weights, alpha, both } = await program.memory();
    expect(evaluate).toBeGreaterThan(0);
    expect(evaluate).toBeLessThan(Math.min(weights, alpha));
    expect(both).toBeGreaterThanOrEqual(Math.max(weights, alpha));
  });

  it('holds an evaluation in a fraction of what all outputs need', async () => {
    const outputs = graph.nodes.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 4 * batchSize), 0);
    expect((await program.memory()).evaluate).toBeLessThan(outputs / 2);
  });

  it('grows with the batch', async () => {
    using larger = device.compile(graph, { batchSize: 4 * batchSize, parameters });
    const [few, many] = [await program.memory(), await larger.memory()];
    for (const kind of ['evaluate', 'weights', 'alpha', 'both'] as const) {
      expect(many[kind]).toBeGreaterThan(2 * few[kind]);
    }
  });
});

describe.each([
  ['alpha', 'weightGradients'],
  ['weights', 'alphaGradients'],
] as const)('gradients of %s', (target, arena) => {
  it(`leave ${arena} untouched`, async () => {
    const marks = (await parameters.store.read(arena)).map((_, i) => i + 0.5);
    await parameters.store.write(arena, 0, marks);
    await program.gradients({ batch, target });
    expectSameBits(await parameters.store.read(arena), marks, arena);
  });
});

describe('evaluation', () => {
  const state: readonly Arena[] = ['weights', 'weightGradients', 'momentum', 'buffers', 'alpha', 'alphaGradients'];

  it.each(['batch', 'running'] as const)('with %s statistics moves nothing', async (statistics) => {
    await program.gradients({ batch, target: 'both' });
    const before = await Promise.all(state.map((arena) => parameters.store.read(arena)));
    await program.evaluate({ batch, statistics });
    const after = await Promise.all(state.map((arena) => parameters.store.read(arena)));
    state.forEach((arena, i) => {
      expectSameBits(after[i], before[i], arena);
    });
  });

  it('with batch statistics gives the loss of a training pass', async () => {
    const evaluated = await program.evaluate({ batch, statistics: 'batch' });
    const trained = await program.gradients({ batch, target: 'weights' });
    expect(evaluated.loss).toBe(trained.loss);
    expect(evaluated.correct).toBe(trained.correct);
  });

  it('with running statistics follows the running ones', async () => {
    const before = await program.evaluate({ batch, statistics: 'running' });
    await program.gradients({ batch, target: 'alpha' });
    const after = await program.evaluate({ batch, statistics: 'running' });
    expect(after.loss).not.toBe(before.loss);
  });
});

describe('reading', () => {
  /** A zero that only mixed nodes take is never written: it has no output to read. */
  const readable = graph.nodes.filter(({ op }) => op !== 'zero' && op !== 'softmaxCrossEntropy').map(({ id }) => id);
  const trained = referenceOf(prepared);

  function expectReference(outcome: Outcome, id: number, reference: ReferenceResult = trained): void {
    const { op, shape } = graph.nodes[id];
    const growth = errorGrowth(graph, batchSize, reference);
    const comparison = {
      name: `${op} at node ${id}`,
      tolerance: tolerance(reference.outputs[id], growth, 'forward'),
      shape: [batchSize, ...shape],
    };
    expectClose(outcome.outputs?.get(id) ?? new Float32Array(0), reference.outputs[id], comparison);
  }

  it.each(['batch', 'running'] as const)('gives any node of an evaluation with %s statistics', async (statistics) => {
    const outcome = await program.evaluate({ batch, statistics, read: readable });
    expect(outcome.outputs?.size).toBe(readable.length);
    const reference = runReference(graph, { ...prepared, training: statistics === 'batch' });
    for (const id of readable) expectReference(outcome, id, reference);
  });

  it.each(['weights', 'alpha', 'both'] as const)('gives any node of a pass for %s', async (target) => {
    const outcome = await program.gradients({ batch, target, read: readable });
    for (const id of readable) expectReference(outcome, id);
  });

  it('gives one node alone with the bits that it has among all', async () => {
    // Fused, a node that was fused away would be read from an unfused pass, whose bits differ.
    const unfused = device.compile(graph, { batchSize, parameters: program.parameters, fusion: 'off' });
    const all = await unfused.evaluate({ batch, statistics: 'batch', read: readable });
    for (const op of ['input', 'conv2d', 'relu', 'maxPool', 'mixed', 'add', 'concat', 'linear'] as const) {
      const { id } = graph.nodes.findLast((node) => node.op === op)!;
      const { outputs: alone } = await unfused.evaluate({ batch, statistics: 'batch', read: [id] });
      expect([...(alone?.keys() ?? [])]).toEqual([id]);
      expectSameBits(alone!.get(id)!, all.outputs!.get(id)!, `${op} at node ${id}`);
    }
  });

  it.each([-1, graph.nodes.length, 2 ** 31 - 1, 0.5, Number.NaN])('refuses node %d', async (id) => {
    await expect(program.evaluate({ batch, statistics: 'batch', read: [id] })).rejects.toThrow(ArgumentError);
  });
});

describe('candidates of mixing weight 0', () => {
  const poisoned: BranchBuilder = {
    name: 'poisoned',
    build: (builder, input) => {
      const active = builder.relu(input);
      const y = builder.conv2d('poison', active, { channels: input.shape[2], kernel: 3, padding: 1 });
      return builder.batchNorm('poison_bn', y, { affine: false });
    },
  };
  // Their relu and pooling are also the poisoned branch's, so that sharing is tried as well.
  const sound = [depthwiseSeparable(3), pooling('maxPool')];

  function network(branches: readonly BranchBuilder[]): Graph {
    const builder = new GraphBuilder();
    const alpha = builder.alpha('alphas', [branches.length]);
    const image = builder.input('images', [7, 6, 5]);
    const stem = builder.batchNorm('stem.bn', builder.conv2d('stem', image, { channels: 4, kernel: 3 }), {
      affine: true,
    });
    const edge = builder.mixed(stem, branches, { alpha, row: 0 });
    const features = builder.globalAvgPool(edge);
    return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 3)));
  }

  /** Loss, hits and gradients by name; `position` is the poisoned branch's, names count the sound branches alone. */
  async function pass(branches: readonly BranchBuilder[], position: number) {
    const whole = network(branches);
    const plain = prepareGraph(network(sound), batchSize);
    const plainName = (name: string) =>
      name.replace(/^_ops\.(\d+)/, (_, k: string) => `_ops.${Number(k) > position ? Number(k) - 1 : k}`);
    using owner = await device.createParameters(whole, { seed: 0 });
    using compiled = device.compile(whole, { batchSize, parameters: owner });
    for (const name of owner.names()) {
      const { data } = await owner.get(name);
      const values = name.includes('poison') ? data.fill(Number.NaN) : plain.parameters.get(plainName(name));
      if (values?.length === data.length) await owner.set(name, Float32Array.from(values));
    }
    const weights = [0.6, 0.4];
    if (position < branches.length) weights.splice(position, 0, 0);
    const mixing = { alphas: Float32Array.from(weights) };
    const outcome = await compiled.gradients({ batch: directBatch(plain), target: 'both', mixing });
    const gradients = new Map<string, Float32Array>();
    for (const role of ['weight', 'alpha'] as const) {
      for (const name of owner.names(role)) gradients.set(name, (await owner.gradient(name)).data);
    }
    return { outcome, gradients, plainName };
  }

  it.each([0, 1, 2])(
    'are not computed, at place %i: the rest has the bits of a graph without them',
    async (position) => {
      const without = await pass(sound, sound.length);
      const { outcome, gradients, plainName } = await pass(sound.toSpliced(position, 0, poisoned), position);
      expect(outcome.loss).toBe(without.outcome.loss);
      expect(outcome.correct).toBe(without.outcome.correct);
      for (const [name, gradient] of gradients) {
        if (name.includes('poison')) expect(gradient, name).toEqual(new Float32Array(gradient.length));
        else if (name === 'alphas') {
          expect(gradient[position]).toBe(0);
          const others = gradient.filter((_, k) => k !== position);
          expectSameBits(others, without.gradients.get(name)!, name);
        } else expectSameBits(gradient, without.gradients.get(plainName(name))!, name);
      }
    },
  );

  it('are computed once their weight is not 0', async () => {
    const whole = network([poisoned, ...sound]);
    using owner = await device.createParameters(whole, { seed: 0 });
    using compiled = device.compile(whole, { batchSize, parameters: owner });
    const { data } = await owner.get('_ops.0.poison.weight');
    await owner.set('_ops.0.poison.weight', data.fill(Number.NaN));
    const mixing = { alphas: Float32Array.of(1e-30, 0.6, 0.4) };
    const { loss } = await compiled.evaluate({
      batch: directBatch(prepareGraph(whole, batchSize)),
      statistics: 'batch',
      mixing,
    });
    expect(loss).toBeNaN();
  });

  it('may be all of an edge: the gradient of what comes before is then zero', async () => {
    const mixing = { alphas_normal: new Float32Array(16) };
    const { loss } = await program.gradients({ batch, target: 'both', mixing });
    expect(Number.isFinite(loss)).toBe(true);
    const { data } = await parameters.gradient('stem.0.weight');
    expect(data.every((value) => value === 0)).toBe(true);
  });

  it('come back when alpha decides again', async () => {
    const before = await program.evaluate({ batch, statistics: 'batch' });
    const mixing = { alphas_normal: Float32Array.from({ length: 16 }, (_, k) => Number(k % 8 === 3)) };
    await program.evaluate({ batch, statistics: 'batch', mixing });
    const after = await program.evaluate({ batch, statistics: 'batch' });
    expect(after.loss).toBe(before.loss);
  });
});
