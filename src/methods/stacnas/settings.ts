import { alphaRules } from '../../learn/alpha_step.ts';
import { scheduleAheadRule } from '../../learn/cosine.ts';
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
import { affineRule, augmentedValidationRule, precisionRule } from '../shared_rules.ts';

/** What a search goes through. */
const stages = ['both', 'search1', 'search2'] as const;

/** The rule of every setting of a StacNAS search; names and defaults are the published ones (arXiv:1909.11926 and its code). */
export const stacnasSettingRules = {
  stage: choice('both', stages, 'both stages, or one alone; search2 alone begins with what --from found'),
  batchSize: integer(64, 1, 65536, 'images a step'),
  epochs: integer(80, 1, 1e6, 'passes over the training images in each stage'),
  initChannels: integer(16, 1, 4096, 'channels of the first cell'),
  layers: integer(14, 1, 256, 'number of cells in the first stage'),
  search2Layers: integer(20, 1, 256, 'number of cells in the second stage'),
  alphaShare: flag(true, 'cells of a type share alpha; else each has its own, and both stages as many cells'),
  nodes: integer(4, 1, 100, 'nodes of a cell, where the space is a known one'),
  trainRatio: number(
    1,
    0.01,
    1,
    'share of the images that weights and alpha learn on; the rest tells which epoch is best',
  ),
  learningRate: number(0.025, 0, 100, 'of the weights, at the start'),
  learningRateMin: number(0.001, 0, 100, 'where the schedule ends'),
  powerLr: flag(false, 'the learning rate falls by a power of the cosine'),
  scheduleAhead: { ...scheduleAheadRule, default: true },
  momentum: number(0.9, 0, 1, 'of the weights'),
  weightDecay: number(3e-4, 0, 100, 'of the weights'),
  gradClip: number(3, 1e-12, Number.MAX_VALUE, 'largest norm of the weight gradient'),
  ...alphaRules({ archLearningRate: 3e-4, archLrGamma: 0.5 }),
  alphaWarmupEpochs: integer(0, 0, 1e6, 'epochs of each stage in which weights learn alone'),
  auxWeight: number(0, 0, 100, "of an auxiliary head's loss; 0 for none"),
  groups: text(
    '',
    'groups, such as avg_pool_3x3 max_pool_3x3, skip_connect, sep_conv_3x3 sep_conv_5x5',
    'groups of operations in place of the published ones, as features proposes them; the first stage has the first of each',
  ),
  skipTwice: flag(true, 'a skip connection that won competes with itself in the second stage'),
  augmentedValidation: augmentedValidationRule(true),
  affine: affineRule('published'),
  autoAug: flag(false, 'apply AutoAugment to images to learn from, as the published code has it'),
  precision: precisionRule,
} satisfies SettingTable;

/** Settings of a StacNAS search; what each means is told in {@link stacnasSettingRules}. */
export type StacnasSettings = SettingsOf<typeof stacnasSettingRules>;

/** The names of the ready-made settings. */
export type StacnasPresetName = 'quick' | 'paper';

/** `paper` is the published search, `quick` a small one that a laptop finishes in minutes. */
export const stacnasPresets: Presets<StacnasSettings, StacnasPresetName> = presetsOf(stacnasSettingRules, {
  quick: {
    settings: { batchSize: 32, epochs: 2, initChannels: 8, layers: 5, search2Layers: 6, archLearningRate: 6e-3 },
    limit: 2000,
  },
  paper: { settings: {} },
});

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveStacnasSettings(
  preset: StacnasPresetName,
  overrides: Partial<StacnasSettings> = {},
): StacnasSettings {
  return resolvePreset(stacnasSettingRules, stacnasPresets, preset, overrides);
}
