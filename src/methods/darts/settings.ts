import { type Precision, precisions } from '../../backend/device.ts';
import { choice, flag, integer, number, type Presets, resolvePreset, type SettingRules } from '../../setting_rules.ts';

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
export const presets: Presets<SearchSettings, PresetName> = {
  quick: {
    settings: { ...paper, batchSize: 32, epochs: 3, initChannels: 8, layers: 5, archLearningRate: 6e-3 },
    limit: 2000,
  },
  paper: { settings: paper },
};

/** The rule of every setting, in the order in which help lists them. */
export const settingRules: SettingRules<SearchSettings> = {
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

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveSettings(preset: PresetName, overrides: Partial<SearchSettings> = {}): SearchSettings {
  return resolvePreset(settingRules, presets, preset, overrides);
}
