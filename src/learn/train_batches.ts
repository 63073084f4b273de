// Which images a training step sees. Every choice is a function of (seed, epoch, step), so a resumed run draws the same.
import { type AugmentSettings, placementOf } from '../augment/augment.ts';
import type { CroppedPlacement } from '../augment/place.ts';
import type { GatheredBatch } from '../backend/device.ts';
import type { Dataset } from '../data/dataset.ts';
import { permutation } from '../random/philox.ts';
import type { FedImages, ImageFeed } from './feed.ts';
import { mixupShare } from './mixup.ts';
import { dropPathFactor } from './schedule.ts';

/** What decides the batches of a training. */
export interface TrainBatchSettings {
  readonly batchSize: number;
  readonly epochs: number;
  readonly cutout: boolean;
  /** Side of the hidden square in pixels. */
  readonly cutoutLength: number;
  readonly randomResizedCrop: boolean;
  readonly autoAugment: AugmentSettings['autoAugment'];
  /** α of mixup's Beta distribution; 0 for none. */
  readonly mixup: number;
  /** Probability of drop path at the end; it rises linearly from 0. */
  readonly dropPathProb: number;
}

/** Where the batches of a training come from. */
export interface TrainSource {
  readonly images: ImageFeed;
  readonly statistics: Pick<Dataset, 'mean' | 'deviation' | 'augmentation'>;
  readonly settings: TrainBatchSettings;
  readonly seed: number;
  /** Whether every pass draws, since the network has operations of noise; false when absent. */
  readonly draws?: boolean;
}

/** A batch for a command, on its device until the next one is asked for. */
export interface FedBatch {
  readonly batch: GatheredBatch;
  readonly labels: Int32Array;
}

/**
 * Batches of an epoch from a step (from 0) on; the last is smaller when the images do not divide. New order each epoch, augmented.
 */
export async function* trainBatches(source: TrainSource, epoch: number, first = 0): AsyncGenerator<FedBatch> {
  const { images, statistics, settings, seed, draws = false } = source;
  const { mean, deviation, augmentation } = statistics;
  const order = permutation({ seed, purpose: 'trainOrder', epoch, step: 0 }, images.count);
  const { pad, flip } = placedByDevice(settings, augmentation);
  const cutout = settings.cutout ? settings.cutoutLength : 0;
  let step = first;
  for await (const fed of images.batches(parts(order, settings.batchSize, first), { epoch })) {
    const stream = { seed, purpose: 'trainAugmentation', epoch, step } as const;
    const share = settings.mixup > 0 ? mixupShare(settings.mixup, { seed, purpose: 'mixup', epoch, step }) : undefined;
    const dropout = { seed, epoch, step, pathFactor: dropPathFactor(settings, epoch) };
    yield fedBatch(fed, {
      augmentation: { mean, deviation, pad, flip, cutout, stream, share },
      ...((settings.dropPathProb > 0 || draws) && { dropout }),
    });
    step++;
  }
}

/** What is left to the device of padding, cropping and mirroring. */
function placedByDevice(settings: TrainBatchSettings, usual: CroppedPlacement): CroppedPlacement {
  if (placementOf(settings, usual) !== undefined) return { pad: 0, flip: false };
  // A random resized crop takes the place of padding and cropping.
  return { pad: settings.randomResizedCrop ? 0 : usual.pad, flip: usual.flip };
}

/** All images in order, normalised and otherwise as they are. */
export async function* testBatches(
  images: ImageFeed,
  { mean, deviation }: Pick<Dataset, 'mean' | 'deviation'>,
  batchSize: number,
  signal?: AbortSignal,
): AsyncGenerator<FedBatch> {
  const all = Uint32Array.from({ length: images.count }, (_, i) => i);
  for await (const fed of images.batches(parts(all, batchSize), { signal })) {
    yield fedBatch(fed, { augmentation: { mean, deviation, pad: 0, flip: false, cutout: 0 } });
  }
}

function fedBatch(fed: FedImages, rest: Pick<GatheredBatch, 'augmentation' | 'dropout'>): FedBatch {
  const { dataset, indices, labels } = fed;
  return { batch: { dataset, indices, ...rest }, labels };
}

function parts(order: Uint32Array, batchSize: number, first = 0): Uint32Array[] {
  const steps = Math.ceil(order.length / batchSize);
  return Array.from({ length: steps - first }, (_, i) =>
    order.slice((first + i) * batchSize, (first + i + 1) * batchSize),
  );
}
