// Which images each step sees. Every choice is a function of (seed, epoch, step), so a resumed run draws the same.
import type { DeviceDataset, GatheredBatch } from '../backend/device.ts';
import type { Dataset } from '../data/dataset.ts';
import { permutation } from '../random/philox.ts';

/** What decides the batches of a search. */
export interface SearchBatchSettings {
  readonly batchSize: number;
  readonly cutout: boolean;
  /** Side of the hidden square in pixels. */
  readonly cutoutLength: number;
}

/** Where batches come from. */
export interface BatchSource {
  readonly images: DeviceDataset;
  readonly statistics: Pick<Dataset, 'mean' | 'deviation' | 'augmentation'>;
  /** Dataset positions that the weights learn on, and those that alpha learns on. */
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
  readonly settings: SearchBatchSettings;
  readonly seed: number;
}

/** The batches of one epoch's steps (from 0); the last step's are smaller when the split does not divide. */
export interface EpochBatches {
  train(step: number): GatheredBatch;
  validation(step: number): GatheredBatch;
}

/** Steps of one epoch: each training image is seen once. */
export function stepsPerEpoch({ train, settings }: BatchSource): number {
  return Math.ceil(train.length / settings.batchSize);
}

/**
 * An epoch's batches. Training images come in a new order each epoch; alpha's batches, as large as the step's training
 * batch, walk through a shuffled validation split and start over where it ends. Both are augmented, as published.
 */
export function epochBatches(source: BatchSource, epoch: number): EpochBatches {
  const { batchSize } = source.settings;
  const { seed } = source;
  const trainOrder = permutation({ seed, purpose: 'trainOrder', epoch, step: 0 }, source.train.length);
  const validationOrder = permutation({ seed, purpose: 'validationOrder', epoch, step: 0 }, source.validation.length);
  const sizeOf = (step: number) => Math.min(batchSize, source.train.length - step * batchSize);
  const gather = (
    step: number,
    purpose: 'trainAugmentation' | 'validationAugmentation',
    split: Uint32Array,
    order: Uint32Array,
  ) => ({
    dataset: source.images,
    indices: Uint32Array.from({ length: sizeOf(step) }, (_, i) => split[order[(step * batchSize + i) % order.length]]),
    augmentation: { ...augmentation(source), stream: { seed, purpose, epoch, step } },
  });
  return {
    train: (step) => gather(step, 'trainAugmentation', source.train, trainOrder),
    validation: (step) => gather(step, 'validationAugmentation', source.validation, validationOrder),
  };
}

/** The whole validation split in order, normalised and otherwise as it is. */
export function validationBatches(source: BatchSource): GatheredBatch[] {
  const { mean, deviation } = source.statistics;
  const { batchSize } = source.settings;
  const batches: GatheredBatch[] = [];
  for (let begin = 0; begin < source.validation.length; begin += batchSize) {
    batches.push({
      dataset: source.images,
      indices: source.validation.slice(begin, begin + batchSize),
      augmentation: { mean, deviation, pad: 0, flip: false, cutout: 0 },
    });
  }
  return batches;
}

function augmentation({ statistics, settings }: BatchSource) {
  const { mean, deviation } = statistics;
  const { pad, flip } = statistics.augmentation;
  return { mean, deviation, pad, flip, cutout: settings.cutout ? settings.cutoutLength : 0 };
}
