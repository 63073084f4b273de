// Search steps as a search takes them, on random images: what is compared, repeated and timed.
import type { Command, Device, GatheredBatch, Program } from '../../src/backend/device.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { ImageArrays } from '../../src/data/dataset.ts';
import { presets } from '../../src/methods/darts/settings.ts';
import { dartsStep } from '../../src/methods/darts/step.ts';
import { uniform } from '../../src/random/philox.ts';
import { type PassOptions, supernetOf } from './pass.ts';
import type { NetworkSize } from './sizes.ts';

/** The kinds of search step. */
export const orders = ['first order', 'second order'] as const;

/** One of {@link orders}. */
export type Order = (typeof orders)[number];

/** A search that takes its steps one by one. */
export interface SteppedSearch extends Disposable {
  readonly device: Device;
  readonly program: Program;
  readonly parameters: Parameters;
  /** Takes the step of that number, from 0, and gives the training loss before it. */
  step(order: Order, number: number): Promise<number>;
}

const seed = 5;
const classes = 10;

/** Opens a search on a device; parameters and images are the same on every one. */
export async function openSearch(device: Device, size: NetworkSize, options: PassOptions = {}): Promise<SteppedSearch> {
  const graph = supernetOf(size);
  const parameters = await device.createParameters(graph, { seed });
  const program = device.compile(graph, { batchSize: size.batch, parameters, ...options });
  const dataset = await device.createDataset(randomImages(size.image, 2 * size.batch));
  const batch = (
    first: number,
    purpose: 'trainAugmentation' | 'validationAugmentation',
    step: number,
  ): GatheredBatch => ({
    dataset,
    indices: Uint32Array.from({ length: size.batch }, (_, index) => first + index),
    augmentation: {
      mean: new Array<number>(size.image[2]).fill(0.5),
      deviation: new Array<number>(size.image[2]).fill(0.25),
      pad: 4,
      flip: true,
      cutout: 0,
      stream: { seed, purpose, epoch: 0, step },
    },
  });
  const commands = (order: Order, step: number): Command[] =>
    dartsStep({
      program,
      train: batch(0, 'trainAugmentation', step),
      validation: batch(size.batch, 'validationAugmentation', step),
      settings: { ...presets.paper.settings, unrolled: order === 'second order' },
      learningRate: presets.paper.settings.learningRate,
      update: step,
    });
  const dispose = () => {
    program.dispose();
    dataset.dispose();
    parameters.dispose();
  };
  return {
    device,
    program,
    parameters,
    step: async (order, number) => {
      const outcomes = await device.execute(commands(order, number));
      return outcomes[2].loss ?? Number.NaN;
    },
    [Symbol.dispose]: dispose,
  };
}

/** Images of random bytes. */
export function randomImages(shape: ImageArrays['shape'], count: number): ImageArrays {
  const bytes = count * shape[0] * shape[1] * shape[2];
  const values = uniform({ seed, purpose: 'split', epoch: 0, step: 0 }, bytes);
  return {
    images: Uint8Array.from(values, (value) => 256 * value),
    labels: Int32Array.from({ length: count }, (_, index) => (3 * index) % classes),
    shape,
  };
}
