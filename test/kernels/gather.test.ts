// Batches gathered and augmented natively against an independent float64 version, to the last bit on every backend.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Augmentation, Batch, Device, Outcome } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { ImageArrays } from '../../src/data/dataset.ts';
import { DartsmithError } from '../../src/errors.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { randomBlock, type StreamKey, uniform } from '../../src/random/philox.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import { augmentBatch, drawAugmentation } from '../helpers/augment.ts';
import { allBackends, testBackends } from '../helpers/backends.ts';
import { expectClose, expectSameBits } from '../helpers/compare.ts';

type ImageShape = ImageArrays['shape'];

const classes = 10;
const stream: StreamKey = { seed: 2 ** 40 + 5, purpose: 'trainAugmentation', epoch: 2, step: 9 };

/** Images of random bytes, labels that differ from one image to the next. */
function randomImages(shape: ImageShape, count: number): ImageArrays {
  const length = count * shape[0] * shape[1] * shape[2];
  const images = Uint8Array.from(uniform({ ...stream, seed: 1 }, length), (u) => Math.floor(256 * u));
  return { images, labels: Int32Array.from({ length: count }, (_, i) => (3 * i) % classes), shape };
}

function classifier(shape: ImageShape): Graph {
  const builder = new GraphBuilder();
  const features = builder.globalAvgPool(builder.input('images', shape));
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, classes)));
}

function augmentation(channels: number, options: Partial<Augmentation> = {}): Augmentation {
  const mean = [0.49139968, 0.48215827, 0.44653124].slice(0, channels);
  const deviation = [0.24703233, 0.24348505, 0.26158768].slice(0, channels);
  return { mean, deviation, pad: 0, flip: false, cutout: 0, ...options };
}

/** Positions in the dataset, in no order and with repetitions. */
function someIndices(batchSize: number, count: number): Uint32Array {
  return Uint32Array.from({ length: batchSize }, (_, i) => randomBlock({ ...stream, seed: 3 }, i)[0] % count);
}

interface Case {
  readonly name: string;
  readonly shape: ImageShape;
  readonly batchSize: number;
  readonly options?: Partial<Augmentation>;
}

const everything = { pad: 4, flip: true, cutout: 6, stream };

const cases: readonly Case[] = [
  { name: 'normalisation alone', shape: [7, 5, 3], batchSize: 6 },
  {
    name: 'no stream, so neither crop nor mirror nor cutout',
    shape: [8, 8, 3],
    batchSize: 4,
    options: { ...everything, stream: undefined },
  },
  { name: 'a stream with nothing to draw', shape: [6, 9, 3], batchSize: 5, options: { stream } },
  { name: 'crop', shape: [9, 7, 3], batchSize: 13, options: { pad: 2, stream } },
  { name: 'crop padded by more than the image', shape: [3, 5, 1], batchSize: 40, options: { pad: 6, stream } },
  { name: 'mirror', shape: [5, 8, 3], batchSize: 12, options: { flip: true, stream } },
  { name: 'cutout', shape: [11, 13, 3], batchSize: 16, options: { cutout: 4, stream } },
  { name: 'cutout of an odd side', shape: [11, 13, 1], batchSize: 16, options: { cutout: 5, stream } },
  { name: 'cutout by chance', shape: [6, 7, 3], batchSize: 24, options: { cutout: 4, cutoutProbability: 0.4, stream } },
  { name: 'cutout by no chance', shape: [6, 7, 1], batchSize: 8, options: { cutout: 4, cutoutProbability: 0, stream } },
  { name: 'cutout larger than the image', shape: [5, 6, 3], batchSize: 9, options: { cutout: 64, stream } },
  { name: 'everything, CIFAR', shape: [32, 32, 3], batchSize: 17, options: { ...everything, cutout: 16 } },
  { name: 'everything, MNIST', shape: [28, 28, 1], batchSize: 8, options: everything },
  { name: 'everything, batch of one', shape: [13, 11, 3], batchSize: 1, options: everything },
  { name: 'everything, one pixel', shape: [1, 1, 1], batchSize: 3, options: everything },
  { name: 'mixed in pairs', shape: [7, 5, 3], batchSize: 6, options: { share: 0.7 } },
  {
    name: 'everything, mixed, one without a partner',
    shape: [9, 8, 3],
    batchSize: 7,
    options: { ...everything, share: 0.55 },
  },
  { name: 'nothing of their own', shape: [4, 4, 1], batchSize: 4, options: { share: 0 } },
];

