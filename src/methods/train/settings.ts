import { autoAugmentChoices } from '../../augment/augment.ts';
import { scheduleAheadRule } from '../../learn/cosine.ts';
import { schedules } from '../../learn/schedule.ts';
import { optimizers } from '../../learn/weight_step.ts';
import { dropPathUnits } from '../../network/genotype_operation.ts';
import {
  choice,
  flag,
  integer,
  number,
  type Presets,
  presetsOf,
  resolvePreset,
  type SettingsOf,
  type SettingTable,
} from '../../setting_rules.ts';
import { stemForms } from '../../skeleton/skeleton.ts';
import { affineRule, cutoutRules, flipRule, precisionRule } from '../shared_rules.ts';

/** The rule of every setting of the training of a derived network; names and defaults are the published ones (arXiv:1806.09055). */
export const trainSettingRules = {
  batchSize: integer(96, 1, 65536, 'images a step'),
  evalBatchSize: integer(0, 0, 65536, 'images at a time where it is scored; 0 for batchSize'),
  epochs: integer(600, 1, 1e6, 'passes over the training images'),
  initChannels: integer(36, 1, 4096, 'channels of the first cell'),
  layers: integer(20, 1, 256, 'number of cells'),
  stem: choice('small', stemForms, 'small keeps the size of the images, large reduces them eightfold'),
  skeleton: choice(
    'usual',
    ['usual', 'darts', 'cdarts'],
    'whose network its cells are put into; usual follows from the run that found them, or from their form',
  ),
  stemMultiplier: integer(
    0,
    0,
    64,
    "channels of a small stem divided by those of the first cell; 0 for the skeleton's own",
  ),
  affineNorms: choice(
    'usual',
    ['usual', 'on', 'off'],
    "whether the cells' batch normalisations have an affine part; usual is as the skeleton's do, off in cdarts",
  ),
  learningRate: number(0.025, 0, 100, 'at the start'),
  schedule: choice('cosine', schedules, 'how the learning rate falls from epoch to epoch'),
  learningRateMin: number(0, 0, 100, 'where the cosine schedule ends'),
  annealEpochs: integer(0, 0, 1e6, 'epochs in which the cosine schedule falls, then it rises again; 0 for all'),
  gamma: number(0.97, 0, 1, 'factor an epoch of the exponential schedule'),
  scheduleAhead: scheduleAheadRule,
  warmupEpochs: integer(0, 0, 1e6, 'epochs over which the learning rate rises'),
  warmupOver: integer(0, 0, 1e6, 'in how many it would get to its value; 0 for as many as it rises'),
  warmupBatch: integer(0, 0, 65536, 'it rises with larger batches than this alone'),
  optimizer: choice('sgd', optimizers, 'what moves the weights: SGD with momentum, or Adam with betas 0.9 and 0.999'),
  momentum: number(0.9, 0, 1, 'of SGD'),
  nesterov: flag(false, "Nesterov's form of that momentum, as NAS-Bench-201 trained its cells"),
  weightDecay: number(3e-4, 0, 100, 'of the weights'),
  gradClip: number(5, 1e-12, Number.MAX_VALUE, 'largest norm of the gradient'),
  auxiliary: flag(true, 'also learn from an auxiliary head behind the second reduction'),
  auxiliaryWeight: number(0.4, 0, 100, "of the auxiliary head's loss"),
  dropPathProb: number(0.2, 0, 0.99, 'probability of dropping a path at the end; rises from 0'),
  dropPathUnit: choice(
    'published',
    ['published', ...dropPathUnits],
    'what drop path drops: operations but identities, or sums of nodes; published is operations of pairs, nodes of triples',
  ),
  normalisePooling: flag(false, 'a batch normalisation follows each pooling, as in StacNAS'),
  keepNone: flag(
    false,
    'weigh each operation against none by a softmax that is trained with the weights, as StacNAS may',
  ),
  decayBySize: flag(
    false,
    'weight decay and drop path follow from the number of parameters, as NNI retrains CDARTS, whatever was said of them',
  ),
  reportBest: flag(false, 'also tell the best scores of all epochs, which selects by the test images, as CDARTS does'),
  labelSmooth: number(0, 0, 0.99, "share of a label's probability that is spread over all classes"),
  smoothScores: flag(false, 'smooth the labels of the scored loss as well, as StacNAS does'),
  flip: flipRule,
  ...cutoutRules(true),
  mixup: number(0, 0, 1, 'mix images and labels in pairs, by shares of Beta(A, A); 0 for none'),
  emaDecay: number(0, 0, 1, 'score and keep averages of the weights, such as 0.9999; 0 for none'),
  randomResizedCrop: flag(false, 'train on a random part of each image, resized, in place of padding and cropping'),
  affine: affineRule('off'),
  autoAugment: choice(
    'off',
    autoAugmentChoices,
    `apply a policy of AutoAugment to each training image: ${autoAugmentChoices.join(', ')}`,
  ),
  colorJitter: number(0, 0, 1, 'how far brightness, contrast and saturation may change, as factors around 1'),
  hueJitter: number(0, 0, 0.5, 'how far the hue may turn either way, as a share of the colour circle'),
  precision: precisionRule,
} satisfies SettingTable;

