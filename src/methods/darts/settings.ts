import { precisions } from '../../backend/device.ts';
import { archLrGammaRule } from '../../learn/alpha_step.ts';
import { scheduleAheadRule } from '../../learn/cosine.ts';
import { noiseRules } from '../../learn/noise.ts';
import { zeroOneRules } from '../../learn/zero_one.ts';
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
import { randomRules } from './random_search.ts';

/** The rule of every setting of a DARTS search; names and defaults are the published ones (arXiv:1806.09055). */
export const settingRules = {
  batchSize: integer(64, 1, 65536, 'images a step'),
  epochs: integer(50, 1, 1e6, 'passes over the training half'),
  initChannels: integer(16, 1, 4096, 'channels of the first cell'),
  layers: integer(8, 1, 256, 'number of cells'),
  trainPortion: number(0.5, 0.01, 0.99, 'share of the images that weights learn on; alpha learns on the rest'),
  learningRate: number(0.025, 0, 100, 'of the weights, at the start'),
  learningRateMin: number(0.001, 0, 100, 'where the cosine schedule ends'),
  scheduleAhead: scheduleAheadRule,
  momentum: number(0.9, 0, 1, 'of the weights'),
  weightDecay: number(3e-4, 0, 100, 'of the weights'),
  gradClip: number(5, 1e-12, Number.MAX_VALUE, 'largest norm of the weight gradient'),
  archLearningRate: number(3e-4, 0, 100, 'of alpha'),
  archLrGamma: archLrGammaRule(0.5),
  archWeightDecay: number(1e-3, 0, 100, 'of alpha'),
  unrolled: flag(false, 'second order: alpha follows the hypergradient through one unrolled step'),
  ...zeroOneRules(0),
  ...noiseRules,
  reweight: flag(false, 'write the mixing weight of each entry into the genotype, as a constant factor'),
  ...randomRules,
  augmentedValidation: augmentedValidationRule(false),
  cutout: flag(false, 'hide a random square of each training image'),
  cutoutLength: integer(16, 1, 4096, 'side of that square in pixels'),
  precision: choice(
    'fp32',
    precisions,
    'fp32 is exact; bf16 rounds activations to half of the memory; tf32 is for GPUs',
  ),
} satisfies SettingTable;

/** Settings of a DARTS search; what each means is told in {@link settingRules}. */
export type SearchSettings = SettingsOf<typeof settingRules>;

/** The names of the ready-made settings. */
export type PresetName = 'quick' | 'paper' | 'fairdarts';

/**
 * Ready-made settings: `paper` is the published search, `quick` a small one that a laptop finishes in minutes, `fairdarts` the search of
 * plain DARTS beside FairDARTS in its code (arXiv:1911.12126), of which noise, random search and reweighting are experiments. `limit` is
 * how many training images a preset uses (all when absent).
 */
export const presets: Presets<SearchSettings, PresetName> = presetsOf(settingRules, {
  quick: {
    settings: { batchSize: 32, epochs: 3, initChannels: 8, layers: 5, archLearningRate: 6e-3 },
    limit: 2000,
  },
  paper: { settings: {} },
  fairdarts: {
    settings: { scheduleAhead: true, archLrGamma: 0.9, augmentedValidation: true },
    space: 'darts_without_none',
  },
});

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveSettings(preset: PresetName, overrides: Partial<SearchSettings> = {}): SearchSettings {
  return resolvePreset(settingRules, presets, preset, overrides);
}
