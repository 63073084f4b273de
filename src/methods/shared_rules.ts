// Rules of settings that several methods have, in the order in which help lists them.
import { type AffineChoice, affineChoices } from '../augment/affine.ts';
import { precisions } from '../backend/device.ts';
import { scheduleAheadRule } from '../learn/cosine.ts';
import { flipChoices } from '../learn/flipped_images.ts';
import { choice, flag, integer, number, type SettingTable } from '../setting_rules.ts';

/** Where such searches differ. */
interface SearchDefaults {
  readonly batchSize: number;
  readonly learningRate: number;
  readonly scheduleAhead?: boolean;
}

/** Of a search in which weights learn on one part of the images: which, and how they learn. */
export function searchRules({ batchSize, learningRate, scheduleAhead = false }: SearchDefaults) {
  return {
    batchSize: integer(batchSize, 1, 65536, 'images a step'),
    epochs: integer(50, 1, 1e6, 'passes over the training half'),
    initChannels: integer(16, 1, 4096, 'channels of the first cell'),
    layers: integer(8, 1, 256, 'number of cells'),
    trainPortion: number(0.5, 0.01, 0.99, 'share of the images that weights learn on; alpha learns on the rest'),
    learningRate: number(learningRate, 0, 100, 'of the weights, at the start'),
    learningRateMin: number(0.001, 0, 100, 'where the cosine schedule ends'),
    scheduleAhead: { ...scheduleAheadRule, default: scheduleAhead },
    momentum: number(0.9, 0, 1, 'of the weights'),
    weightDecay: number(3e-4, 0, 100, 'of the weights'),
    gradClip: number(5, 1e-12, Number.MAX_VALUE, 'largest norm of the weight gradient'),
  } satisfies SettingTable;
}

/** Of methods that hide a square of an image to learn from. */
export function cutoutRules(usual: boolean) {
  return {
    cutout: flag(usual, 'hide a random square of each training image'),
    cutoutLength: integer(16, 1, 4096, 'side of that square in pixels'),
  } satisfies SettingTable;
}

/** Of searches that may hide it from some images only, as the search code for NAS-Bench-201 does. */
export const cutoutChanceRules = {
  cutoutProb: number(1, 0, 1, 'how probable it is that an image has that square'),
  cutoutRise: flag(false, 'that probability rises to its value over the epochs of the search, from 0'),
} satisfies SettingTable;

/** Of methods whose images may be mirrored though that does not suit them, as DARTS-PT's code does with SVHN. */
export const flipRule = choice(
  'usual',
  flipChoices,
  'mirror training images by chance; usual is as suits the dataset, which spares digits',
);

/** Of searches whose batches may be those of DARTS-PT's code (arXiv:2108.04392). */
export function batchRules(usual: boolean) {
  return {
    drawnBatches: flag(usual, 'draw both batches of every step anew, whole ones, so that images repeat or miss'),
    fileOrder: flag(usual, 'weights learn on the first images of the dataset, rather than on some at random'),
    flip: flipRule,
  } satisfies SettingTable;
}

/** How exact a device computes. */
export const precisionRule = choice(
  'fp32',
  precisions,
  'fp32 is exact; bf16 rounds activations to half of the memory (dartsmith doctor measures at what pace); tf32 is for GPUs',
);

/** Of methods that may move MNIST's and FashionMNIST's images as StacNAS does. */
export function affineRule(usual: AffineChoice) {
  return choice(
    usual,
    affineChoices,
    'random affine maps in place of cropping, of MNIST and FashionMNIST alone; published turns clothes upside down by chance, mirrored mirrors them',
  );
}

/** Of searches that may validate as they learn. */
export function augmentedValidationRule(usual: boolean) {
  return flag(usual, 'validate on images augmented as those to learn from, as published codes do');
}
