// Which images each step sees. Every choice is a function of (seed, epoch, step), so a resumed run draws the same.
import type { Augmentation } from '../backend/device.ts';
import type { Dataset } from '../data/dataset.ts';
import type { PassOptions } from '../load/loader.ts';
import { permutation, sample } from '../random/philox.ts';
import type { ImageFeed } from './feed.ts';
import type { FedBatch } from './train_batches.ts';

/** What decides the batches of a search. */
export interface SearchBatchSettings {
  readonly batchSize: number;
  readonly cutout: boolean;
  /** Side of the hidden square in pixels. */
  readonly cutoutLength: number;
  /** How probable it is that an image has such a square; 1 when absent. */
  readonly cutoutProb?: number;
  /** Whether that rises to its value from 0 in the first epoch, at the last of `epochs`; false when absent. */
  readonly cutoutRise?: boolean;
  readonly epochs?: number;
}

/**
 * How alpha's batches come out of the validation split: `walk` shuffles it each epoch and goes through it, in batches as large as the
 * step's training batch, starting over where it ends; `draw` takes a whole batch at random each step, none twice in a batch.
 */
export type ValidationOrder = 'walk' | 'draw';

/** What batches are planned from. */
export interface BatchSource {
  readonly statistics: Pick<Dataset, 'mean' | 'deviation' | 'augmentation'>;
  /** Dataset positions that the weights learn on, and those that alpha learns on. */
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
  readonly order: ValidationOrder;
  /** The same of the weights' batches; `walk` when absent. */
  readonly trainOrder?: ValidationOrder;
  readonly settings: SearchBatchSettings;
  readonly seed: number;
}

/** The same, with the dataset's images for each of the splits. */
export interface SearchSource extends BatchSource {
  readonly trainImages: ImageFeed;
  readonly validationImages: ImageFeed;
}

/** A batch before its images are on a device. */
export interface PlannedBatch {
  /** In the dataset. */
  readonly positions: Uint32Array;
  /** By the device. */
  readonly augmentation: Augmentation;
}

/** The batches of one epoch's steps (from 0); the last step's training batch is smaller when the split does not divide. */
export interface EpochBatches {
  train(step: number): PlannedBatch;
  validation(step: number): PlannedBatch;
}

/** Steps of one epoch: each training image is seen once, or as many are drawn. */
export function stepsPerEpoch({ train, settings }: Pick<BatchSource, 'train' | 'settings'>): number {
  return Math.ceil(train.length / settings.batchSize);
}

/** An epoch's batches, all augmented, as published. Training images come in a new order each epoch. */
export function epochBatches(source: BatchSource, epoch: number): EpochBatches {
  const { train, validation, seed, settings } = source;
  const { batchSize } = settings;
  // Whoever asks for the batches of one split need not wait for the order of the other.
  const order = once(() => permutation({ seed, purpose: 'trainOrder', epoch, step: 0 }, train.length));
  const drawn = source.order === 'draw' ? drawnBatches(source, epoch) : walkedBatches(source, epoch);
  const planned = (step: number, purpose: 'trainAugmentation' | 'validationAugmentation', positions: Uint32Array) => ({
    positions,
    augmentation: { ...augmentation(source, epoch), stream: { seed, purpose, epoch, step } },
  });
  return {
    train: (step) => {
      const places =
        source.trainOrder === 'draw' ? drawnPlaces(source, 'train', epoch, step) : walked(order(), batchSize, step);
      const positions = Uint32Array.from(places, (place) => train[place]);
      return planned(step, 'trainAugmentation', positions);
    },
    validation: (step) => {
      const positions = Uint32Array.from(drawn(step), (place) => validation[place]);
      return planned(step, 'validationAugmentation', positions);
    },
  };
}

function walked(order: Uint32Array, batchSize: number, step: number): Uint32Array {
  return order.subarray(step * batchSize, (step + 1) * batchSize);
}

/** What `make` gives, made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Places of the validation split by step. */
type Draw = (step: number) => Uint32Array;

