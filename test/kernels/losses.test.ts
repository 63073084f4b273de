// Sums of losses: what a pass reports of them, and that only what is asked for runs. That kernels agree with the float64 reference is in
// the tables of cases.ts.
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { allBackends } from '../helpers/backends.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const batchSize = 5;

/** A student, a teacher in a group of its own that learns from its labels alone, and what joins them. */
function pairOfNetworks() {
  const builder = new GraphBuilder();
  const x = builder.input('x', [12]);
  const student = builder.inGroup('student').linear('student', x, 4);
  const teacher = builder.inGroup('teacher').linear('teacher', x, 4);
  const losses = {
    student: builder.softmaxCrossEntropy(student),
    teacher: builder.softmaxCrossEntropy(teacher),
    distillation: builder.distillation(student, builder.detach(teacher), { temperature: 2 }),
  };
  const sum = builder.lossSum([
    { loss: losses.distillation, weight: 4 },
    { loss: losses.teacher, weight: 0.5 },
    { loss: losses.student, weight: 1 },
  ]);
  return { graph: builder.finish(sum), losses, student: student.id, teacher: teacher.id };
}

describe.each(allBackends)('a sum of losses on $name', (backend) => {
  it('reports its terms, weighs them, and counts the hits of its first cross-entropy', async () => {
    const { graph, teacher } = pairOfNetworks();
    using device = await openDevice(backend.device);
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize, parameters });
    const batch = {
      inputs: { x: Float32Array.from(gaussian(batchSize * 12, 3)) },
      labels: Int32Array.of(0, 1, 2, 3, 0),
    };
    for (const run of [
      program.evaluate({ batch, statistics: 'batch', read: [teacher] }),
      program.gradients({ batch, target: 'weights', read: [teacher] }),
    ]) {
      const { loss = Number.NaN, terms = [], correct, outputs } = await run;
      expect(terms).toHaveLength(3);
      expect(Math.abs(loss - (4 * terms[0] + 0.5 * terms[1] + terms[2]))).toBeLessThan(1e-6);
      const logits = outputs?.get(teacher) ?? new Float32Array();
      const hits = batch.labels.filter((label, n) => {
        const row = [...logits.subarray(4 * n, 4 * n + 4)];
        return row.indexOf(Math.max(...row)) === label;
      });
      expect(correct).toBe(hits.length);
    }
    // The teacher's gradient is that of its own term alone.
    await program.gradients({ batch, target: 'weights' });
    const found = (await parameters.gradient('teacher.weight')).data;
    const alone = pairOfNetworks();
    const builder = new GraphBuilder();
    const logits = builder.inGroup('teacher').linear('teacher', builder.input('x', [12]), 4);
    const own = builder.finish(builder.softmaxCrossEntropy(logits));
    using both = await device.createParameters([alone.graph, own], { seed: 1 });
    using single = device.compile(own, { batchSize, parameters: both });
    await single.gradients({ batch, target: 'weights' });
    const expected = (await both.gradient('teacher.weight')).data;
    expect(found.every((slope, i) => Math.abs(slope - 0.5 * expected[i]) < 1e-6)).toBe(true);
    expect(found.some((slope) => slope !== 0)).toBe(true);
  });

  it('stays finite for logits far apart', async () => {
    const builder = new GraphBuilder();
    const [s, t] = [builder.input('s', [6]), builder.input('t', [6])];
    const loss = builder.distillation(builder.linear('first', s, 3), builder.linear('second', t, 3));
    const graph = builder.finish(builder.lossSum([{ loss, weight: 1 }]));
    using device = await openDevice(backend.device);
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize, parameters });
    const inputs = {
      s: Float32Array.from(gaussian(30, 1), (value) => 1e4 * value),
      t: Float32Array.from(gaussian(30, 2), (value) => 1e4 * value),
    };
    const { loss: found } = await program.gradients({ batch: { inputs }, target: 'weights' });
    expect(Number.isFinite(found)).toBe(true);
    expect((await parameters.store.read('weightGradients')).every(Number.isFinite)).toBe(true);
  });

  it('gives the samples of a loss that is read, whose mean is the loss, also to a vjp', async () => {
    const { graph, losses } = pairOfNetworks();
    using device = await openDevice(backend.device);
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize, parameters });
    const batch = {
      inputs: { x: Float32Array.from(gaussian(batchSize * 12, 3)) },
      labels: Int32Array.of(0, 1, 2, 3, 0),
    };
    const read = [losses.distillation.id, losses.teacher.id, losses.student.id, graph.output];
    const { outputs, loss = Number.NaN, terms = [] } = await program.evaluate({ batch, statistics: 'batch', read });
    for (const [index, id] of read.entries()) {
      const samples = [...(outputs?.get(id) ?? [])];
      expect(samples).toHaveLength(batchSize);
      const mean = samples.reduce((sum, one) => sum + one / batchSize, 0);
      expect(Math.abs(mean - (terms[index] ?? loss))).toBeLessThan(1e-6);
    }
    const back = await program.vjp({ batch, outputGradient: new Float32Array() });
    expect(back.outputs?.get(graph.output)).toEqual(outputs?.get(graph.output));
  });

  it('weighs the labels of mixed images in every cross-entropy', async () => {
    const builder = new GraphBuilder();
    const images = builder.globalAvgPool(builder.input('images', [2, 2, 3]));
    const logits = ['first', 'second'].map((name) => builder.linear(name, images, 3));
    const graph = builder.finish(
      builder.lossSum(logits.map((one, i) => ({ loss: builder.softmaxCrossEntropy(one), weight: 1 - 3 * i }))),
    );
    using device = await openDevice(backend.device);
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize: 4, parameters });
    const labels = Int32Array.of(0, 1, 2, 2);
    const bytes = Uint8Array.from({ length: 48 }, (_, i) => (i * 37) % 251);
    using dataset = await device.createDataset({ images: bytes, labels, shape: [2, 2, 3] });
    const share = 0.75;
    const plain = { mean: [0.5, 0.5, 0.5], deviation: [0.2, 0.2, 0.2], pad: 0, flip: false, cutout: 0 };
    const batch = { dataset, indices: Uint32Array.of(0, 1, 2, 3), augmentation: { ...plain, share } };
    const read = logits.map(({ id }) => id);
    const { outputs, terms = [] } = await program.evaluate({ batch, statistics: 'batch', read });
    for (const [index, id] of read.entries()) {
      const values = outputs?.get(id) ?? new Float32Array();
      const cost = (sample: number, label: number) => {
        const row = [...values.subarray(3 * sample, 3 * sample + 3)];
        return Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[label];
      };
      const costs = [0, 1, 2, 3].map(
        (n) => share * cost(n, labels[n]) + (1 - share) * cost(n, labels[labels.length - 1 - n]),
      );
      expect(terms[index]).toBeCloseTo(
        costs.reduce((sum, one) => sum + one / 4, 0),
        5,
      );
    }
  });

  it('leaves the weights of a teacher that is only looked at without gradient, convolutions and all', async () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', [4, 4, 3]);
    const [student, teacher] = ['student', 'teacher'].map((name) => {
      const inner = builder.inGroup(name).within(name);
      const image = inner.batchNorm('norm', inner.conv2d('conv', x, { channels: 4, kernel: 3, padding: 1 }), {
        affine: true,
      });
      return inner.linear('last', inner.globalAvgPool(inner.relu(image)), 3);
    });
    const looked = builder.detach(teacher);
    const graph = builder.finish(
      builder.lossSum([
        { loss: builder.distillation(student, looked), weight: 1 },
        // Nothing wants the gradient of these two.
        { loss: builder.smoothL1(looked, builder.detach(builder.scale(looked, 2))), weight: 2 },
        { loss: builder.distillation(looked, looked), weight: 3 },
      ]),
    );
    using device = await openDevice(backend.device);
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize: 2, parameters });
    await parameters.store.write('weightGradients', 0, new Float32Array(parameters.map.totals.weight).fill(3));
    const batch = { inputs: { x: Float32Array.from(gaussian(96, 3)) } };
    const { terms } = await program.gradients({ batch, target: 'weights' });
    expect(terms?.every(Number.isFinite)).toBe(true);
    const gradient = async (name: string) => (await parameters.gradient(name)).data;
    expect((await gradient('student.conv.weight')).some((slope) => slope !== 0)).toBe(true);
    for (const name of ['teacher.conv.weight', 'teacher.norm.weight', 'teacher.last.weight']) {
      expect(
        (await gradient(name)).every((slope) => slope === 0),
        name,
      ).toBe(true);
    }
  });

  it('of losses between outputs alone needs no labels', async () => {
    const builder = new GraphBuilder();
    const [a, b] = [builder.input('a', [6]), builder.input('b', [6])];
    const graph = builder.finish(
      builder.lossSum([
        { loss: builder.smoothL1(builder.linear('first', a, 3), builder.linear('second', b, 3)), weight: 2 },
      ]),
    );
    using device = await openDevice(backend.device);
    using parameters = await device.createParameters(graph, { seed: 1 });
    using program = device.compile(graph, { batchSize, parameters });
    const inputs = { a: Float32Array.from(gaussian(30, 1)), b: Float32Array.from(gaussian(30, 2)) };
    const { loss = 0, terms, correct } = await program.gradients({ batch: { inputs }, target: 'weights' });
    expect(terms?.[0]).toBeCloseTo(loss / 2, 6);
    expect(correct).toBe(0);
  });
});

