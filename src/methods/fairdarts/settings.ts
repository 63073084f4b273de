import { precisions } from '../../backend/device.ts';
import { archLrGammaRule } from '../../learn/alpha_step.ts';
import { scheduleAheadRule } from '../../learn/cosine.ts';
import { zeroOneRules } from '../../learn/zero_one.ts';
import { defaultThreshold, selectionRules } from '../../select/rules.ts';
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
import { augmentedValidationRule } from '../alternating_search.ts';

/** The rule of every setting of a FairDARTS search; names and defaults are the published ones (arXiv:1911.12126 and its code). */
export const fairdartsSettingRules = {
  batchSize: integer(128, 1, 65536, 'images a step'),
  epochs: integer(50, 1, 1e6, 'passes over the training half'),
  initChannels: integer(16, 1, 4096, 'channels of the first cell'),
  layers: integer(8, 1, 256, 'number of cells'),
  trainPortion: number(0.5, 0.01, 0.99, 'share of the images that weights learn on; alpha learns on the rest'),
  learningRate: number(0.005, 0, 100, 'of the weights, at the start'),
  learningRateMin: number(0.001, 0, 100, 'where the cosine schedule ends'),
  scheduleAhead: { ...scheduleAheadRule, default: true },
  momentum: number(0.9, 0, 1, 'of the weights'),
  weightDecay: number(3e-4, 0, 100, 'of the weights'),
  gradClip: number(5, 1e-12, Number.MAX_VALUE, 'largest norm of the weight gradient'),
  ...zeroOneRules(10),
  singleLevel: flag(false, 'alpha learns on the batches of the weights, in one pass; the other images only validate'),
  archLearningRate: number(3e-3, 0, 100, 'of alpha'),
  archLrGamma: archLrGammaRule(0.9),
  archWeightDecay: number(1e-3, 0, 100, 'of alpha'),
  parseMethod: choice(
    'threshold_sparse',
    selectionRules,
    `how the genotype follows from mixing weights: ${selectionRules.join(', ')}`,
  ),
  opThreshold: number(
    defaultThreshold,
    0,
    1,
    'mixing weight from which on an operation is in the genotype, by the threshold rules',
  ),
  augmentedValidation: augmentedValidationRule(true),
  autoAug: flag(false, 'apply AutoAugment to images to learn from, as the published code has it'),
  cutout: flag(false, 'hide a random square of each training image'),
  cutoutLength: integer(16, 1, 4096, 'side of that square in pixels'),
  precision: choice(
    'fp32',
    precisions,
    'fp32 is exact; bf16 rounds activations to half of the memory; tf32 is for GPUs',
  ),
} satisfies SettingTable;

/** Settings of a FairDARTS search; what each means is told in {@link fairdartsSettingRules}. */
export type FairdartsSettings = SettingsOf<typeof fairdartsSettingRules>;

/** The names of the ready-made settings. */
export type FairdartsPresetName = 'quick' | 'paper';

/** `paper` is the published search, `quick` a small one that a laptop finishes in minutes. */
export const fairdartsPresets: Presets<FairdartsSettings, FairdartsPresetName> = presetsOf(fairdartsSettingRules, {
  quick: {
    settings: {
      ...{ batchSize: 32, epochs: 3, initChannels: 8, layers: 5 },
      ...{ learningRate: 0.025, archLearningRate: 0.05 },
    },
    limit: 2000,
  },
  paper: { settings: {} },
});

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveFairdartsSettings(
  preset: FairdartsPresetName,
  overrides: Partial<FairdartsSettings> = {},
): FairdartsSettings {
  return resolvePreset(fairdartsSettingRules, fairdartsPresets, preset, overrides);
}
