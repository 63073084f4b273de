// Which statistics batch norms take and move, and which candidates run, on every backend: what a selection scores with (training mode,
// candidates masked by weights of 0) and what an attack on mixing weights differentiates by (running statistics, which stay).
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Mixing, PassStatistics, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { allBackends } from '../helpers/backends.ts';
import { dartsCandidates } from '../helpers/candidates.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { directBatch, expectedTensors, type PreparedCase, prepareGraph, singleMixing } from '../helpers/kernel_case.ts';
import { writePoint } from '../helpers/parameter_space.ts';
import { tinySupernet } from '../helpers/tiny_supernet.ts';

const batchSize = 4;
const graph = tinySupernet();
const prepared = prepareGraph(graph, batchSize);
const batch = directBatch(prepared);
const state: readonly Arena[] = ['weights', 'weightGradients', 'momentum', 'buffers', 'alpha', 'alphaGradients'];

/** The first row given, most of it 0; the second one given whole. The sigmoid rows follow from alpha. */
const given: PreparedCase['mixing'] = {
  alphas_normal: [
    Float64Array.of(0, 0.5, 0, 0, 0, 0.25, 0, 0),
    Float64Array.of(0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125),
  ],
};
/** Candidates of the first row, its edge being `a`, that are masked, and one that runs. */
const masked = ['a._ops.2', 'a._ops.4', 'a._ops.6', 'a._ops.7'];
const running = 'a._ops.5';

