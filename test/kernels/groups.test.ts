// Groups of weights, gradients that add up, optimisers on any of them, parameters that graphs share, and copies: on every backend.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Command, Device, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { DartsmithError } from '../../src/errors.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { allBackends } from '../helpers/backends.ts';
import { depthwiseSeparable, identity } from '../helpers/candidates.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const batchSize = 3;
const shape = [5, 5, 4] as const;
const groups = ['stem', 'cells', 'weights'];

/** A stem and an edge in groups of their own, taking turns in the graph; the classifier in none. */
function network(classes = 3) {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [2]);
  const stem = builder.inGroup('stem');
  const cells = builder.inGroup('cells').within('cells');
  const first = stem.batchNorm(
    'bn',
    stem.conv2d('conv', builder.input('images', shape), { channels: 4, kernel: 3, padding: 1 }),
    {
      affine: true,
    },
  );
  const edge = cells.mixed(first, [identity, depthwiseSeparable(3)], { alpha, row: 0 });
  const second = stem.within('more').conv2d('conv', builder.relu(edge), { channels: 4, kernel: 1 });
  const last = cells.within('last').conv2d('conv', second, { channels: 6, kernel: 1 });
  return builder.finish(
    builder.softmaxCrossEntropy(builder.linear('classifier', builder.globalAvgPool(last), classes)),
  );
}

/** Fused kernels and single nodes whose weights belong to two groups each. */
function straddlingNetwork() {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [3]);
  const separable = (kernel: number, groups: readonly [string, string]) => ({
    name: `sep${kernel}`,
    build: (inner: GraphBuilder, x: Tensor) => {
      const options = { channels: 4, kernel, padding: (kernel - 1) / 2, groups: 4 };
      const deep = inner.inGroup(groups[0]).conv2d('depthwise', inner.relu(x), options);
      const flat = inner.inGroup(groups[1]).conv2d('pointwise', deep, { channels: 4, kernel: 1 });
      return inner.batchNorm('bn', flat, { affine: false });
    },
  });
  const norm = builder.inGroup('c').batchNorm('norm', builder.input('images', shape), { affine: true });
  const edge = builder.mixed(norm, [identity, separable(3, ['a', 'b']), separable(5, ['b', 'a'])], { alpha, row: 0 });
  const logits = builder.inGroup('a').linear('last', builder.globalAvgPool(edge), 3);
  const built = builder.finish(builder.softmaxCrossEntropy(logits));
  const elsewhere: Readonly<Record<string, string>> = { 'last.bias': 'c', 'norm.bias': 'b' };
  const parameters = built.parameters.map((spec) => ({ ...spec, group: elsewhere[spec.name] ?? spec.group }));
  return { ...built, parameters };
}

const graph = network();

function batchOf(step: number) {
  return {
    inputs: { images: Float32Array.from(gaussian(batchSize * 100, step)) },
    labels: Int32Array.of(step % 3, 1, 2),
  };
}

