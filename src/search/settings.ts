import { type Precision, precisions } from '../backend/device.ts';
import { invalid } from '../errors.ts';

/** Settings of a DARTS search; names and defaults are the published ones (arXiv:1806.09055). */
export interface SearchSettings {
  readonly batchSize: number;
  readonly epochs: number;
  /** Channels of the first cell. */
  readonly initChannels: number;
  /** Number of cells. */
  readonly layers: number;
  /** Share of the training images that weights learn on; alpha learns on the rest. */
  readonly trainPortion: number;
  readonly learningRate: number;
  /** Where the cosine schedule ends. */
  readonly learningRateMin: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Largest global norm of the weight gradient. */
  readonly gradClip: number;
  readonly archLearningRate: number;
  readonly archWeightDecay: number;
  /** Second order: the hypergradient through one unrolled weight step. */
  readonly unrolled: boolean;
  readonly cutout: boolean;
  readonly cutoutLength: number;
  /** What products are computed in and activations are stored in: see CompileOptions. */
  readonly precision: Precision;
}

/** The names of the ready-made settings. */
export type PresetName = 'quick' | 'paper';

const paper: SearchSettings = {
  batchSize: 64,
  epochs: 50,
  initChannels: 16,
  layers: 8,
  trainPortion: 0.5,
  learningRate: 0.025,
  learningRateMin: 0.001,
  momentum: 0.9,
  weightDecay: 3e-4,
  gradClip: 5,
  archLearningRate: 3e-4,
  archWeightDecay: 1e-3,
  unrolled: false,
  cutout: false,
  cutoutLength: 16,
  precision: 'fp32',
};

/**
 * Ready-made settings: `paper` is the published search, `quick` a small one that a laptop finishes in minutes. `limit` is
 * how many training images a preset uses (all when absent).
 */
export const presets: Readonly<Record<PresetName, { readonly settings: SearchSettings; readonly limit?: number }>> = {
  paper: { settings: paper },
  quick: {
    settings: { ...paper, batchSize: 32, epochs: 3, initChannels: 8, layers: 5, archLearningRate: 6e-3 },
    limit: 2000,
  },
};

/** What a setting may be (bounds are inclusive), and what help says of it. */
export type SettingRule =
  | { readonly kind: 'flag'; readonly help: string }
  | { readonly kind: 'choice'; readonly words: readonly string[]; readonly help: string }
  | { readonly kind: 'integer' | 'number'; readonly low: number; readonly high: number; readonly help: string };

/** The rule of every setting, in the order in which help lists them. */
export const settingRules: Readonly<Record<keyof SearchSettings, SettingRule>> = {
  batchSize: integer(1, 65536, 'images a step'),
  epochs: integer(1, 1e6, 'passes over the training half'),
  initChannels: integer(1, 4096, 'channels of the first cell'),
  layers: integer(1, 256, 'number of cells'),
  trainPortion: number(0.01, 0.99, 'share of the images that weights learn on; alpha learns on the rest'),
  learningRate: number(0, 100, 'of the weights, at the start'),
  learningRateMin: number(0, 100, 'where the cosine schedule ends'),
  momentum: number(0, 1, 'of the weights'),
  weightDecay: number(0, 100, 'of the weights'),
  gradClip: number(1e-12, Number.MAX_VALUE, 'largest norm of the weight gradient'),
  archLearningRate: number(0, 100, 'of alpha'),
  archWeightDecay: number(0, 100, 'of alpha'),
  unrolled: flag('second order: alpha follows the hypergradient through one unrolled step'),
  cutout: flag('hide a random square of each training image'),
  cutoutLength: integer(1, 4096, 'side of that square in pixels'),
  precision: choice(precisions, 'fp32 is exact; bf16 rounds activations to half of the memory; tf32 is for GPUs'),
};

/** Whether a setting may have a value. */
export function isAllowed(rule: SettingRule, value: unknown): boolean {
  if (rule.kind === 'flag') return typeof value === 'boolean';
  if (rule.kind === 'choice') return typeof value === 'string' && rule.words.includes(value);
  if (typeof value !== 'number' || !(value >= rule.low && value <= rule.high)) return false;
  return rule.kind === 'number' || Number.isInteger(value);
}

/** What a setting may be in words, such as 'a number from 0 to 100'. */
export function describeRule(rule: SettingRule): string {
  if (rule.kind === 'flag') return 'true or false';
  if (rule.kind === 'choice') return `one of ${rule.words.join(', ')}`;
  const noun = rule.kind === 'integer' ? 'an integer' : 'a number';
  // An upper bound that nobody comes near would only distract.
  return rule.high >= 1e6 ? `${noun} of at least ${rule.low}` : `${noun} from ${rule.low} to ${rule.high}`;
}

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveSettings(preset: PresetName, overrides: Partial<SearchSettings> = {}): SearchSettings {
  if (!Object.hasOwn(presets, preset)) throw invalid('preset', `one of ${Object.keys(presets).join(', ')}`, preset);
  const given = Object.entries(overrides).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!isSetting(name)) throw invalid('settings', `names among ${Object.keys(settingRules).join(', ')}`, name);
    if (!isAllowed(settingRules[name], value)) throw invalid(name, describeRule(settingRules[name]), value);
  }
  return { ...presets[preset].settings, ...Object.fromEntries(given) };
}

function isSetting(name: string): name is keyof SearchSettings {
  return Object.hasOwn(settingRules, name);
}

function integer(low: number, high: number, help: string): SettingRule {
  return { kind: 'integer', low, high, help };
}

function number(low: number, high: number, help: string): SettingRule {
  return { kind: 'number', low, high, help };
}

function choice(words: readonly string[], help: string): SettingRule {
  return { kind: 'choice', words, help };
}

function flag(help: string): SettingRule {
  return { kind: 'flag', help };
}