/** The gathered images, the loss and the hits of one batch. */
async function gather(device: Device, { shape, batchSize, options }: Case) {
  const source = randomImages(shape, 23);
  const graph = classifier(shape);
  using dataset = await device.createDataset(source);
  using parameters = await device.createParameters(graph, { seed: 4 });
  using program = device.compile(graph, { batchSize, parameters });
  const indices = someIndices(batchSize, source.labels.length);
  const plan = augmentation(shape[2], options);
  const batch = { dataset, indices, augmentation: plan };
  const outcome: Outcome = await program.evaluate({ batch, statistics: 'batch', read: [0] });
  const weights = new Map<string, Float64Array>();
  for (const name of parameters.names()) weights.set(name, Float64Array.from((await parameters.get(name)).data));
  return { source, graph, indices, plan, outcome, weights, images: outcome.outputs?.get(0) ?? new Float32Array(0) };
}

describe.each(testBackends)('on $name', (backend) => {
  let device: Device;

  beforeAll(async () => {
    device = await openDevice(backend.device);
  });

  afterAll(() => device.dispose());

  describe.each(cases)('$name ($shape, batch of $batchSize)', (one) => {
    it('gives the images of the float64 version, rounded once', async () => {
      const { source, indices, plan, images } = await gather(device, one);
      const expected = Float32Array.from(augmentBatch(source, indices, plan));
      expectSameBits(images, expected, one.name, [one.batchSize, ...one.shape]);
    });

    it('gives the labels of the images', async () => {
      const { source, graph, indices, plan, outcome, weights } = await gather(device, one);
      const labels = Int32Array.from(indices, (index) => source.labels[index]);
      const common = { batchSize: one.batchSize, parameters: weights, training: false };
      const inputs = { images: augmentBatch(source, indices, plan) };
      // Of mixed images the loss is that of their own labels and that of their partners', by their shares.
      const [own, other] = [labels, labels.toReversed()].map((of) =>
        runReference(graph, { ...common, inputs, labels: of }),
      );
      const { share = 1 } = plan;
      const loss = share * (own.loss ?? 0) + (1 - share) * (other.loss ?? 0);
      // Means over at most a thousand pixels and ten logits of order 1.
      expect(Math.abs((outcome.loss ?? Number.NaN) - loss)).toBeLessThan(5e-6);
      expect(outcome.correct).toBe(own.correct);
    });

    it('gives the same bits however threads run', async () => {
      const { images, outcome } = await gather(device, one);
      for (const { title, device: options } of backend.others) {
        using other = await openDevice(options);
        const again = await gather(other, one);
        expectSameBits(again.images, images, `${one.name} with ${title}`, [one.batchSize, ...one.shape]);
        expect(again.outcome.loss).toBe(outcome.loss);
      }
    });
  });

  it('gives mixed images the gradients of both labels, by their shares', async () => {
    const shape = [6, 5, 3] as const;
    const [batchSize, share] = [5, 0.65];
    const source = randomImages(shape, 23);
    const graph = classifier(shape);
    using dataset = await device.createDataset(source);
    using parameters = await device.createParameters(graph, { seed: 4 });
    using program = device.compile(graph, { batchSize, parameters });
    const indices = someIndices(batchSize, source.labels.length);
    const plan = augmentation(3, { ...everything, share });
    const labels = Int32Array.from(indices, (index) => source.labels[index]);
    const inputs = { images: Float32Array.from(augmentBatch(source, indices, plan)) };
    const gradientOf = async (batch: Batch) => {
      await program.gradients({ batch, target: 'weights' });
      return parameters.store.read('weightGradients');
    };
    const actual = await gradientOf({ dataset, indices, augmentation: plan });
    const own = await gradientOf({ inputs, labels });
    const other = await gradientOf({ inputs, labels: labels.toReversed() });
    const expected = Float64Array.from(own, (value, i) => share * value + (1 - share) * other[i]);
    // Gradients of order 1, float32.
    expectClose(actual, expected, { name: 'gradients', tolerance: 1e-6 });
    expect(expected.some((value) => Math.abs(value) > 0.01)).toBe(true);
  });

  it('takes other images in the place of those that there were, where commands are recorded too', async () => {
    const shape = [5, 4, 3] as const;
    const graph = classifier(shape);
    const sets = [1, 2, 3, 4].map((seed) => {
      const { images, labels } = randomImages(shape, 6);
      return {
        images: images.map((byte) => (byte * (2 * seed + 1)) & 255),
        labels: labels.map((label) => (label + seed) % classes),
        shape,
      };
    });
    using dataset = await device.createDataset(sets[0]);
    using parameters = await device.createParameters(graph, { seed: 4 });
    using program = device.compile(graph, { batchSize: 6, parameters });
    const indices = Uint32Array.from([0, 1, 2, 3, 4, 5]);
    const plan = augmentation(3);
    const lossOf = async (batch: Batch) => {
      const [{ loss }] = await device.execute([{ kind: 'gradients', program, batch, target: 'weights' }]);
      return loss;
    };
    for (const set of sets) {
      await dataset.replace(set.images, set.labels);
      const inputs = { images: Float32Array.from(augmentBatch(set, indices, plan)) };
      expect(await lossOf({ dataset, indices, augmentation: plan })).toBe(await lossOf({ inputs, labels: set.labels }));
    }
    await expect(async () => dataset.replace(sets[0].images.subarray(1), sets[0].labels)).rejects.toThrow(
      /a Uint8Array of \d+ bytes/,
    );
    await expect(async () => dataset.replace(sets[0].images, new Int32Array(5))).rejects.toThrow(
      '6 labels, as many as there are',
    );
    await expect(async () => dataset.replace(sets[0].images, new Int32Array(6).fill(-1))).rejects.toThrow(
      DartsmithError,
    );
  });

  it('changes with the step', async () => {
    const one: Case = { name: 'step', shape: [8, 8, 3], batchSize: 4, options: everything };
    const first = await gather(device, one);
    const second = await gather(device, { ...one, options: { ...everything, stream: { ...stream, step: 10 } } });
    expect(second.images).not.toEqual(first.images);
  });

  describe('refuses', () => {
    it.each([
      ['a negative padding', { pad: -1 }],
      ['a fractional padding', { pad: 1.5 }],
      ['a padding that is no number', { pad: Number.NaN }],
      ['a negative cutout', { cutout: -2 }],
      ['means of fewer channels', { mean: [0.5] }],
      ['a share above 1', { share: 1.5 }],
      ['a negative share', { share: -0.1 }],
      ['a share that is no number', { share: Number.NaN }],
    ])('%s', async (_, options) => {
      const one: Case = { name: 'refused', shape: [4, 4, 3], batchSize: 2, options: { stream, ...options } };
      await expect(gather(device, one)).rejects.toThrow(DartsmithError);
    });
  });
});

