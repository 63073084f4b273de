import { distances } from '../../network/cyclic.ts';
import { nodeForms } from '../../network/supernet.ts';
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
  text,
} from '../../setting_rules.ts';
import { stemForms } from '../../skeleton/skeleton.ts';
import { flipRule, precisionRule } from '../shared_rules.ts';

/** The rule of every setting of a CDARTS search; defaults are those of NNI's published script for four GPUs, in one process. */
export const cdartsSettingRules = {
  batchSize: integer(256, 1, 65536, 'images a step, of all ranks'),
  epochs: integer(32, 1, 1e6, 'passes over the validation half, those of the warm-up included'),
  warmupEpochs: integer(2, 0, 1e6, 'epochs in which the search network learns alone'),
  nasnetWarmup: integer(
    1,
    0,
    1000,
    'passes in which the evaluation network learns alone, in each epoch behind the warm-up',
  ),
  iterationEpochs: integer(
    1,
    1,
    1000,
    "passes of both together in each epoch behind the warm-up, all with one decision: the authors' search_iter_epochs",
  ),
  nasnetWarmupHalf: choice('train', ['train', 'validation'], 'whose images those are'),
  stepsPerEpoch: integer(0, 0, 1e9, 'steps of each part of an epoch; 0 for as many as the smaller half has batches'),
  sampleRatio: number(1, 1e-6, 1, 'share of those that is taken, and one more'),
  initChannels: integer(16, 1, 4096, 'channels of the first cell, in both networks'),
  layers: integer(8, 3, 256, 'cells of the search network'),
  evaluationLayers: integer(20, 3, 256, 'cells of the evaluation network'),
  stemMultiplier: integer(1, 1, 64, "the stem's channels divided by those of the first cell; 3 in the authors' code"),
  stem: choice('small', stemForms, 'small keeps the size of the images, large reduces them eightfold'),
  nodes: choice(
    'sum',
    nodeForms,
    "what a node of the search network makes of its edges; mean in the authors' code, learnt with their use_beta",
  ),
  repeatCell: flag(true, 'cells of a type share alpha in all three stages; otherwise each stage has its own'),
  bestFirst: flag(false, "decisions list a node's best edge first, rather than that of the lowest input"),
  gumbelSample: flag(
    false,
    "the evaluation network's edges are drawn, two a node, by their candidates' mixing weights, rather than decided on",
  ),
  wLr: number(0.2, 0, 100, "learning rate of the search network's weights"),
  nasnetLr: number(0.2, 0, 100, "learning rate of the evaluation network's weights"),
  wMomentum: number(0.9, 0, 1, 'of the weights of both'),
  wWeightDecay: number(0, 0, 100, 'of the weights of both'),
  gradClip: number(5, 1e-12, Number.MAX_VALUE, "largest norm of each network's weight gradient"),
  alphaLr: number(3e-4, 0, 100, 'learning rate of alpha'),
  alphaWeightDecay: number(0, 0, 100, 'of alpha'),
  regularCoeff: number(5, 0, 1e6, "of alpha's regulariser when the warm-up is over"),
  regularRatio: number(0.2, 1e-6, 1e6, 'share of the epochs behind it in which that falls to 0'),
  regularised: text(
    'max_pool_3x3 avg_pool_3x3 skip_connect dil_conv_3x3 dil_conv_5x5',
    'names of candidates, or nothing',
    'candidates whose alpha is regularised; skip connections where they are identities only',
  ),
  regularStridedSkips: flag(false, 'skip connections of stride 2 are regularised as well'),
  regularCount: integer(1, 1, 100, "how often each counts; 3 in the authors' code"),
  regularMean: flag(false, 'the mean of their sizes counts, not the sum, as the authors have it on NAS-Bench-201'),
  lossAlpha: number(1, 1e-6, 1e6, 'what the entropies are divided by, and the distance multiplied with'),
  lossT: number(2, 1e-3, 1e6, 'temperature of the distance between both networks'),
  interactiveType: choice('kl', distances, 'how far the outputs of both networks are apart'),
  fixHead: flag(false, 'the heads that are distilled stay as they were drawn'),
  shareModule: flag(true, 'both networks have the same stem and heads'),
  shareFc: flag(false, 'and the same classifier'),
  ensemble: choice(
    'own',
    ['own', 'shared', 'constant'],
    "ensemble weights: each network's own, those of both, or as drawn",
  ),
  ensembleSum: flag(false, 'an ensemble is the sum of its outputs, rather than one behind the other'),
  detachTeacher: flag(false, 'the search network alone follows the distance'),
  rowMeans: flag(false, 'the distance is a mean over rows of logits, not over their elements'),
  trainEnsemble: flag(false, "the search network's ensemble weights learn too, which the published code throws away"),
  passOver: flag(false, 'optimisers pass over tensors that a pass does not reach, rather than let them decay'),
  rebuildEvaluation: flag(
    false,
    'the evaluation network is drawn anew for each decision, but for candidates that ran before',
  ),
  copyPastSkips: flag(true, 'also those of edges behind an identity, which the authors forget'),
  restartOptimizers: flag(false, 'optimisers begin anew with each decision'),
  clipTogether: flag(false, 'gradients of both networks and of alpha are clipped by one norm, stale ones included'),
  fileOrder: flag(true, 'weights learn on the first images of the dataset, rather than on some at random'),
  byClass: flag(false, 'halves are those of each class'),
  useAa: flag(false, "AutoAugment's policy of CIFAR-10 behind padding by 128 pixels, crop and mirror"),
  cutout: flag(false, 'hide a random square of each training image'),
  cutoutLength: integer(16, 1, 4096, 'side of that square in pixels'),
  flip: flipRule,
  precision: precisionRule,
} satisfies SettingTable;