/** Settings of a training; what each means is told in {@link trainSettingRules}. */
export type TrainSettings = SettingsOf<typeof trainSettingRules>;

/** The names of the ready-made settings. */
export type TrainPresetName =
  | 'quick'
  | 'cifar10'
  | 'imagenet'
  | 'fairdarts'
  | 'fairdarts-compared'
  | 'stacnas'
  | 'stacnas-fancy'
  | 'stacnas-imagenet'
  | 'darts-pt'
  | 'darts-pt-small'
  | 'cdarts'
  | 'cdarts-quick'
  | 'cdarts-script'
  | 'cdarts-authors'
  | 'cdarts-imagenet'
  | 'nasbench201-quick'
  | 'nasbench201';

/** The mobile setting. */
const imagenet: Partial<TrainSettings> = {
  ...{ batchSize: 128, epochs: 250, initChannels: 48, layers: 14, stem: 'large' },
  ...{ learningRate: 0.1, schedule: 'exponential', weightDecay: 3e-5 },
  ...{ dropPathProb: 0, labelSmooth: 0.1, cutout: false },
  ...{ randomResizedCrop: true, colorJitter: 0.4, hueJitter: 0.2 },
};

/** DARTS-PT evaluates as DARTS does, but mirrors the digits of SVHN as it does other images. */
const dartsPt = { flip: 'on' } as const;

/** How NAS-Bench-201's cells were trained, of any size: without an auxiliary head, and nothing is dropped or hidden. */
const nasbench201 = { nesterov: true, auxiliary: false, dropPathProb: 0, cutout: false } as const;

/** What all retrainings of CDARTS have of their own. */
const cdarts = { skeleton: 'cdarts', reportBest: true } as const;

/** As NNI has it; its weight decay and drop path are overwritten by size. */
const nniCdarts = {
  ...cdarts,
  dropPathUnit: 'edge',
  decayBySize: true,
  weightDecay: 5e-4,
  dropPathProb: 0.3,
  learningRateMin: 1e-6,
  evalBatchSize: 500,
} as const;

/** Networks of the authors' own code: a stem three times as wide, affine batch normalisations, identities never dropped. */
const authorsCdarts = {
  ...cdarts,
  stemMultiplier: 3,
  affineNorms: 'on',
  warmupOver: 5,
  warmupBatch: 256,
} as const;

/** A bound that no gradient reaches. */
const unclipped = 1e30;

/** What all trainings of StacNAS have of their own. */
const stacnas = { normalisePooling: true, scheduleAhead: true, smoothScores: true, affine: 'published' } as const;

