// Which images a training step sees. Every choice is a function of (seed, epoch, step), so a resumed run draws the same.
import type { DeviceDataset, GatheredBatch } from '../backend/device.ts';
import type { Dataset } from '../data/dataset.ts';
import { permutation } from '../random/philox.ts';
import { dropPathFactor } from './schedule.ts';
import type { TrainSettings } from './settings.ts';

/** Where the batches of a training come from. */
export interface TrainSource {
  readonly images: DeviceDataset;
  readonly statistics: Pick<Dataset, 'mean' | 'deviation' | 'augmentation'>;
  readonly settings: TrainSettings;
  readonly seed: number;
}

/** Batches of an epoch by step, from 0; the last is smaller when the images do not divide. New order each epoch, augmented. */
export function trainBatches(source: TrainSource, epoch: number): (step: number) => GatheredBatch {
  const { images, statistics, settings, seed } = source;
  const { mean, deviation, augmentation } = statistics;
  const order = permutation({ seed, purpose: 'trainOrder', epoch, step: 0 }, images.count);
  const cutout = settings.cutout ? settings.cutoutLength : 0;
  return (step) => ({
    dataset: images,
    indices: order.slice(step * settings.batchSize, (step + 1) * settings.batchSize),
    augmentation: {
      ...{ mean, deviation, ...augmentation, cutout },
      stream: { seed, purpose: 'trainAugmentation', epoch, step },
    },
    ...(settings.dropPathProb > 0 && { dropout: { seed, epoch, step, pathFactor: dropPathFactor(settings, epoch) } }),
  });
}

/** All images in order, normalised and otherwise as they are. */
export function testBatches(
  images: DeviceDataset,
  { mean, deviation }: Pick<Dataset, 'mean' | 'deviation'>,
  batchSize: number,
): GatheredBatch[] {
  return Array.from({ length: Math.ceil(images.count / batchSize) }, (_, batch) => ({
    dataset: images,
    indices: Uint32Array.from(
      { length: Math.min(batchSize, images.count - batch * batchSize) },
      (_, i) => batch * batchSize + i,
    ),
    augmentation: { mean, deviation, pad: 0, flip: false, cutout: 0 },
  }));
}
