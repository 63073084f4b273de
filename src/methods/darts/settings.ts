import { alphaRules } from '../../learn/alpha_step.ts';
import { noiseRules } from '../../learn/noise.ts';
import { zeroOneRules } from '../../learn/zero_one.ts';
import {
  flag,
  type Presets,
  presetsOf,
  resolvePreset,
  type SettingsOf,
  type SettingTable,
} from '../../setting_rules.ts';
import {
  augmentedValidationRule,
  batchRules,
  cutoutChanceRules,
  cutoutRules,
  precisionRule,
  searchRules,
} from '../shared_rules.ts';
import { randomRules } from './random_search.ts';

/** The rule of every setting of a DARTS search; names and defaults are the published ones (arXiv:1806.09055). */
export const settingRules = {
  ...searchRules({ batchSize: 64, learningRate: 0.025 }),
  ...alphaRules({ archLearningRate: 3e-4, archLrGamma: 0.5 }),
  unrolled: flag(false, 'second order: alpha follows the hypergradient through one unrolled step'),
  ...zeroOneRules(0),
  ...noiseRules,
  reweight: flag(false, 'write the mixing weight of each entry into the genotype, as a constant factor'),
  ...randomRules,
  ...batchRules(false),
  augmentedValidation: augmentedValidationRule(false),
  ...cutoutRules(false),
  ...cutoutChanceRules,
  precision: precisionRule,
} satisfies SettingTable;

/** Settings of a DARTS search; what each means is told in {@link settingRules}. */
export type SearchSettings = SettingsOf<typeof settingRules>;

/** The names of the ready-made settings. */
export type PresetName = 'quick' | 'paper' | 'fairdarts' | 'darts-pt' | 'nasbench201-quick' | 'nasbench201';

/** How DARTS-PT's code trains a supernet. */
const dartsPt = { drawnBatches: true, fileOrder: true, flip: 'on', augmentedValidation: true } as const;

const inNasbench201 = { space: 'nasbench201', skeleton: 'nasbench201' } as const;

/**
 * Ready-made settings: `paper` is the published search, `quick` a small one that a laptop finishes in minutes, `fairdarts` the search of
 * plain DARTS beside FairDARTS in its code (arXiv:1911.12126), of which noise, random search and reweighting are experiments.
 * `darts-pt` is the one that perturbation-based selection follows (arXiv:2108.04392);
 * `nasbench201` is the search in NAS-Bench-201 (arXiv:2001.00326) as DARTS-PT takes it (arXiv:2108.04392), `nasbench201-quick` a small one.
 * `limit` is how many training images a preset uses (all when absent).
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
  'darts-pt': { settings: dartsPt, space: 's5' },
  'nasbench201-quick': {
    settings: { batchSize: 32, epochs: 3, initChannels: 8, layers: 3, archLearningRate: 6e-3 },
    limit: 2000,
    ...inNasbench201,
  },
  nasbench201: { settings: { ...dartsPt, epochs: 100, layers: 15, cutoutRise: true }, ...inNasbench201 },
});

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveSettings(preset: PresetName, overrides: Partial<SearchSettings> = {}): SearchSettings {
  return resolvePreset(settingRules, presets, preset, overrides);
}
