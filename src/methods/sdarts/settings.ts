import { alphaRules } from '../../learn/alpha_step.ts';
import { choice, number, type Presets, presetsOf, type SettingsOf, type SettingTable } from '../../setting_rules.ts';
import {
  augmentedValidationRule,
  batchRules,
  cutoutChanceRules,
  cutoutRules,
  precisionRule,
  searchRules,
} from '../shared_rules.ts';

/** What mixing weights are disturbed by: at random, or by an attack that makes the loss large. */
export const perturbations = ['random', 'pgd_linf'] as const;

/** The rule of every setting of an SDARTS search; defaults are those of its code within DARTS-PT's (arXiv:2108.04392). */
export const sdartsSettingRules = {
  ...searchRules({ batchSize: 64, learningRate: 0.025 }),
  ...alphaRules({ archLearningRate: 3e-4, archLrGamma: 0.5 }),
  perturbAlpha: choice('random', perturbations, 'what disturbs mixing weights while the weights learn'),
  epsilonAlpha: number(0.3, 0, 1, 'how far at most a mixing weight moves at the end; a tenth of it at the start'),
  ...batchRules(true),
  augmentedValidation: augmentedValidationRule(true),
  ...cutoutRules(false),
  ...cutoutChanceRules,
  precision: precisionRule,
} satisfies SettingTable;

/** Settings of an SDARTS search; what each means is told in {@link sdartsSettingRules}. */
export type SdartsSettings = SettingsOf<typeof sdartsSettingRules>;

/** The names of the ready-made settings. */
export type SdartsPresetName = 'quick' | 'paper';

/** `paper` is the published one, `quick` a small one that a laptop finishes in minutes. */
export const sdartsPresets: Presets<SdartsSettings, SdartsPresetName> = presetsOf(sdartsSettingRules, {
  quick: {
    settings: { batchSize: 32, epochs: 3, initChannels: 8, layers: 5, archLearningRate: 6e-3 },
    limit: 2000,
  },
  paper: { settings: { flip: 'on' } },
});
