// Every ready-made setting against the numbers of the papers, written out: a slip in one of them costs a user days.
import { describe, expect, it } from 'vitest';
import { type PresetName, presets, type SearchSettings } from '../../src/methods/darts/settings.ts';
import { type RecurrentSearchSettings, recurrentSearchPresets } from '../../src/methods/darts_rnn/settings.ts';
import { type FairdartsSettings, fairdartsPresets } from '../../src/methods/fairdarts/settings.ts';
import { type StacnasSettings, stacnasPresets } from '../../src/methods/stacnas/settings.ts';
import { type TrainPresetName, type TrainSettings, trainPresets } from '../../src/methods/train/settings.ts';
import { type LanguageTrainingSettings, languageTrainingPresets } from '../../src/methods/train_rnn/settings.ts';

/** arXiv:1806.09055, section 3.1 and the published search. */
const search: SearchSettings = {
  batchSize: 64,
  epochs: 50,
  initChannels: 16,
  layers: 8,
  trainPortion: 0.5,
  learningRate: 0.025,
  learningRateMin: 0.001,
  scheduleAhead: false,
  momentum: 0.9,
  weightDecay: 0.0003,
  gradClip: 5,
  archLearningRate: 0.0003,
  archLrGamma: 0.5,
  archWeightDecay: 0.001,
  unrolled: false,
  auxLossWeight: 0,
  sepLoss: 'l2',
  noiseDarts: false,
  noiseType: 'N',
  maxStep: 30,
  noiseSchedule: 'cosine',
  reweight: false,
  randomSearch: false,
  numIdentity: 2,
  numArch: 8,
  flopsThreshold: 500,
  drawnBatches: false,
  fileOrder: false,
  flip: 'usual',
  augmentedValidation: false,
  cutout: false,
  cutoutLength: 16,
  cutoutProb: 1,
  cutoutRise: false,
  precision: 'fp32',
};

/** arXiv:1911.12126 and its code: the table of its search settings. */
const fairdartsSearch: FairdartsSettings = {
  batchSize: 128,
  epochs: 50,
  initChannels: 16,
  layers: 8,
  trainPortion: 0.5,
  learningRate: 0.005,
  learningRateMin: 0.001,
  scheduleAhead: true,
  momentum: 0.9,
  weightDecay: 0.0003,
  gradClip: 5,
  auxLossWeight: 10,
  sepLoss: 'l2',
  singleLevel: false,
  archLearningRate: 0.003,
  archLrGamma: 0.9,
  archWeightDecay: 0.001,
  parseMethod: 'threshold_sparse',
  opThreshold: 0.85,
  augmentedValidation: true,
  autoAug: false,
  cutout: false,
  cutoutLength: 16,
  precision: 'fp32',
};

/** arXiv:1909.11926 and its code: the published commands of both search stages. */
const stacnasSearch: StacnasSettings = {
  stage: 'both',
  alphaShare: true,
  batchSize: 64,
  epochs: 80,
  initChannels: 16,
  layers: 14,
  search2Layers: 20,
  nodes: 4,
  trainRatio: 1,
  learningRate: 0.025,
  learningRateMin: 0.001,
  powerLr: false,
  scheduleAhead: true,
  momentum: 0.9,
  weightDecay: 0.0003,
  gradClip: 3,
  archLearningRate: 0.0003,
  archLrGamma: 0.5,
  archWeightDecay: 0.001,
  alphaWarmupEpochs: 0,
  auxWeight: 0,
  groups: '',
  skipTwice: true,
  augmentedValidation: true,
  affine: 'published',
  autoAug: false,
  precision: 'fp32',
};