describe.each(allBackends)('statistics on $name', ({ device: options }) => {
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

  /** Starts from the same numbers, gradients and momentum among them; gives what a run changed, arena by arena. */
  async function changedBy(run: () => Promise<unknown>): Promise<Set<Arena>> {
    await writePoint(parameters, prepared.parameters);
    for (const arena of ['weightGradients', 'momentum', 'alphaGradients'] as const) {
      const { length } = await parameters.store.read(arena);
      await parameters.store.write(arena, 0, new Float32Array(length).fill(7));
    }
    const before = await Promise.all(state.map((arena) => parameters.store.read(arena)));
    await run();
    const after = await Promise.all(state.map((arena) => parameters.store.read(arena)));
    return new Set(state.filter((_, i) => before[i].some((value, k) => value !== after[i][k])));
  }

  const tensorsUnder = (prefix: string) => parameters.names().filter((name) => name.startsWith(`${prefix}.`));
  const dataOf = async (name: string) => (await parameters.get(name)).data;

  describe('an evaluation with moving ones', () => {
    it.each([undefined, singleMixing(given)])(
      'is the forward half of a training pass, given weights %o',
      async (mixing) => {
        const read = [graph.nodes[graph.output].inputs[0]];
        await changedBy(() => program.evaluate({ batch, statistics: 'batch' }));
        const trained = await program.gradients({ batch, target: 'both', mixing, read });
        const buffers = await parameters.store.read('buffers');
        let found: Awaited<ReturnType<Program['evaluate']>> = {};
        const changed = await changedBy(async () => {
          found = await program.evaluate({ batch, statistics: 'moving', mixing, read });
        });
        expect(changed).toEqual(new Set(['buffers']));
        expect([found.loss, found.correct]).toEqual([trained.loss, trained.correct]);
        expectSameBits(found.outputs!.get(read[0])!, trained.outputs!.get(read[0])!, 'logits');
        expectSameBits(await parameters.store.read('buffers'), buffers, 'buffers');
      },
    );

    it('leaves those of candidates of weight 0 alone', async () => {
      await changedBy(() => program.evaluate({ batch, statistics: 'moving', mixing: singleMixing(given) }));
      for (const name of masked.flatMap(tensorsUnder)) {
        expect(await dataOf(name), name).toEqual(Float32Array.from(prepared.parameters.get(name)!));
      }
      const mean = `${running}.bn.running_mean`;
      expect(await dataOf(mean)).not.toEqual(Float32Array.from(prepared.parameters.get(mean)!));
    });
  });

  describe('gradients with running ones', () => {
    const allowed = expectedTensors({ ...prepared, mixing: given, statistics: 'running' });
    const mixing = singleMixing(given);
    const pass = { batch, mixing, statistics: 'running' } as const;

    async function expectGradients(role: 'weight' | 'alpha'): Promise<void> {
      for (const name of parameters.names(role)) {
        const { values, ...comparison } = allowed.get(`gradient of ${name}`)!;
        expectClose((await parameters.gradient(name)).data, values, { ...comparison, name });
      }
    }

    it('are those of the reference, and the statistics stay', async () => {
      let loss: number | undefined;
      const changed = await changedBy(async () => ({ loss } = await program.gradients({ ...pass, target: 'both' })));
      expect(changed).toEqual(new Set(['weightGradients', 'alphaGradients']));
      await expectGradients('weight');
      await expectGradients('alpha');
      const { loss: evaluated } = await program.evaluate({ batch, mixing, statistics: 'running' });
      expect(loss).toBeCloseTo(evaluated!, 5);
    });

    it.each(['alpha', 'weights'] as const)('may be of %s alone', async (target) => {
      const changed = await changedBy(() => program.gradients({ ...pass, target }));
      expect(changed).toEqual(new Set([target === 'alpha' ? 'alphaGradients' : 'weightGradients']));
      await expectGradients(target === 'alpha' ? 'alpha' : 'weight');
    });

    it('of mixing weights are the slopes of the loss', async () => {
      const row = [0.1, 0.3, 0.05, 0.15, 0.1, 0.1, 0.1, 0.1];
      const at = (k: number, step: number): Mixing => ({
        alphas_normal: [Float32Array.from(row, (weight, i) => weight + (i === k ? step : 0)), undefined],
      });
      await changedBy(() => program.gradients({ batch, mixing: at(0, 0), statistics: 'running', target: 'alpha' }));
      const { data } = await parameters.gradient('alphas_normal');
      const [step, slopes] = [3e-3, data.subarray(0, 8)];
      for (const [k, slope] of slopes.entries()) {
        const [more, less] = [1, -1].map((sign) =>
          program.evaluate({ batch, mixing: at(k, sign * step), statistics: 'running' }),
        );
        const difference = ((await more).loss! - (await less).loss!) / (2 * step);
        // float32 losses of about 2 are good to 2e-7, by 2 step; kinks of ReLU within the step add a little.
        expect(Math.abs(slope - difference), `candidate ${k}`).toBeLessThan(2e-4 + 0.02 * Math.abs(slope));
      }
      expect(slopes[0]).toBe(0);
    });

    it('with statistics of the batch that stay are those of training', async () => {
      await changedBy(() => program.gradients({ batch, target: 'both' }));
      const trained = await parameters.store.read('weightGradients');
      const changed = await changedBy(() => program.gradients({ batch, target: 'both', statistics: 'batch' }));
      expect(changed.has('buffers')).toBe(false);
      expectSameBits(await parameters.store.read('weightGradients'), trained, 'gradients of weights');
    });
  });

  describe('candidates of weight 0', () => {
    const mixing = singleMixing(given);

    it.each<PassStatistics>(['moving', 'running'])(
      'have gradients of exactly 0, and SGD still moves them (%s statistics)',
      async (statistics) => {
        await changedBy(() => program.gradients({ batch, target: 'both', mixing, statistics }));
        const { data: slopes } = await parameters.gradient('alphas_normal');
        expect([...slopes.subarray(0, 8)].map((slope) => slope !== 0)).toEqual([
          false,
          true,
          false,
          false,
          false,
          true,
          false,
          false,
        ]);
        const weights = masked.flatMap(tensorsUnder).filter((name) => name.endsWith('.weight'));
        expect(weights.length).toBeGreaterThan(4);
        for (const name of weights) {
          const { data } = await parameters.gradient(name);
          expect(
            data.every((slope) => slope === 0),
            name,
          ).toBe(true);
        }
        const sgd = { learningRate: 0.5, momentum: 0.5, weightDecay: 0.25, maxNorm: Number.POSITIVE_INFINITY };
        await device.execute([{ kind: 'sgd', parameters, ...sgd }]);
        // The momentum of 7 and the decay go on.
        const [name] = weights;
        const moved = prepared.parameters.get(name)!.map((w) => w - 0.5 * (3.5 + 0.25 * w));
        expectClose(await dataOf(name), moved, { name, tolerance: 1e-6 });
      },
    );

    it('may be all of an edge, which adds nothing, and of all edges of a node, which is zeros', async () => {
      const builder = new GraphBuilder();
      const alpha = builder.alpha('alphas', [2, 2]);
      const x = builder.input('x', [6, 6, 4]);
      const branches = dartsCandidates(1).slice(4, 6);
      const edges = [0, 1].map((row) => builder.within(row).mixed(x, branches, { alpha, row }));
      const sum = builder.add(edges);
      const two = builder.finish(builder.softmaxCrossEntropy(builder.linear('last', builder.globalAvgPool(sum), 3)));
      const drawn = prepareGraph(two, batchSize);
      using own = await device.createParameters(two, { seed: 0 });
      await writePoint(own, drawn.parameters);
      for (const fusion of ['on', 'off'] as const) {
        using compiled = device.compile(two, { batchSize, parameters: own, fusion });
        for (const rows of [
          [
            [0, 0],
            [0.5, 0.5],
          ],
          [
            [0, 0],
            [0, 0],
          ],
        ]) {
          const weights = { alphas: rows.map((row) => Float32Array.from(row)) };
          const one = { batch: directBatch(drawn), mixing: weights, read: [sum.id, edges[1].id] };
          const { outputs } = await compiled.gradients({ ...one, target: 'both' });
          const nothing = rows[1][0] === 0;
          expectSameBits(outputs!.get(sum.id)!, outputs!.get(edges[1].id)!, `sum, ${rows}`);
          expect(outputs!.get(sum.id)!.every((value) => value === 0)).toBe(nothing);
          const slopes = (await own.gradient('alphas')).data;
          expect([...slopes].map((slope) => slope !== 0)).toEqual([false, false, !nothing, !nothing]);
          for (const name of own.names('weight').filter((other) => other.startsWith(nothing ? '1.' : '0.'))) {
            expect(
              (await own.gradient(name)).data.every((slope) => slope === 0),
              name,
            ).toBe(true);
          }
        }
      }
    });

    it('run where their operation says so: statistics move, the gradient of the weight is its own', async () => {
      const build = (runsAll: boolean) => {
        const builder = new GraphBuilder();
        const alpha = builder.alpha('alphas', [8]);
        const mix = builder.mixed(builder.input('x', [6, 6, 4]), dartsCandidates(1), { alpha, row: 0, runsAll });
        return builder.finish(builder.softmaxCrossEntropy(builder.linear('last', builder.globalAvgPool(mix), 3)));
      };
      const weights = { alphas: Float64Array.of(0, 0.5, 0, 0.5, 0, 0, 0, 0) };
      const [all, some] = [true, false].map((runsAll) => {
        const drawn = prepareGraph(build(runsAll), batchSize);
        return { ...drawn, mixing: weights, expected: expectedTensors({ ...drawn, mixing: weights }) };
      });
      expect(all.expected.get('loss')!.values).toEqual(some.expected.get('loss')!.values);
      for (const { expected, ...drawn } of [all, some]) {
        using own = await device.createParameters(drawn.graph, { seed: 0 });
        await writePoint(own, drawn.parameters);
        using compiled = device.compile(drawn.graph, { batchSize, parameters: own });
        const mixed = singleMixing(weights);
        await compiled.gradients({ batch: directBatch(drawn), target: 'both', mixing: mixed });
        for (const name of own.names('buffer')) {
          const { values, ...comparison } = expected.get(name)!;
          expectClose((await own.get(name)).data, values, { ...comparison, name });
        }
        const { values, ...comparison } = expected.get('gradient of alphas')!;
        const slopes = (await own.gradient('alphas')).data;
        expectClose(slopes, values, { ...comparison, name: 'alphas' });
        const runsAll = drawn.graph === all.graph;
        expect([...slopes].map((slope) => slope !== 0)).toEqual(
          runsAll
            ? [false, true, true, true, true, true, true, true]
            : [false, true, false, true, false, false, false, false],
        );
        for (const name of own.names('weight').filter((other) => other.startsWith('_ops.'))) {
          expect(
            (await own.gradient(name)).data.every((slope) => slope === 0),
            name,
          ).toBe(true);
        }
      }
    });
  });
});
