import { type Presets, presetsOf, type SettingsOf, type SettingTable } from '../../setting_rules.ts';
import {
  augmentedValidationRule,
  batchRules,
  cutoutChanceRules,
  cutoutRules,
  precisionRule,
  searchRules,
} from '../shared_rules.ts';

/** The rule of every setting of a search whose alpha never learns; defaults are those of DARTS-PT's code (arXiv:2108.04392). */
export const blankSettingRules = {
  ...searchRules({ batchSize: 64, learningRate: 0.025 }),
  ...batchRules(true),
  augmentedValidation: augmentedValidationRule(true),
  ...cutoutRules(false),
  ...cutoutChanceRules,
  precision: precisionRule,
} satisfies SettingTable;

/** Settings of such a search; what each means is told in {@link blankSettingRules}. */
export type BlankSettings = SettingsOf<typeof blankSettingRules>;

/** The names of the ready-made settings. */
export type BlankPresetName = 'quick' | 'paper';

/** `paper` is the published one, `quick` a small one that a laptop finishes in minutes. */
export const blankPresets: Presets<BlankSettings, BlankPresetName> = presetsOf(blankSettingRules, {
  quick: { settings: { batchSize: 32, epochs: 3, initChannels: 8, layers: 5 }, limit: 2000 },
  paper: { settings: { flip: 'on' } },
});