describe.each(allBackends)('on $name', (backend) => {
  let device: Device;
  let parameters: Parameters;
  let program: Program;

  beforeEach(async () => {
    device = await openDevice(backend.device);
    parameters = await device.createParameters(graph, { seed: 3, secondMoments: true });
    program = device.compile(graph, { batchSize, parameters });
  });

  afterEach(() => {
    for (const each of [program, parameters, device]) each.dispose();
  });

  const read = (arena: Arena) => parameters.store.read(arena);
  const gradients = (step: number, fields: object = {}): Command =>
    ({ kind: 'gradients', program, batch: batchOf(step), target: 'both', ...fields }) as Command;
  const clip = () => ({ kind: 'clip', parameters, maxNorm: 1 }) as const;

  it('weights of a group lie side by side, whatever their order in the graph', () => {
    const { map } = parameters;
    expect([...map.groups.keys()]).toEqual(groups);
    let end = 0;
    for (const { offset, size } of map.groups.values()) {
      expect(offset).toBe(end);
      end = offset + size;
    }
    expect(end).toBe(map.totals.weight);
    for (const { spec, offset, size } of map.places.values()) {
      if (spec.role !== 'weight') continue;
      const group = map.groups.get(spec.group ?? 'weights')!;
      expect(offset >= group.offset && offset + size <= group.offset + group.size, spec.name).toBe(true);
    }
  });

  it.each([[['stem']], [['cells']], [['weights']], [['cells', 'weights']]])(
    'gradients of %s alone are those of all',
    async (some) => {
      await device.execute([gradients(1)]);
      const [whole, alpha] = [await read('weightGradients'), await read('alphaGradients')];
      const marked = new Float32Array(whole.length).fill(7);
      await parameters.store.write('weightGradients', 0, marked);
      await device.execute([gradients(1, { groups: some })]);
      const [found, alphaFound] = [await read('weightGradients'), await read('alphaGradients')];
      const tolerance = 1e-6;
      expectClose(alphaFound, Float64Array.from(alpha), { name: 'alpha', tolerance });
      for (const [name, { offset, size }] of parameters.map.groups) {
        const part = (values: Float32Array) => values.subarray(offset, offset + size);
        if (some.includes(name)) expectClose(part(found), Float64Array.from(part(whole)), { name, tolerance });
        else expectSameBits(part(found), part(marked), `gradients of ${name} stay`);
      }
    },
  );

  it.each(['on', 'off'] as const)(
    'nodes may have weights of two groups, fused or by themselves (fusion: %s)',
    async (fusion) => {
      const straddling = straddlingNetwork();
      using own = await device.createParameters(straddling, { seed: 1 });
      using compiled = device.compile(straddling, { batchSize, parameters: own, fusion });
      await compiled.gradients({ batch: batchOf(1), target: 'both' });
      const whole = await own.store.read('weightGradients');
      for (const some of [['a'], ['b'], ['c'], ['b', 'c']]) {
        await own.store.write('weightGradients', 0, new Float32Array(whole.length).fill(7));
        await compiled.gradients({ batch: batchOf(1), target: 'both', groups: some });
        const found = await own.store.read('weightGradients');
        for (const [name, { offset, size }] of own.map.groups) {
          const expected = some.includes(name) ? whole.subarray(offset, offset + size) : new Float32Array(size).fill(7);
          const part = found.subarray(offset, offset + size);
          expectClose(part, Float64Array.from(expected), { name: `${name} of ${some}`, tolerance: 1e-6 });
        }
      }
    },
  );

  it.skipIf(backend.name === 'tfjs')('kernels for the gradients of other groups do not run', async () => {
    const kernels = async (fields: object) => {
      const [{ profile = [] }] = await device.execute([gradients(1, { target: 'weights', profile: true, ...fields })]);
      return profile.map(({ kernel }) => kernel);
    };
    const whole = await kernels({});
    const last = await kernels({ groups: ['weights'] });
    expect(whole.some((kernel) => kernel.startsWith('separable backward'))).toBe(true);
    expect(last.filter((kernel) => kernel.endsWith('backward')).length).toBeLessThan(4);
    expect(last.some((kernel) => kernel.startsWith('separable backward'))).toBe(false);
  });

  it.skipIf(backend.name === 'tfjs')('nor do those that come with gradients of alpha', async () => {
    const flops = async (fields: object) => {
      const [{ profile = [] }] = await device.execute([gradients(1, { profile: true, ...fields })]);
      return profile.filter(({ kernel }) => kernel.endsWith('backward')).map(({ kernel, flops }) => [kernel, flops]);
    };
    // Beside what alpha takes, the classifier's weights alone: a multiplication and an addition an entry and sample.
    const alpha = await flops({ target: 'alpha' });
    const classifier = 2 * 6 * 3 * batchSize;
    expect(await flops({ target: 'both', groups: ['weights'] })).toEqual(
      alpha.map(([kernel, count]) => [kernel, Number(count) + (kernel === 'linear backward' ? classifier : 0)]),
    );
    expect(await flops({ target: 'both' })).not.toEqual(alpha);
  });

  it('weights of the groups that the graph lacks, or does not reach, get gradients of 0; others keep theirs', async () => {
    const builder = new GraphBuilder();
    const stem = builder.inGroup('stem').within('own');
    const images = builder.input('images', shape);
    const [seen, unseen] = ['seen', 'unseen'].map((name) => stem.conv2d(name, images, { channels: 4, kernel: 1 }));
    const joined = builder.globalAvgPool(builder.add([seen, builder.detach(unseen)]));
    const cells = builder.inGroup('cells').within('own').linear('head', joined, 3);
    const other = builder.finish(builder.softmaxCrossEntropy(cells));
    using shared = await device.createParameters([graph, other], { seed: 3 });
    using part = device.compile(other, { batchSize, parameters: shared });
    await shared.store.write('weightGradients', 0, new Float32Array(shared.map.totals.weight).fill(7));
    await part.gradients({ batch: batchOf(1), target: 'both', groups: ['stem', 'weights'] });
    for (const name of shared.names('weight')) {
      const { data } = await shared.gradient(name);
      const { group = 'weights' } = shared.map.places.get(name)!.spec;
      if (name === 'own.seen.weight') expect(data.some((slope) => slope !== 0 && slope !== 7)).toBe(true);
      else expect(new Set(data), name).toEqual(new Set([group === 'cells' ? 7 : 0]));
    }
  });

  it.each<[string, object]>([
    ['all', {}],
    ['weights', { target: 'weights' }],
    ['alpha', { target: 'alpha' }],
    ['a group', { target: 'weights', groups: ['cells'] }],
  ])('gradients of %s add up over micro-batches', async (_, fields) => {
    const parts: { weights: Float32Array; alpha: Float32Array }[] = [];
    for (const step of [1, 2, 3]) {
      await parameters.store.write('weightGradients', 0, new Float32Array(parameters.map.totals.weight));
      await parameters.store.write('alphaGradients', 0, new Float32Array(parameters.map.totals.alpha));
      await device.execute([gradients(step, fields)]);
      parts.push({ weights: await read('weightGradients'), alpha: await read('alphaGradients') });
    }
    await parameters.store.write('weightGradients', 0, new Float32Array(parameters.map.totals.weight));
    await parameters.store.write('alphaGradients', 0, new Float32Array(parameters.map.totals.alpha));
    await device.execute([1, 2, 3].map((step) => gradients(step, { ...fields, accumulate: true })));
    const sum = (name: 'weights' | 'alpha') =>
      Float64Array.from(parts[0][name], (_, i) => parts.reduce((total, part) => total + part[name][i], 0));
    expectClose(await read('weightGradients'), sum('weights'), { name: 'weights', tolerance: 1e-6 });
    expectClose(await read('alphaGradients'), sum('alpha'), { name: 'alpha', tolerance: 1e-6 });
  });

  it('gradients of some groups add up while those of others and of alpha begin anew', async () => {
    await device.execute([gradients(1)]);
    const first = await read('weightGradients');
    await device.execute([gradients(2)]);
    const [second, alpha] = [await read('weightGradients'), await read('alphaGradients')];
    await device.execute([gradients(1), gradients(2, { accumulate: ['cells'] })]);
    const isAdded = belongs(['cells']);
    const sum = Float64Array.from(second, (value, i) => value + (isAdded(i) ? first[i] : 0));
    expectClose(await read('weightGradients'), sum, { name: 'weights', tolerance: 1e-6 });
    expectSameBits(await read('alphaGradients'), alpha, 'alpha');
  });

  it.each<[string, { groups?: string[]; alpha?: boolean }]>([
    ['all weights', {}],
    ['a group', { groups: ['cells'] }],
    ['groups and alpha', { groups: ['stem', 'weights'], alpha: true }],
  ])('clips gradients of %s by the norm of all together', async (_, fields) => {
    await device.execute([gradients(1)]);
    const before = { weights: await read('weightGradients'), alpha: await read('alphaGradients') };
    const isClipped = fields.groups === undefined ? () => true : belongs(fields.groups);
    const squares = [...before.weights].filter((_, i) => isClipped(i)).concat(fields.alpha ? [...before.alpha] : []);
    const norm = Math.sqrt(squares.reduce((sum, slope) => sum + slope * slope, 0));
    const factor = Math.fround(0.25 * norm) / (norm + 1e-6);
    const command = { ...clip(), ...fields, maxNorm: Math.fround(0.25 * norm) };
    const [{ gradientNorm }] = await device.execute([command]);
    expect(gradientNorm).toBeCloseTo(norm, 5);
    const scaled = (values: Float32Array, holds: (i: number) => boolean) =>
      Float64Array.from(values, (value, i) => (holds(i) ? factor * value : value));
    expectClose(await read('weightGradients'), scaled(before.weights, isClipped), { name: 'weights', tolerance: 1e-6 });
    expectClose(
      await read('alphaGradients'),
      scaled(before.alpha, () => fields.alpha === true),
      {
        name: 'alpha',
        tolerance: 1e-6,
      },
    );
    const now = await read('weightGradients');
    await device.execute([{ ...command, maxNorm: Number.POSITIVE_INFINITY }]);
    expectSameBits(await read('weightGradients'), now, 'clipped by nothing');
  });

  it('a pass over a graph without mixed operations finds no gradient of alpha, and adds none', async () => {
    const builder = new GraphBuilder();
    const pooled = builder.globalAvgPool(builder.input('images', shape));
    const plain = builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', pooled, 3)));
    const other = (() => {
      const mixing = new GraphBuilder();
      const alpha = mixing.alpha('alphas', [2]);
      return mixing.finish(mixing.mixed(mixing.input('images', shape), [identity, identity], { alpha, row: 0 }));
    })();
    using shared = await device.createParameters([plain, other], { seed: 3 });
    using without = device.compile(plain, { batchSize, parameters: shared });
    const marked = new Float32Array(shared.map.totals.alpha).fill(7);
    for (const [accumulate, left] of [
      [true, 7],
      [false, 0],
    ] as const) {
      await shared.store.write('alphaGradients', 0, marked);
      await without.gradients({ batch: batchOf(1), target: 'both', accumulate });
      expect(
        (await shared.store.read('alphaGradients')).every((slope) => slope === left),
        `accumulate: ${accumulate}`,
      ).toBe(true);
    }
  });

  /** Whether a place among the weights belongs to one of some groups. */
  const belongs = (some: readonly string[]) => {
    const ranges = some.map((group) => parameters.map.groups.get(group)!);
    return (i: number) => ranges.some(({ offset, size }) => i >= offset && i < offset + size);
  };

  // Apart from one another, side by side, one alone.
  const movedGroups = [[['cells']], [['weights', 'stem']], [['cells', 'weights']]];

  it.each(movedGroups)('SGD moves %s, with a norm of their own, and leaves the others alone', async (some) => {
    await device.execute([gradients(1)]);
    const before = await Promise.all((['weights', 'momentum', 'weightGradients'] as const).map(read));
    const isMoved = belongs(some);
    const rates = { learningRate: 0.3, momentum: 0.9, weightDecay: 0.01, maxNorm: 0.05 };
    const [{ gradientNorm = Number.NaN }] = await device.execute([{ kind: 'sgd', parameters, groups: some, ...rates }]);
    const [weights, momentum] = [await read('weights'), await read('momentum')];
    const own = before[2].filter((_, i) => isMoved(i));
    expect(gradientNorm).toBeCloseTo(Math.sqrt(own.reduce((sum, g) => sum + g * g, 0)), 5);
    expect(gradientNorm).toBeGreaterThan(rates.maxNorm);
    for (let i = 0; i < weights.length; i++) {
      const inside = isMoved(i);
      const step = before[2][i] * Math.min(1, rates.maxNorm / (gradientNorm + 1e-6)) + rates.weightDecay * before[0][i];
      expect(Math.abs(momentum[i] - (inside ? step : before[1][i]))).toBeLessThan(1e-6);
      expect(Math.abs(weights[i] - (inside ? before[0][i] - rates.learningRate * step : before[0][i]))).toBeLessThan(
        1e-6,
      );
    }
  });

  it.each(movedGroups)('Adam moves %s, clipped by the norm over all of them', async (some) => {
    await device.execute([gradients(1)]);
    const [weights, gradient] = [await read('weights'), await read('weightGradients')];
    const isMoved = belongs(some);
    const norm = Math.sqrt(gradient.reduce((sum, g, i) => sum + (isMoved(i) ? g * g : 0), 0));
    const adam = { learningRate: 0.1, betas: [0.9, 0.99] as const, epsilon: 1e-8, weightDecay: 0, step: 1 };
    const [{ gradientNorm }] = await device.execute([
      { kind: 'adam', parameters, of: 'weights', groups: some, ...adam, maxNorm: norm / 4 },
    ]);
    expect(gradientNorm).toBeCloseTo(norm, 5);
    const expected = Float64Array.from(gradient, (g, i) => (isMoved(i) ? 0.1 * (g / 4) : 0));
    expectClose(await read('momentum'), expected, { name: 'first moments', tolerance: 1e-6 });
    const moved = await read('weights');
    expect(moved.every((w, i) => (isMoved(i) && gradient[i] !== 0) === (w !== weights[i]))).toBe(true);
  });

  it.each(movedGroups)('averages of %s move, and nothing else; a decay of (n - 1) / n is a mean', async (some) => {
    using averages = await device.createParameters(graph, { seed: 5, secondMoments: true });
    const isMoved = belongs(some);
    const [before, buffers] = [await averages.store.read('weights'), await averages.store.read('buffers')];
    const steps: Float32Array[] = [];
    for (const n of [1, 2, 3]) {
      await parameters.store.write('weights', 0, Float32Array.from(gaussian(parameters.map.totals.weight, n)));
      steps.push(await read('weights'));
      await device.execute([{ kind: 'average', parameters, averages, groups: some, decay: (n - 1) / n }]);
    }
    const expected = Float64Array.from(before, (value, i) =>
      isMoved(i) ? steps.reduce((sum, step) => sum + step[i] / 3, 0) : value,
    );
    expectClose(await averages.store.read('weights'), expected, { name: 'averages', tolerance: 1e-6 });
    expectSameBits(await averages.store.read('buffers'), buffers, 'buffers');
  });

  it('Adam may clip its gradient, whose norm it tells then', async () => {
    await device.execute([gradients(1)]);
    const gradient = await read('weightGradients');
    const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
    const adam = {
      kind: 'adam',
      of: 'weights',
      learningRate: 0.1,
      betas: [0.9, 0.99],
      epsilon: 1e-8,
      weightDecay: 0,
      step: 1,
    } as const;
    const [plain] = await device.execute([{ ...adam, parameters, learningRate: 0 }]);
    expect(plain.gradientNorm).toBeUndefined();
    const [{ gradientNorm }] = await device.execute([{ ...adam, parameters, maxNorm: norm / 4 }]);
    expect(gradientNorm).toBeCloseTo(norm, 5);
    // The first moment: what the step before has left of the whole gradient, and a tenth of the clipped one.
    const expected = Float64Array.from(gradient, (g) => 0.09 * g + 0.025 * g);
    expectClose(await read('momentum'), expected, { name: 'first moment', tolerance: 1e-6 });
  });

  it('Adam works on weights, SGD on alpha', async () => {
    await device.execute([gradients(1)]);
    const [weights, gradient] = [await read('weights'), await read('weightGradients')];
    const [alpha, alphaGradient] = [await read('alpha'), await read('alphaGradients')];
    const adam = { learningRate: 0.1, betas: [0.9, 0.99] as const, epsilon: 1e-8, weightDecay: 0.1, step: 1 };
    await device.execute([
      { kind: 'adam', parameters, of: 'weights', groups: ['stem'], ...adam },
      { kind: 'sgd', parameters, of: 'alpha', learningRate: 0.5, momentum: 0.9, weightDecay: 0, maxNorm: Infinity },
    ]);
    const { offset, size } = parameters.map.groups.get('stem')!;
    // In the first step the moments are the gradient and its square.
    const expected = Float64Array.from(weights, (w, i) => {
      const g = gradient[i] + adam.weightDecay * w;
      return i >= offset && i < offset + size && g !== 0
        ? w - (adam.learningRate * g) / (Math.abs(g) + adam.epsilon)
        : w;
    });
    expectClose(await read('weights'), expected, { name: 'weights', tolerance: 2e-6 });
    const stepped = Float64Array.from(alpha, (a, i) => a - 0.5 * alphaGradient[i]);
    expectClose(await read('alpha'), stepped, { name: 'alpha', tolerance: 1e-6 });
  });

  it('two graphs share what they name alike', async () => {
    const other = network();
    const extra = (() => {
      const builder = new GraphBuilder();
      const stem = builder.inGroup('stem');
      const image = stem.conv2d('conv', builder.input('images', shape), { channels: 4, kernel: 3, padding: 1 });
      return builder.finish(builder.softmaxCrossEntropy(builder.linear('second', builder.globalAvgPool(image), 2)));
    })();
    using shared = await device.createParameters([other, extra], { seed: 3 });
    expect(shared.names().sort()).toEqual(
      [...new Set([...other.parameters, ...extra.parameters].map(({ name }) => name))].sort(),
    );
    using first = device.compile(other, { batchSize, parameters: shared });
    using second = device.compile(extra, { batchSize, parameters: shared });
    // The first values are those of the first graph alone.
    expectSameBits((await shared.get('conv.weight')).data, (await parameters.get('conv.weight')).data, 'conv.weight');
    const batch = batchOf(1);
    await device.execute([
      { kind: 'gradients', program: second, batch: { ...batch, labels: Int32Array.of(0, 1, 0) }, target: 'weights' },
      { kind: 'sgd', parameters: shared, learningRate: 1, momentum: 0, weightDecay: 0, maxNorm: Infinity },
    ]);
    expect((await shared.get('conv.weight')).data).not.toEqual((await parameters.get('conv.weight')).data);
    const { loss } = await first.evaluate({ batch, statistics: 'batch' });
    expect(Number.isFinite(loss)).toBe(true);
  });

  it('a graph compiles against parameters that hold more than it has, and none that lack or change one', async () => {
    const chosen = (classes: number, extra?: string) => {
      const builder = new GraphBuilder();
      const stem = builder.inGroup('stem');
      const image = stem.conv2d('conv', builder.input('images', shape), { channels: 4, kernel: 3, padding: 1 });
      const second = stem.within('more').conv2d('conv', builder.relu(image), { channels: 4, kernel: 1 });
      const own = extra === undefined ? second : builder.conv2d(extra, second, { channels: 4, kernel: 1 });
      const last = builder
        .inGroup('cells')
        .within('cells')
        .within('last')
        .conv2d('conv', own, { channels: 6, kernel: 1 });
      const logits = builder.linear('classifier', builder.globalAvgPool(last), classes);
      return builder.finish(builder.softmaxCrossEntropy(logits));
    };
    const part = chosen(3);
    using some = device.compile(part, { batchSize, parameters });
    using own = await device.createParameters(part, { seed: 8 });
    using all = device.compile(part, { batchSize, parameters: own });
    await device.execute([{ kind: 'copy', parameters, target: own, tensors: own.names() }]);
    const pass = { batch: batchOf(1), target: 'weights' } as const;
    expect((await some.gradients(pass)).loss).toBe((await all.gradients(pass)).loss);
    for (const name of parameters.names('weight')) {
      const { data } = await parameters.gradient(name);
      if (own.map.places.has(name)) expectSameBits(data, (await own.gradient(name)).data, name);
      else expect(new Set(data), name).toEqual(new Set([0]));
    }
    const compile = (other: Graph) => () => device.compile(other, { batchSize, parameters });
    expect(compile(chosen(3, 'new'))).toThrow(
      /parameters with weight new\.weight of \[.*as the graph has.*some without/,
    );
    expect(compile(chosen(5))).toThrow(
      /parameters with weight classifier\.weight of .*some with weight classifier\.weight/,
    );
  });

  it('copies tensors by name, all of them, or under another name', async () => {
    using from = await device.createParameters(graph, { seed: 8 });
    const values = async (owner: Parameters, name: string) => (await owner.get(name)).data;
    const before = await values(parameters, 'classifier.weight');
    await device.execute([
      { kind: 'copy', parameters: from, target: parameters, tensors: ['conv.weight', 'bn.running_mean', 'alphas'] },
    ]);
    expectSameBits(await values(parameters, 'conv.weight'), await values(from, 'conv.weight'), 'conv.weight');
    expectSameBits(await values(parameters, 'alphas'), await values(from, 'alphas'), 'alphas');
    expectSameBits(await values(parameters, 'classifier.weight'), before, 'classifier.weight');
    const tensors = { 'bn.bias': 'bn.weight' };
    await device.execute([{ kind: 'copy', parameters, target: parameters, tensors }]);
    expectSameBits(await values(parameters, 'bn.bias'), await values(parameters, 'bn.weight'), 'bn.bias');
    await device.execute([{ kind: 'copy', parameters: from, target: parameters }]);
    for (const name of parameters.names())
      expectSameBits(await values(parameters, name), await values(from, name), name);
  });

  it.each<[string, (fields: { parameters: Parameters; program: Program }) => object, RegExp]>([
    ['a group that there is not', () => ({ ...gradients(1), groups: ['other'] }), /stem.*commands\[0\]\.groups\[0\]/],
    ['no group', () => ({ ...gradients(1), groups: [] }), /commands\[0\]\.groups/],
    ['a group twice', () => ({ ...gradients(1), groups: ['stem', 'stem'] }), /each group once.*groups\[1\]/],
    ['groups of alpha', () => ({ ...gradients(1), target: 'alpha', groups: ['stem'] }), /none for gradients of alpha/],
    [
      'groups to add that are not wanted',
      () => ({ ...gradients(1), groups: ['stem'], accumulate: ['cells'] }),
      /wanted.*commands\[0\]\.accumulate/,
    ],
    [
      'groups to add of alpha',
      () => ({ ...gradients(1), target: 'alpha', accumulate: ['stem'] }),
      /none for gradients/,
    ],
    ['a clip of what there is not', () => ({ ...clip(), groups: ['other'] }), /commands\[0\]\.groups/],
    ['a clip to nothing', () => ({ ...clip(), maxNorm: 0 }), /commands\[0\]\.maxNorm/],
    ['a clip of alpha that is no switch', () => ({ ...clip(), alpha: 1 }), /commands\[0\]\.alpha/],
    ['accumulate that is no switch', () => ({ ...gradients(1), accumulate: 1 }), /commands\[0\]\.accumulate/],
    ['a group to move that there is not', () => ({ ...sgd(), groups: ['other'] }), /commands\[0\]\.groups\[0\]/],
    ['a group to move twice', () => ({ ...sgd(), groups: ['stem', 'stem'] }), /each group once.*groups\[1\]/],
    ['no group to move', () => ({ ...sgd(), groups: [] }), /commands\[0\]\.groups/],
    ['a group by itself, as no list', () => ({ ...sgd(), groups: 'stem' }), /commands\[0\]\.groups/],
    ['the field that there was', () => ({ ...sgd(), group: 'stem' }), /a field of commands\[0\].*'group'/],
    [
      'averages of a group that there is not',
      () => ({ kind: 'average', parameters, averages: parameters, decay: 0, groups: ['other'] }),
      /commands\[0\]\.groups/,
    ],
    ['a group of alpha', () => ({ ...sgd(), of: 'alpha', groups: ['stem'] }), /none of alpha/],
    ['a place of momentum that is none', () => ({ ...sgd(), momentumIn: 'variance' }), /commands\[0\]\.momentumIn/],
    ['something else to move', () => ({ ...sgd(), of: 'buffers' }), /commands\[0\]\.of/],
    ['a copy of what there is not', () => ({ ...copy(), tensors: ['other'] }), /tensors of the target/],
    [
      'a copy of another shape',
      () => ({ ...copy(), tensors: { 'bn.bias': 'conv.weight' } }),
      /a weight of \[4\] for bn\.bias/,
    ],
    ['a copy of a tensor to itself', () => ({ ...copy(), tensors: ['bn.bias'] }), /itself/],
    [
      'a copy of what it writes over',
      () => ({ ...copy(), tensors: { 'bn.bias': 'bn.weight', 'bn.weight': 'bn.bias' } }),
      /does not write over.*bn\.weight/,
    ],
    ['a copy of no list', () => ({ ...copy(), tensors: 'bn.bias' }), /list of names/],
  ])('refuses %s', async (_, make, message) => {
    const refused = device.execute([make({ parameters, program }) as Command]);
    await expect(refused).rejects.toThrow(DartsmithError);
    await expect(refused).rejects.toThrow(message);
  });

  const sgd = () => ({ kind: 'sgd', parameters, learningRate: 1, momentum: 0, weightDecay: 0, maxNorm: 1 });
  const copy = () => ({ kind: 'copy', parameters, target: parameters });

  it('refuses Adam, and momentum in their place, without second moments, graphs that disagree, and none', async () => {
    using plain = await device.createParameters(graph, { seed: 3 });
    const adam = {
      kind: 'adam',
      parameters: plain,
      of: 'weights',
      learningRate: 1,
      betas: [0.9, 0.99],
      epsilon: 1e-8,
      weightDecay: 0,
      step: 1,
    } as const;
    await expect(device.execute([adam])).rejects.toThrow(/secondMoments, which adam on weights needs/);
    const second = { ...sgd(), parameters: plain, momentumIn: 'secondMoments' } as Command;
    await expect(device.execute([second])).rejects.toThrow(/secondMoments, which momentum in their place needs/);
    await expect(device.createParameters([graph, network(5)], { seed: 0 })).rejects.toThrow(
      /classifier\.weight.*graphs\[1\]/,
    );
    await expect(device.createParameters([], { seed: 0 })).rejects.toThrow(/at least one graph/);
  });

  it('two optimisers move the same weights, each with a momentum of its own, which files keep', async () => {
    const [one, two] = [
      { kind: 'sgd', parameters, learningRate: 0.1, momentum: 0.9, weightDecay: 0, maxNorm: Infinity },
      { kind: 'sgd', parameters, learningRate: 0.3, momentum: 0.5, weightDecay: 0.1, maxNorm: Infinity },
    ] as const;
    const steps = (owner: Parameters, compiled: Program, step: number): Command[] => [
      { ...(gradients(step) as object), program: compiled } as Command,
      { ...one, parameters: owner },
      { ...two, parameters: owner, momentumIn: 'secondMoments', groups: ['stem', 'weights'] },
    ];
    const weights = Float64Array.from(await read('weights'));
    const momenta = [new Float64Array(weights.length), new Float64Array(weights.length)];
    const isMoved = belongs(['stem', 'weights']);
    for (const step of [1, 2]) {
      await device.execute(steps(parameters, program, step));
      const gradient = await read('weightGradients');
      for (const [k, { learningRate, momentum, weightDecay }] of [one, two].entries()) {
        for (let i = 0; i < weights.length; i++) {
          if (k === 1 && !isMoved(i)) continue;
          momenta[k][i] = momentum * momenta[k][i] + gradient[i] + weightDecay * weights[i];
          weights[i] -= learningRate * momenta[k][i];
        }
      }
    }
    expectClose(await read('momentum'), momenta[0], { name: 'first momentum', tolerance: 2e-6 });
    expectClose(await read('variance'), momenta[1], { name: 'second momentum', tolerance: 2e-6 });
    expectClose(await read('weights'), weights, { name: 'weights', tolerance: 2e-6 });
    using other = await device.createParameters(graph, { seed: 4, secondMoments: true });
    using compiled = device.compile(graph, { batchSize, parameters: other });
    await other.assign(await parameters.tensors({ optimizer: true }), 'a file');
    await device.execute(steps(parameters, program, 3));
    await device.execute(steps(other, compiled, 3));
    for (const arena of ['weights', 'momentum', 'variance'] as const) {
      expectSameBits(await other.store.read(arena), await read(arena), arena);
    }
  });

  it('the momentum of SGD on alpha may lie in either place, too', async () => {
    await device.execute([gradients(1)]);
    const slope = Float64Array.from(await read('alphaGradients'));
    const rates = { learningRate: 0.1, momentum: 0.9, weightDecay: 0, maxNorm: Infinity };
    await device.execute([{ kind: 'sgd', parameters, of: 'alpha', ...rates, momentumIn: 'secondMoments' }]);
    expectClose(await read('alphaVariance'), slope, { name: 'second', tolerance: 1e-7 });
    expect((await read('alphaMean')).every((value) => value === 0)).toBe(true);
  });

  it('second moments go into files of optimiser state and come back', async () => {
    await device.execute([
      gradients(1),
      {
        kind: 'adam',
        parameters,
        of: 'weights',
        learningRate: 0.1,
        betas: [0.9, 0.99],
        epsilon: 1e-8,
        weightDecay: 0,
        step: 1,
      },
    ]);
    const tensors = await parameters.tensors({ optimizer: true });
    expect(tensors.has('optimizer.variance.conv.weight')).toBe(true);
    using other = await device.createParameters(graph, { seed: 4, secondMoments: true });
    await other.assign(tensors, 'a file');
    for (const arena of ['weights', 'momentum', 'variance'] as const) {
      expectSameBits(await other.store.read(arena), await read(arena), arena);
    }
  });
});