/** arXiv:1806.09055, section 3.2 and the published evaluation on CIFAR-10. */
const cifar10: TrainSettings = {
  batchSize: 96,
  evalBatchSize: 0,
  epochs: 600,
  initChannels: 36,
  layers: 20,
  stem: 'small',
  skeleton: 'usual',
  stemMultiplier: 0,
  affineNorms: 'usual',
  decayBySize: false,
  reportBest: false,
  learningRate: 0.025,
  schedule: 'cosine',
  learningRateMin: 0,
  annealEpochs: 0,
  gamma: 0.97,
  scheduleAhead: false,
  warmupEpochs: 0,
  warmupOver: 0,
  warmupBatch: 0,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0.0003,
  gradClip: 5,
  auxiliary: true,
  auxiliaryWeight: 0.4,
  dropPathProb: 0.2,
  dropPathUnit: 'published',
  normalisePooling: false,
  keepNone: false,
  labelSmooth: 0,
  smoothScores: false,
  flip: 'usual',
  cutout: true,
  cutoutLength: 16,
  mixup: 0,
  emaDecay: 0,
  randomResizedCrop: false,
  affine: 'off',
  autoAugment: 'off',
  colorJitter: 0,
  hueJitter: 0,
  precision: 'fp32',
};

/** arXiv:1806.09055, section 3.3 and the published evaluation on ImageNet in the mobile setting. */
const imagenet: TrainSettings = {
  batchSize: 128,
  evalBatchSize: 0,
  epochs: 250,
  initChannels: 48,
  layers: 14,
  stem: 'large',
  skeleton: 'usual',
  stemMultiplier: 0,
  affineNorms: 'usual',
  decayBySize: false,
  reportBest: false,
  learningRate: 0.1,
  schedule: 'exponential',
  learningRateMin: 0,
  annealEpochs: 0,
  gamma: 0.97,
  scheduleAhead: false,
  warmupEpochs: 0,
  warmupOver: 0,
  warmupBatch: 0,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0.00003,
  gradClip: 5,
  auxiliary: true,
  auxiliaryWeight: 0.4,
  dropPathProb: 0,
  dropPathUnit: 'published',
  normalisePooling: false,
  keepNone: false,
  labelSmooth: 0.1,
  smoothScores: false,
  flip: 'usual',
  cutout: false,
  cutoutLength: 16,
  mixup: 0,
  emaDecay: 0,
  randomResizedCrop: true,
  affine: 'off',
  autoAugment: 'off',
  colorJitter: 0.4,
  hueJitter: 0.2,
  precision: 'fp32',
};

/** arXiv:1911.12126, the command of its code: that code's PyTorch has the learning rate of the next epoch, 0 in the last. */
const fairdarts: TrainSettings = {
  batchSize: 128,
  evalBatchSize: 0,
  epochs: 600,
  initChannels: 36,
  layers: 20,
  stem: 'small',
  skeleton: 'usual',
  stemMultiplier: 0,
  affineNorms: 'usual',
  decayBySize: false,
  reportBest: false,
  learningRate: 0.025,
  schedule: 'cosine',
  learningRateMin: 0,
  annealEpochs: 0,
  gamma: 0.97,
  scheduleAhead: true,
  warmupEpochs: 0,
  warmupOver: 0,
  warmupBatch: 0,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: false,
  weightDecay: 0.0003,
  gradClip: 5,
  auxiliary: true,
  auxiliaryWeight: 0.4,
  dropPathProb: 0.2,
  dropPathUnit: 'published',
  normalisePooling: false,
  keepNone: false,
  labelSmooth: 0,
  smoothScores: false,
  flip: 'usual',
  cutout: true,
  cutoutLength: 16,
  mixup: 0,
  emaDecay: 0,
  randomResizedCrop: false,
  affine: 'off',
  autoAugment: 'off',
  colorJitter: 0,
  hueJitter: 0,
  precision: 'fp32',
};

/** arXiv:2001.00326, table 1, all of a training of the benchmark. */
const nasbench201: TrainSettings = {
  batchSize: 256,
  evalBatchSize: 0,
  epochs: 200,
  initChannels: 16,
  layers: 15,
  stem: 'small',
  skeleton: 'usual',
  stemMultiplier: 0,
  affineNorms: 'usual',
  decayBySize: false,
  reportBest: false,
  learningRate: 0.1,
  schedule: 'cosine',
  learningRateMin: 0,
  annealEpochs: 0,
  gamma: 0.97,
  scheduleAhead: false,
  warmupEpochs: 0,
  warmupOver: 0,
  warmupBatch: 0,
  optimizer: 'sgd',
  momentum: 0.9,
  nesterov: true,
  weightDecay: 0.0005,
  gradClip: 1e30,
  auxiliary: false,
  auxiliaryWeight: 0.4,
  dropPathProb: 0,
  dropPathUnit: 'published',
  normalisePooling: false,
  keepNone: false,
  labelSmooth: 0,
  smoothScores: false,
  flip: 'usual',
  cutout: false,
  cutoutLength: 16,
  mixup: 0,
  emaDecay: 0,
  randomResizedCrop: false,
  affine: 'off',
  autoAugment: 'off',
  colorJitter: 0,
  hueJitter: 0,
  precision: 'fp32',
};