describe('the draws of a batch', () => {
  const plan = augmentation(3, { pad: 2, flip: true, stream });
  const drawn = Array.from({ length: 4000 }, (_, position) => drawAugmentation(plan, [6, 7], position)!);

  it.each([
    ['row shifts', 5, ({ shift }) => shift[0] + 2],
    ['column shifts', 5, ({ shift }) => shift[1] + 2],
    ['mirrors', 2, ({ mirrored }) => Number(mirrored)],
    ['hole rows', 6, ({ hole }) => hole![0]],
    ['hole columns', 7, ({ hole }) => hole![1]],
  ] satisfies [string, number, (draw: (typeof drawn)[number]) => number][])('%s are even', (_, values, value) => {
    const counts = new Array<number>(values).fill(0);
    for (const draw of drawn) counts[value(draw)]++;
    const expected = drawn.length / values;
    for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(expected));
  });

  it('cut as many holes as the probability says, mirrored or not', () => {
    const some = drawn.map((_, position) => drawAugmentation({ ...plan, cutoutProbability: 0.3 }, [6, 7], position)!);
    for (const mirrored of [true, false]) {
      const those = some.filter((draw) => draw.mirrored === mirrored);
      const share = those.filter(({ hole }) => hole !== undefined).length / those.length;
      expect(Math.abs(share - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / those.length));
    }
  });
});