describe('a sum of losses refuses', () => {
  const builder = new GraphBuilder();
  const x = builder.input('x', [4]);
  const loss = builder.softmaxCrossEntropy(x);
  it.each<[string, () => unknown, RegExp]>([
    ['no losses', () => builder.lossSum([]), /1 to 16 losses/],
    ['another tensor', () => builder.lossSum([{ loss: x, weight: 1 }]), /a loss that is no sum for terms\[0\]\.loss/],
    [
      'a loss twice',
      () =>
        builder.lossSum([
          { loss, weight: 1 },
          { loss, weight: 1 },
        ]),
      /each loss once for terms\[1\]/,
    ],
    ['a sum of sums', () => builder.lossSum([{ loss: builder.lossSum([{ loss, weight: 1 }]), weight: 1 }]), /no sum/],
    ['a weight that is none', () => builder.lossSum([{ loss, weight: Number.NaN }]), /terms\[0\]\.weight/],
    ['a temperature of 0', () => builder.distillation(x, x, { temperature: 0 }), /temperature/],
    [
      'images to distil',
      () => builder.smoothL1(builder.input('i', [2, 2, 1]), builder.input('j', [2, 2, 1])),
      /vectors/,
    ],
    ['vectors of two lengths', () => builder.distillation(x, builder.input('y', [5])), /\[4\].*\[5\]/],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });
});