/** Ours, no paper's: as the published ones but for what makes them small. */
const quickFairdarts = {
  ...fairdartsSearch,
  ...{ batchSize: 32, epochs: 3, initChannels: 8, layers: 5, learningRate: 0.025, archLearningRate: 0.05 },
};
const quickSearch = { ...search, batchSize: 32, epochs: 3, initChannels: 8, layers: 5, archLearningRate: 0.006 };
const quickTraining = {
  ...cifar10,
  ...{ batchSize: 32, epochs: 5, initChannels: 8, layers: 5, dropPathProb: 0, cutout: false },
};

/** darts-rnn.md, table of settings: the published search of recurrent cells. */
const recurrentSearch: RecurrentSearchSettings = {
  emsize: 300,
  epochs: 50,
  batchSize: 256,
  smallBatchSize: -1,
  lr: 20,
  clip: 0.25,
  wdecay: 5e-7,
  bptt: 35,
  alpha: 0,
  beta: 1e-3,
  dropout: 0.75,
  dropoutx: 0.75,
  dropouth: 0.25,
  dropouti: 0.2,
  dropoute: 0,
  archLr: 3e-3,
  archWdecay: 1e-3,
  unrolled: false,
  newEmbedding: false,
  clampCoefficient: false,
  sameMasks: false,
  addGroups: false,
  zeroAtWrap: false,
};

/** The same table: the published training on PTB. */
const ptb: LanguageTrainingSettings = {
  emsize: 850,
  epochs: 8000,
  batchSize: 64,
  smallBatchSize: -1,
  lr: 20,
  clip: 0.25,
  wdecay: 8e-7,
  bptt: 35,
  alpha: 0,
  beta: 1e-3,
  dropout: 0.75,
  dropoutx: 0.75,
  dropouth: 0.25,
  dropouti: 0.2,
  dropoute: 0.1,
  nonmono: 5,
  maxSeqLenDelta: 20,
  currentRate: false,
  rollback: 'best',
  testBatchSize: 1,
};