describe.each(allBackends)('beside given inputs, on $name', (backend) => {
  const shape = [5, 4, 3] as const;
  const batchSize = 4;

  /** Images, and a vector given beside them. */
  function graphOfTwo() {
    const builder = new GraphBuilder();
    const teacher = builder.input('teacher', [classes]);
    const features = builder.globalAvgPool(builder.input('images', shape));
    const logits = builder.linear('classifier', features, classes);
    const terms = [
      { loss: builder.softmaxCrossEntropy(logits), weight: 1 },
      { loss: builder.distillation(logits, teacher), weight: 2 },
    ];
    return { graph: builder.finish(builder.lossSum(terms)), images: 1, logits: logits.id };
  }

  it('gathers what is left, and takes the rest as given, step after step', async () => {
    const source = randomImages(shape, 9);
    const { graph, images } = graphOfTwo();
    using device = await openDevice(backend.device);
    using dataset = await device.createDataset(source);
    using parameters = await device.createParameters(graph, { seed: 4 });
    using program = device.compile(graph, { batchSize, parameters });
    const indices = someIndices(batchSize, 9);
    const plan = augmentation(3, { flip: true, stream });
    for (const step of [1, 2, 3]) {
      const teacher = Float32Array.from(uniform({ ...stream, step }, batchSize * classes));
      const batch = { dataset, indices, augmentation: plan, inputs: { teacher } };
      const { outputs, terms, loss } = await program.gradients({ batch, target: 'weights', read: [images] });
      const gathered = outputs?.get(images) ?? new Float32Array();
      expectClose(gathered, Float64Array.from(augmentBatch(source, indices, plan)), {
        name: 'images',
        tolerance: 1e-6,
      });
      const labels = Int32Array.from(indices, (index) => source.labels[index]);
      const direct = await program.gradients({
        batch: { inputs: { images: gathered, teacher }, labels },
        target: 'weights',
      });
      expect(loss).toBe(direct.loss);
      expect(terms).toEqual(direct.terms);
    }
  });

  it('refuses a batch that leaves none for the images, or more than one', async () => {
    const { graph } = graphOfTwo();
    using device = await openDevice(backend.device);
    using dataset = await device.createDataset(randomImages(shape, 9));
    using parameters = await device.createParameters(graph, { seed: 4 });
    using program = device.compile(graph, { batchSize, parameters });
    const gathered = { dataset, indices: someIndices(batchSize, 9), augmentation: augmentation(3) };
    const teacher = new Float32Array(batchSize * classes);
    const images = new Float32Array(batchSize * 60);
    const run = (inputs?: Record<string, Float32Array>) =>
      program.gradients({ batch: { ...gathered, inputs }, target: 'weights' });
    await expect(run()).rejects.toThrow(/no dataset: the graph has 2 inputs/);
    await expect(run({ teacher, images })).rejects.toThrow(/0 inputs that are not given/);
    await expect(run({ images })).rejects.toThrow(/images of \[10\], as the graph has/);
    await expect(run({ teacher: teacher.subarray(1) })).rejects.toThrow(/inputs\.teacher/);
    await expect(run({ other: teacher })).rejects.toThrow(/other/);
  });
});
