import type { Augmentation, Device } from '../../../src/backend/device.ts';
import type { ImageArrays } from '../../../src/data/dataset.ts';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { firstDifference } from '../compare.ts';
import { type Context, openOracle } from '../context.ts';
import type { Check, StageOutcome } from '../outcome.ts';
import { randomImages } from '../search_steps.ts';

interface Case {
  readonly name: string;
  readonly shape: ImageArrays['shape'];
  readonly batch: number;
  readonly change: Partial<Augmentation>;
}

const stream = { seed: 2 ** 40 + 5, purpose: 'trainAugmentation', epoch: 2, step: 9 } as const;

const cases: readonly Case[] = [
  { name: 'normalised', shape: [7, 5, 3], batch: 6, change: {} },
  { name: 'cropped', shape: [9, 7, 3], batch: 13, change: { pad: 2, stream } },
  { name: 'mirrored', shape: [5, 8, 3], batch: 12, change: { flip: true, stream } },
  { name: 'cut out', shape: [11, 13, 1], batch: 16, change: { cutout: 5, stream } },
  { name: 'all of it, CIFAR', shape: [32, 32, 3], batch: 64, change: { pad: 4, flip: true, cutout: 16, stream } },
  { name: 'all of it, MNIST', shape: [28, 28, 1], batch: 17, change: { pad: 4, flip: true, cutout: 6, stream } },
  {
    name: 'mixed in pairs',
    shape: [9, 8, 3],
    batch: 7,
    change: { pad: 2, flip: true, cutout: 3, share: 0.55, stream },
  },
  { name: 'all of it, one pixel', shape: [1, 1, 1], batch: 3, change: { pad: 4, flip: true, cutout: 6, stream } },
];

/** Gathered and augmented batches have the CPU engine's bits, which tests hold to a float64 version's. */
export async function checkGather({ device }: Context): Promise<StageOutcome> {
  using oracle = await openOracle();
  const checks: Check[] = [];
  for (const one of cases) {
    const [right, actual] = [await gather(oracle, one), await gather(device, one)];
    const note = firstDifference(actual.images, right.images);
    const name = `${one.name}, ${one.batch} images of ${one.shape.join('x')}`;
    checks.push({ name: `${name}: images, to the bit`, passed: note === undefined, note });
    checks.push({ name: `${name}: labels`, passed: actual.correct === right.correct });
  }
  return { checks };
}

async function gather(device: Device, { shape, batch, change }: Case) {
  const classes = 10;
  const builder = new GraphBuilder();
  const images = builder.input('images', shape);
  const logits = builder.linear('classifier', builder.globalAvgPool(images), classes);
  const graph = builder.finish(builder.softmaxCrossEntropy(logits));
  using dataset = await device.createDataset(randomImages(shape, 23));
  using parameters = await device.createParameters(graph, { seed: 4 });
  using program = device.compile(graph, { batchSize: batch, parameters });
  const indices = Uint32Array.from({ length: batch }, (_, position) => (7 * position + 3) % 23);
  const mean = [0.49139968, 0.48215827, 0.44653124].slice(0, shape[2]);
  const deviation = [0.24703233, 0.24348505, 0.26158768].slice(0, shape[2]);
  const augmentation = { mean, deviation, pad: 0, flip: false, cutout: 0, ...change };
  const { outputs, correct } = await program.evaluate({
    batch: { dataset, indices, augmentation },
    statistics: 'batch',
    read: [images.id],
  });
  return { images: outputs?.get(images.id) ?? new Float32Array(0), correct };
}
