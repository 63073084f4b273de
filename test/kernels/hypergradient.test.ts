// The hypergradient as one native call against its definition in float64: the derivative of L_V(w'(α), α), where
// w' = w - ξ(μ·m + ∇w L_T(w, α) + λ·w), and against the published approximation of it (arXiv:1806.09055, equations 7 and 8).
// Every backend meets the same tolerances: what its float32 sums may differ by is far below the differences' own error.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Mixing, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { ReferenceResult } from '../../src/reference/interpreter.ts';
import { largestMagnitude } from '../../src/reference/tolerance.ts';
import { testBackends } from '../helpers/backends.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { directBatch, type PreparedCase, prepareGraph, referenceOf } from '../helpers/kernel_case.ts';
import {
  moved,
  norm,
  ofRole,
  type ParameterVector,
  randomLike,
  readGradients,
  writePoint,
} from '../helpers/parameter_space.ts';
import { smoothSupernet } from '../helpers/tiny_supernet.ts';

const batchSize = 6;
describe.each([
  ['edges of their own operations', smoothSupernet()],
  ['edges that share their operations', smoothSupernet({ shared: true })],
])('a supernet with %s', (_, graph) => {
  const train = prepareGraph(graph, batchSize);
  const validation = prepareGraph(graph, batchSize, 'normal', 500);
  const start = train.parameters;
  /** A large step, so that the second-order part of the hypergradient is not small beside the first. */
  const step = { learningRate: 0.2, momentum: 0.9, weightDecay: 3e-3 };
  const momentum = randomTenths();

  function randomTenths(): Map<string, Float64Array> {
    const random = randomLike(ofRole(graph, start, 'weight'), 50);
    return new Map([...random].map(([name, values]) => [name, values.map((value) => Math.fround(value / 10))]));
  }

  /** Some rows of mixing weights given, the others following from alpha. */
  type Given = PreparedCase['mixing'];

  function pass(point: ParameterVector, batch: PreparedCase, mixing?: Given): ReferenceResult {
    return referenceOf({ ...batch, parameters: point, mixing });
  }

  /** w'(α) at the weights and the α of `point`. */
  function unrolled(point: ParameterVector, mixing?: Given): Map<string, Float64Array> {
    const gradient = ofRole(graph, pass(point, train, mixing).gradients, 'weight');
    const decayed = moved(gradient, ofRole(graph, point, 'weight'), step.weightDecay);
    return moved(point, moved(decayed, momentum, step.momentum), -step.learningRate);
  }

  /** The derivative of L_V(w'(α), α) by central differences in each element of α. */
  function definition(): Map<string, Float64Array> {
    const loss = (point: ParameterVector) => pass(unrolled(point), validation).loss ?? Number.NaN;
    const difference = 1e-5;
    const derivative = new Map<string, Float64Array>();
    for (const [name, values] of ofRole(graph, start, 'alpha')) {
      const slopes = values.map((_, i) => {
        const unit = new Map([[name, new Float64Array(values.length).fill(1, i, i + 1)]]);
        return (loss(moved(start, unit, difference)) - loss(moved(start, unit, -difference))) / (2 * difference);
      });
      derivative.set(name, slopes);
    }
    return derivative;
  }

  /** The published approximation in float64 with the batch-norm buffers that its three training passes leave. */
  function approximation(radius: number, mixing?: Given) {
    const first = pass(start, train, mixing);
    const atStep = pass(unrolled(start, mixing), validation, mixing);
    const v = ofRole(graph, atStep.gradients, 'weight');
    const epsilon = radius / norm(v);
    const ahead = pass(moved(new Map([...start, ...first.buffers]), v, epsilon), train, mixing);
    const behind = pass(moved(new Map([...start, ...ahead.buffers]), v, -epsilon), train, mixing);
    const firstOrder = ofRole(graph, atStep.gradients, 'alpha');
    const factor = step.learningRate / (2 * epsilon);
    const withAhead = moved(firstOrder, ofRole(graph, ahead.gradients, 'alpha'), -factor);
    return {
      loss: atStep.loss ?? Number.NaN,
      firstOrder,
      gradient: moved(withAhead, ofRole(graph, behind.gradients, 'alpha'), factor),
      buffers: behind.buffers,
    };
  }

  /** Length of a - b relative to that of b. */
  function relativeDistance(a: ParameterVector, b: ParameterVector): number {
    return norm(moved(a, b, -1)) / norm(b);
  }

  describe('in float64', () => {
    it('the approximation with a small radius is the derivative of L_V', () => {
      const derivative = definition();
      const { gradient, firstOrder } = approximation(1e-5);
      expect(relativeDistance(gradient, derivative)).toBeLessThan(1e-5);
      expect(relativeDistance(firstOrder, derivative), 'the second-order part must matter').toBeGreaterThan(0.1);
    });
  });

  describe.each(testBackends)('on $name', (backend) => {
    let device: Device;
    let parameters: Parameters;
    let program: Program;

    beforeAll(async () => {
      device = await openDevice(backend.device);
      parameters = await device.createParameters(graph, { seed: 0 });
      program = device.compile(graph, { batchSize, parameters });
    });

    afterAll(() => {
      program.dispose();
      parameters.dispose();
      device.dispose();
    });

    /** One hypergradient from the start; `radius` as published when absent. */
    async function hypergradient(radius?: number, owner = parameters, compiled = program, mixing?: Mixing) {
      await writePoint(owner, start);
      const values = new Float32Array(owner.map.totals.weight);
      for (const [name, momenta] of momentum) values.set(momenta, owner.map.places.get(name)?.offset);
      await owner.store.write('momentum', 0, values);
      const batches = { train: directBatch(train), validation: directBatch(validation) };
      return compiled.hypergradient({ ...batches, ...step, radius, mixing });
    }

    it('is the published approximation', async () => {
      const expected = approximation(0.01);
      const { loss } = await hypergradient();
      expect(Math.abs((loss ?? Number.NaN) - expected.loss)).toBeLessThan(1e-5);
      for (const [name, gradient] of await readGradients(parameters, 'alpha')) {
        const values = expected.gradient.get(name) ?? new Float64Array(0);
        // Gradients good to 1e-6 differ by about ε, so that their difference is good to 1e-4 of the second-order part.
        expectClose(gradient, values, { name, tolerance: 1e-3 * largestMagnitude(values) });
      }
    });

    it('is the same at given mixing weights, of some rows', async () => {
      const [[name, { rowLengths = [] }]] = graph.parameters.flatMap((spec) =>
        spec.role === 'alpha' ? [[spec.name, spec] as const] : [],
      );
      const rows = rowLengths.map((length, row) =>
        row % 2 === 0 ? Float64Array.from({ length }, (_, k) => (k === 1 ? 0 : Math.fround(0.3 + 0.1 * k))) : undefined,
      );
      const expected = approximation(0.01, { [name]: rows });
      const mixing = { [name]: rows.map((row) => row && Float32Array.from(row)) };
      const { loss } = await hypergradient(undefined, parameters, program, mixing);
      expect(Math.abs((loss ?? Number.NaN) - expected.loss)).toBeLessThan(1e-5);
      for (const [table, gradient] of await readGradients(parameters, 'alpha')) {
        const values = expected.gradient.get(table) ?? new Float64Array(0);
        expectClose(gradient, values, { name: table, tolerance: 1e-3 * largestMagnitude(values) });
      }
    });

    it('approaches the derivative of L_V', async () => {
      const derivative = definition();
      await hypergradient();
      for (const [name, gradient] of await readGradients(parameters, 'alpha')) {
        const values = derivative.get(name) ?? new Float64Array(0);
        // The truncation error of the published radius, a square of ε, is 6e-5 here; the rest is that of the test above.
        expectClose(gradient, values, { name, tolerance: 1e-3 * largestMagnitude(values) });
      }
    });

    it('leaves weights, momentum and alpha with their bits', async () => {
      await hypergradient();
      const arenas: readonly Arena[] = ['weights', 'momentum', 'alpha'];
      const before = await Promise.all(arenas.map((arena) => parameters.store.read(arena)));
      await program.hypergradient({ train: directBatch(train), validation: directBatch(validation), ...step });
      const after = await Promise.all(arenas.map((arena) => parameters.store.read(arena)));
      arenas.forEach((arena, i) => {
        expectSameBits(after[i], before[i], arena);
      });
      for (const [name, values] of ofRole(graph, start, 'weight')) {
        expectSameBits((await parameters.get(name)).data, Float32Array.from(values), name);
      }
    });

    it('moves the running statistics by the three training passes that are not at the unrolled weights', async () => {
      const expected = approximation(0.01);
      await hypergradient();
      for (const [name, values] of expected.buffers) {
        const { data } = await parameters.get(name);
        expectClose(data, values, { name, tolerance: 1e-5 * largestMagnitude(values) });
      }
    });

    it('has the same bits however threads run', async () => {
      const { loss } = await hypergradient();
      const gradient = await parameters.store.read('alphaGradients');
      for (const { title, device: options } of backend.others) {
        using other = await openDevice(options);
        using owner = await other.createParameters(graph, { seed: 0 });
        using compiled = other.compile(graph, { batchSize, parameters: owner });
        const again = await hypergradient(undefined, owner, compiled);
        expect(again.loss, title).toBe(loss);
        expectSameBits(await owner.store.read('alphaGradients'), gradient, `alpha's gradient with ${title}`);
      }
    });
  });
});