function walkedBatches({ train, validation, settings, seed }: BatchSource, epoch: number): Draw {
  const { batchSize } = settings;
  const order = once(() => permutation({ seed, purpose: 'validationOrder', epoch, step: 0 }, validation.length));
  const sizeOf = (step: number) => Math.min(batchSize, train.length - step * batchSize);
  return (step) =>
    Uint32Array.from({ length: sizeOf(step) }, (_, i) => order()[(step * batchSize + i) % validation.length]);
}

function drawnBatches(source: BatchSource, epoch: number): Draw {
  return (step) => drawnPlaces(source, 'validation', epoch, step);
}

/** Places of a part of the images, none twice. */
function drawnPlaces(source: BatchSource, part: 'train' | 'validation', epoch: number, step: number): Uint32Array {
  const { settings, seed } = source;
  const { length } = source[part];
  return sample({ seed, purpose: `${part}Order`, epoch, step }, length, Math.min(settings.batchSize, length));
}

/**
 * The whole validation split in order: normalised and otherwise as it is, or augmented as an epoch's training images are, by random
 * numbers of its own.
 */
export function validationBatches(
  source: Omit<BatchSource, 'order'>,
  augmentedIn?: { readonly epoch: number },
): PlannedBatch[] {
  const { validation, settings, seed, statistics } = source;
  const { mean, deviation } = statistics;
  const batches: PlannedBatch[] = [];
  // Behind those of the epoch's steps.
  let step = stepsPerEpoch(source);
  for (let begin = 0; begin < validation.length; begin += settings.batchSize) {
    batches.push({
      positions: validation.slice(begin, begin + settings.batchSize),
      augmentation:
        augmentedIn === undefined
          ? { mean, deviation, pad: 0, flip: false, cutout: 0 }
          : {
              ...augmentation(source, augmentedIn.epoch),
              stream: { seed, purpose: 'validationAugmentation', epoch: augmentedIn.epoch, step: step++ },
            },
    });
  }
  return batches;
}

/** The numbers of passes over the validation split begin so far behind those of an epoch's steps, and lie so far apart. */
const passStride = 2 ** 16;

/** The whole validation split in an order and with augmentation of its own, which belong to an epoch and the number of a pass in it. */
export function shuffledBatches(source: BatchSource, epoch: number, pass: number): PlannedBatch[] {
  const { validation, settings, seed } = source;
  const first = passStride * (1 + pass);
  const order = permutation({ seed, purpose: 'validationOrder', epoch, step: first }, validation.length);
  const count = Math.ceil(validation.length / settings.batchSize);
  return Array.from({ length: count }, (_, batch) => {
    const places = order.subarray(batch * settings.batchSize, (batch + 1) * settings.batchSize);
    return {
      positions: Uint32Array.from(places, (place) => validation[place]),
      augmentation: {
        ...augmentation(source, epoch),
        stream: { seed, purpose: 'validationAugmentation', epoch, step: first + batch },
      },
    };
  });
}

/** Batches in their order, each on its device until the next one is asked for. Rejects as the feed does. */
export async function* fedBatches(
  images: ImageFeed,
  planned: readonly PlannedBatch[],
  options: PassOptions,
): AsyncGenerator<FedBatch> {
  const positions = planned.map((batch) => batch.positions);
  let next = 0;
  for await (const { dataset, indices, labels } of images.batches(positions, options)) {
    yield { batch: { dataset, indices, augmentation: planned[next++].augmentation }, labels };
  }
}

function augmentation({ statistics, settings }: Pick<BatchSource, 'statistics' | 'settings'>, epoch: number) {
  const { mean, deviation } = statistics;
  const { pad, flip } = statistics.augmentation;
  const probability = cutoutProbability(settings, epoch);
  const cutout = settings.cutout ? settings.cutoutLength : 0;
  return { mean, deviation, pad, flip, cutout, ...(probability < 1 && { cutoutProbability: probability }) };
}

/** All of it from the last epoch on: who goes on with a search numbers epochs on from there. */
function cutoutProbability({ cutoutProb = 1, cutoutRise, epochs = 1 }: SearchBatchSettings, epoch: number): number {
  return cutoutRise ? cutoutProb * Math.min(1, epoch / Math.max(1, epochs - 1)) : cutoutProb;
}
