import { type AugmentSettings, autoAugmentChoices } from '../../augment/augment.ts';
import { type Precision, precisions } from '../../backend/device.ts';
import { schedules } from '../../learn/schedule.ts';
import { type StemForm, stemForms } from '../../network/macro.ts';
import { choice, flag, integer, number, type Presets, resolvePreset, type SettingRules } from '../../setting_rules.ts';

/** Settings of the training of a derived network; names and defaults are the published ones (arXiv:1806.09055). */
export interface TrainSettings extends AugmentSettings {
  readonly batchSize: number;
  readonly epochs: number;
  /** Channels of the first cell. */
  readonly initChannels: number;
  /** Number of cells. */
  readonly layers: number;
  readonly stem: StemForm;
  readonly learningRate: number;
  readonly schedule: (typeof schedules)[number];
  /** Where the cosine schedule ends. */
  readonly learningRateMin: number;
  /** Factor an epoch of the exponential schedule. */
  readonly gamma: number;
  /** Epochs over which the learning rate rises linearly to what the schedule says. */
  readonly warmupEpochs: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Largest global norm of the weight gradient. */
  readonly gradClip: number;
  readonly auxiliary: boolean;
  readonly auxiliaryWeight: number;
  /** Probability of drop path at the end; it rises linearly from 0. */
  readonly dropPathProb: number;
  readonly labelSmooth: number;
  readonly cutout: boolean;
  readonly cutoutLength: number;
  /** α of mixup's Beta distribution (arXiv:1710.09412); 0 for none. */
  readonly mixup: number;
  /** Decay a step of the averages of the weights that are scored and kept instead of the weights; 0 for none. */
  readonly emaDecay: number;
  /** What products are computed in and activations are stored in: see CompileOptions. */
  readonly precision: Precision;
}

/** The names of the ready-made settings. */
export type TrainPresetName = 'quick' | 'cifar10' | 'imagenet';

const cifar10: TrainSettings = {
  batchSize: 96,
  epochs: 600,
  initChannels: 36,
  layers: 20,
  stem: 'small',
  learningRate: 0.025,
  schedule: 'cosine',
  learningRateMin: 0,
  gamma: 0.97,
  warmupEpochs: 0,
  momentum: 0.9,
  weightDecay: 3e-4,
  gradClip: 5,
  auxiliary: true,
  auxiliaryWeight: 0.4,
  dropPathProb: 0.2,
  labelSmooth: 0,
  cutout: true,
  cutoutLength: 16,
  mixup: 0,
  emaDecay: 0,
  randomResizedCrop: false,
  autoAugment: 'off',
  colorJitter: 0,
  hueJitter: 0,
  precision: 'fp32',
};

const imagenet: TrainSettings = {
  ...cifar10,
  ...{ batchSize: 128, epochs: 250, initChannels: 48, layers: 14, stem: 'large' },
  ...{ learningRate: 0.1, schedule: 'exponential', weightDecay: 3e-5 },
  ...{ dropPathProb: 0, labelSmooth: 0.1, cutout: false },
  ...{ randomResizedCrop: true, colorJitter: 0.4, hueJitter: 0.2 },
};

/**
 * Ready-made settings: `cifar10` and `imagenet` are the published evaluations, `quick` is a small one that a laptop finishes in
 * minutes. `limit` is how many training images a preset uses (all when absent).
 */
export const trainPresets: Presets<TrainSettings, TrainPresetName> = {
  quick: {
    settings: {
      ...cifar10,
      ...{ batchSize: 32, epochs: 5, initChannels: 8, layers: 5, dropPathProb: 0, cutout: false },
    },
    limit: 4000,
  },
  cifar10: { settings: cifar10 },
  imagenet: { settings: imagenet },
};

/** The rule of every setting, in the order in which help lists them. */
export const trainSettingRules: SettingRules<TrainSettings> = {
  batchSize: integer(1, 65536, 'images a step'),
  epochs: integer(1, 1e6, 'passes over the training images'),
  initChannels: integer(1, 4096, 'channels of the first cell'),
  layers: integer(1, 256, 'number of cells'),
  stem: choice(stemForms, 'small keeps the size of the images, large reduces them eightfold'),
  learningRate: number(0, 100, 'at the start'),
  schedule: choice(schedules, 'how the learning rate falls from epoch to epoch'),
  learningRateMin: number(0, 100, 'where the cosine schedule ends'),
  gamma: number(0, 1, 'factor an epoch of the exponential schedule'),
  warmupEpochs: integer(0, 1e6, 'epochs over which the learning rate rises'),
  momentum: number(0, 1, 'of the weights'),
  weightDecay: number(0, 100, 'of the weights'),
  gradClip: number(1e-12, Number.MAX_VALUE, 'largest norm of the gradient'),
  auxiliary: flag('also learn from an auxiliary head behind the second reduction'),
  auxiliaryWeight: number(0, 100, "of the auxiliary head's loss"),
  dropPathProb: number(0, 0.99, "probability of dropping an operation's output at the end; rises from 0"),
  labelSmooth: number(0, 0.99, "share of a label's probability that is spread over all classes"),
  cutout: flag('hide a random square of each training image'),
  cutoutLength: integer(1, 4096, 'side of that square in pixels'),
  mixup: number(0, 1, 'mix images and labels in pairs, by shares of Beta(A, A); 0 for none'),
  emaDecay: number(0, 1, 'score and keep averages of the weights, such as 0.9999; 0 for none'),
  randomResizedCrop: flag('train on a random part of each image, resized, in place of padding and cropping'),
  autoAugment: choice(
    autoAugmentChoices,
    `apply a policy of AutoAugment to each training image: ${autoAugmentChoices.join(', ')}`,
  ),
  colorJitter: number(0, 1, 'how far brightness, contrast and saturation may change, as factors around 1'),
  hueJitter: number(0, 0.5, 'how far the hue may turn either way, as a share of the colour circle'),
  precision: choice(precisions, 'fp32 is exact; bf16 rounds activations to half of the memory; tf32 is for GPUs'),
};

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveTrainSettings(preset: TrainPresetName, overrides: Partial<TrainSettings> = {}): TrainSettings {
  return resolvePreset(trainSettingRules, trainPresets, preset, overrides);
}