/**
 * Ready-made settings: `cifar10` and `imagenet` are the published evaluations, `quick` is a small one that a laptop finishes in
 * minutes. `fairdarts` is the command that FairDARTS' code gives (arXiv:1911.12126), `fairdarts-compared` what its genotypes were compared
 * with others by; its authors trained for 1600 epochs with batches of 96 (its issue 5). `stacnas` and `stacnas-fancy` are the two of StacNAS
 * (arXiv:1909.11926), the second as its authors reached their best figure (its issue 5); they published none for ImageNet, where
 * `stacnas-imagenet` trains its networks as `imagenet` does. `darts-pt` is the evaluation of DARTS-PT (arXiv:2108.04392) on CIFAR-10,
 * `darts-pt-small` the one on CIFAR-100 and SVHN; its code's seed is 2. `cdarts` is NNI's script for four GPUs that retrains what CDARTS found
 * (arXiv:2006.10724) in one process, `cdarts-script` that script's own defaults, `cdarts-authors` and `cdarts-imagenet` the authors' own on
 * CIFAR-10 and on ImageNet, `cdarts-quick` a small one. `nasbench201` is how NAS-Bench-201 trained its cells (arXiv:2001.00326),
 * `nasbench201-quick` a small one. `limit` is how many training images a preset uses (all when absent).
 */
export const trainPresets: Presets<TrainSettings, TrainPresetName> = presetsOf(trainSettingRules, {
  quick: {
    settings: { batchSize: 32, epochs: 5, initChannels: 8, layers: 5, dropPathProb: 0, cutout: false },
    limit: 4000,
  },
  cifar10: { settings: {} },
  imagenet: { settings: imagenet },
  fairdarts: { settings: { batchSize: 128, scheduleAhead: true } },
  'fairdarts-compared': { settings: { scheduleAhead: true } },
  stacnas: { settings: stacnas },
  'stacnas-fancy': { settings: { ...stacnas, autoAugment: 'fairdarts', epochs: 1200 } },
  'stacnas-imagenet': { settings: { ...imagenet, normalisePooling: true } },
  'darts-pt': { settings: dartsPt },
  'darts-pt-small': { settings: { ...dartsPt, initChannels: 16, layers: 8 } },
  'cdarts-quick': {
    settings: { ...nniCdarts, batchSize: 32, epochs: 5, initChannels: 8, layers: 6, cutout: false },
    limit: 4000,
    skeleton: 'cdarts',
  },
  cdarts: { settings: { ...nniCdarts, batchSize: 512, learningRate: 0.1 }, skeleton: 'cdarts' },
  'cdarts-script': { settings: { ...nniCdarts, batchSize: 128, labelSmooth: 0.1 }, skeleton: 'cdarts' },
  'cdarts-authors': { settings: { ...authorsCdarts, batchSize: 128, decayBySize: true }, skeleton: 'cdarts' },
  'cdarts-imagenet': {
    settings: {
      ...{ ...imagenet, ...authorsCdarts, batchSize: 1024, learningRate: 0.5, schedule: 'cosine', warmupEpochs: 5 },
      scheduleAhead: false,
    },
    skeleton: 'cdarts',
  },
  'nasbench201-quick': {
    settings: { ...nasbench201, batchSize: 32, epochs: 5, initChannels: 8, layers: 3 },
    limit: 4000,
    skeleton: 'nasbench201',
  },
  nasbench201: {
    settings: {
      ...{ ...nasbench201, batchSize: 256, epochs: 200, initChannels: 16, layers: 15 },
      ...{ learningRate: 0.1, weightDecay: 5e-4, gradClip: unclipped },
    },
    skeleton: 'nasbench201',
  },
});

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveTrainSettings(preset: TrainPresetName, overrides: Partial<TrainSettings> = {}): TrainSettings {
  return resolvePreset(trainSettingRules, trainPresets, preset, overrides);
}