/** Settings of a CDARTS search; what each means is told in {@link cdartsSettingRules}. */
export type CdartsSettings = SettingsOf<typeof cdartsSettingRules>;

/** The names of the ready-made settings. */
export type CdartsPresetName =
  | 'quick'
  | 'cdarts'
  | 'cdarts-script'
  | 'cdarts-authors'
  | 'cdarts-imagenet'
  | 'cdarts-nasbench201';

/** What the authors' code has of its own, in all of its searches. */
const authors: Partial<CdartsSettings> = {
  ...{ nodes: 'mean', bestFirst: true, ensemble: 'shared', shareFc: false, nasnetWarmupHalf: 'validation' },
  ...{ regularised: 'max_pool_3x3 avg_pool_3x3 skip_connect', regularStridedSkips: true, regularCount: 3 },
  ...{ rebuildEvaluation: true, copyPastSkips: false, restartOptimizers: true, clipTogether: true },
};

/** And on small images. */
const authorsSmall: Partial<CdartsSettings> = {
  ...authors,
  ...{ batchSize: 64, wLr: 0.08, nasnetLr: 0.08, wWeightDecay: 3e-4, regularRatio: 0.667, interactiveType: 'smoothl1' },
};

/**
 * `cdarts` is NNI's published script for four GPUs in one process, `cdarts-script` that script's own defaults, `cdarts-authors` the authors'
 * own code on one GPU and `cdarts-imagenet` on eight, `cdarts-nasbench201` theirs in the space of NAS-Bench-201, `quick` a small one that a
 * laptop finishes in minutes.
 */
export const cdartsPresets: Presets<CdartsSettings, CdartsPresetName> = presetsOf(cdartsSettingRules, {
  quick: {
    settings: {
      ...{ batchSize: 32, epochs: 4, warmupEpochs: 1, initChannels: 4, layers: 4, evaluationLayers: 6 },
      ...{ wLr: 0.05, nasnetLr: 0.05, alphaLr: 6e-3 },
    },
    limit: 2000,
  },
  cdarts: { settings: {} },
  'cdarts-script': {
    settings: {
      ...{ batchSize: 128, wLr: 0.05, nasnetLr: 0.1, wWeightDecay: 3e-4, alphaLr: 6e-4, alphaWeightDecay: 1e-3 },
      ...{ regularRatio: 0.5, shareModule: false },
    },
  },
  'cdarts-authors': {
    settings: {
      ...authorsSmall,
      ...{ stemMultiplier: 3, fixHead: true },
    },
  },
  'cdarts-imagenet': {
    settings: {
      ...authors,
      ...{ batchSize: 1024, epochs: 40, warmupEpochs: 10, nasnetWarmup: 3, sampleRatio: 0.2, byClass: true },
      ...{ evaluationLayers: 14, stem: 'large', wLr: 0.8, nasnetLr: 0.8, wWeightDecay: 1e-5, alphaWeightDecay: 1e-5 },
      regularRatio: 0.5,
    },
  },
  'cdarts-nasbench201': {
    settings: {
      ...authorsSmall,
      ...{ epochs: 50, warmupEpochs: 0, layers: 15, evaluationLayers: 15, nodes: 'sum' },
      ...{ regularised: 'none', regularCount: 1, regularMean: true },
    },
    ...{ space: 'nasbench201', skeleton: 'nasbench201' },
  },
});

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveCdartsSettings(
  preset: CdartsPresetName,
  overrides: Partial<CdartsSettings> = {},
): CdartsSettings {
  return resolvePreset(cdartsSettingRules, cdartsPresets, preset, overrides);
}
