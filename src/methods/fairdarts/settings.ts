import { alphaRules } from '../../learn/alpha_step.ts';
import { zeroOneRules } from '../../learn/zero_one.ts';
import { defaultThreshold, parseMethods } from '../../select/rules.ts';
import {
  choice,
  flag,
  number,
  type Presets,
  presetsOf,
  resolvePreset,
  type SettingsOf,
  type SettingTable,
} from '../../setting_rules.ts';
import { augmentedValidationRule, cutoutRules, precisionRule, searchRules } from '../shared_rules.ts';

/** The rule of every setting of a FairDARTS search; names and defaults are the published ones (arXiv:1911.12126 and its code). */
export const fairdartsSettingRules = {
  ...searchRules({ batchSize: 128, learningRate: 0.005, scheduleAhead: true }),
  ...zeroOneRules(10),
  singleLevel: flag(false, 'alpha learns on the batches of the weights, in one pass; the other images only validate'),
  ...alphaRules({ archLearningRate: 3e-3, archLrGamma: 0.9 }),
  parseMethod: choice(
    'threshold_sparse',
    parseMethods,
    'what the genotype has: darts two edges a node, threshold_sparse those of them that reach the threshold, threshold_edge of any edge up to two operations that do',
  ),
  opThreshold: number(defaultThreshold, 0, 1, 'the threshold: what a mixing weight must reach, but for darts'),
  augmentedValidation: augmentedValidationRule(true),
  autoAug: flag(false, 'apply AutoAugment to images to learn from, as the published code has it'),
  ...cutoutRules(false),
  precision: precisionRule,
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