describe('presets', () => {
  const searches: Record<PresetName, object> = {
    quick: { settings: quickSearch, limit: 2000 },
    paper: { settings: search },
    // Folder `darts` of the code of FairDARTS: DARTS' settings but for beta1, the schedule and what it validates on.
    fairdarts: {
      settings: { ...search, scheduleAhead: true, archLrGamma: 0.9, augmentedValidation: true },
      space: 'darts_without_none',
    },
    // darts-pt.md: arXiv:2108.04392 and its code.
    'darts-pt': {
      settings: { ...search, drawnBatches: true, fileOrder: true, flip: 'on', augmentedValidation: true },
      space: 's5',
    },
    'nasbench201-quick': {
      settings: { ...quickSearch, layers: 3 },
      limit: 2000,
      ...{ space: 'nasbench201', skeleton: 'nasbench201' },
    },
    // arXiv:2108.04392 and its code: the supernet of NAS-Bench-201.
    nasbench201: {
      settings: {
        ...{ ...search, drawnBatches: true, fileOrder: true, flip: 'on', augmentedValidation: true },
        ...{ epochs: 100, layers: 15, cutoutRise: true },
      },
      ...{ space: 'nasbench201', skeleton: 'nasbench201' },
    },
  };
  const nniCdarts = {
    ...{ skeleton: 'cdarts', reportBest: true, dropPathUnit: 'edge', decayBySize: true },
    ...{ weightDecay: 5e-4, dropPathProb: 0.3, learningRateMin: 1e-6, evalBatchSize: 500 },
  };
  const authorsCdarts = {
    ...{ skeleton: 'cdarts', reportBest: true, stemMultiplier: 3, affineNorms: 'on' },
    ...{ warmupOver: 5, warmupBatch: 256 },
  };
  const trainings: Record<TrainPresetName, object> = {
    quick: { settings: quickTraining, limit: 4000 },
    cifar10: { settings: cifar10 },
    imagenet: { settings: imagenet },
    fairdarts: { settings: fairdarts },
    'fairdarts-compared': { settings: { ...fairdarts, batchSize: 96 } },
    // arXiv:1909.11926 and its code: the stage `augment`, and the authors' settings of their best figure (issue 5).
    stacnas: {
      settings: { ...cifar10, scheduleAhead: true, normalisePooling: true, smoothScores: true, affine: 'published' },
    },
    'stacnas-fancy': {
      settings: {
        ...cifar10,
        scheduleAhead: true,
        normalisePooling: true,
        smoothScores: true,
        affine: 'published',
        autoAugment: 'fairdarts',
        epochs: 1200,
      },
    },
    'stacnas-imagenet': { settings: { ...imagenet, normalisePooling: true } },
    // darts-pt.md: arXiv:2108.04392 and its code, CIFAR-10 and the others.
    'darts-pt': { settings: { ...cifar10, flip: 'on' } },
    'darts-pt-small': { settings: { ...cifar10, flip: 'on', initChannels: 16, layers: 8 } },
    // cdarts.md, sections 9 and 12: NNI's retraining and the authors'.
    'cdarts-quick': { settings: { ...quickTraining, ...nniCdarts, layers: 6 }, limit: 4000, skeleton: 'cdarts' },
    cdarts: { settings: { ...cifar10, ...nniCdarts, batchSize: 512, learningRate: 0.1 }, skeleton: 'cdarts' },
    'cdarts-script': { settings: { ...cifar10, ...nniCdarts, batchSize: 128, labelSmooth: 0.1 }, skeleton: 'cdarts' },
    'cdarts-authors': {
      settings: { ...cifar10, ...authorsCdarts, batchSize: 128, decayBySize: true },
      skeleton: 'cdarts',
    },
    'cdarts-imagenet': {
      settings: {
        ...{ ...imagenet, ...authorsCdarts, batchSize: 1024, learningRate: 0.5, schedule: 'cosine' },
        ...{ warmupEpochs: 5, scheduleAhead: false },
      },
      skeleton: 'cdarts',
    },
    'nasbench201-quick': {
      settings: { ...quickTraining, layers: 3, auxiliary: false, nesterov: true },
      limit: 4000,
      skeleton: 'nasbench201',
    },
    nasbench201: { settings: nasbench201, skeleton: 'nasbench201' },
  };

  it('of a search are the published ones', () => {
    expect(presets).toStrictEqual(searches);
  });

  it('of a FairDARTS search are the published ones', () => {
    expect(fairdartsPresets).toStrictEqual({
      quick: { settings: quickFairdarts, limit: 2000 },
      paper: { settings: fairdartsSearch },
    });
  });

  it('of a StacNAS search are the published ones', () => {
    const small = { batchSize: 32, epochs: 2, initChannels: 8, layers: 5, search2Layers: 6, archLearningRate: 0.006 };
    expect(stacnasPresets).toStrictEqual({
      quick: { settings: { ...stacnasSearch, ...small }, limit: 2000 },
      paper: { settings: stacnasSearch },
    });
  });

  it('of recurrent cells are the published ones', () => {
    const small = { batchSize: 32, dropout: 0.25, dropoutx: 0.25 };
    expect(recurrentSearchPresets).toStrictEqual({
      quick: { settings: { ...recurrentSearch, ...small, emsize: 64, epochs: 3 }, limit: 100_000 },
      paper: { settings: recurrentSearch },
    });
    expect(languageTrainingPresets).toStrictEqual({
      'rnn-quick': {
        settings: { ...ptb, ...small, emsize: 128, epochs: 5, dropoute: 0, testBatchSize: 10 },
        limit: 100_000,
      },
      ptb: { settings: ptb },
      wikitext2: { settings: { ...ptb, emsize: 700, dropouth: 0.15, wdecay: 5e-7 } },
    });
  });

  it('of a training are the published ones', () => {
    expect(trainPresets).toStrictEqual(trainings);
  });
});
