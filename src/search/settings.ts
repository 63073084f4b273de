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
};

/**
 * Ready-made settings: `paper` is the published search, `quick` a small one that a laptop finishes in minutes. `limit` is
 * how many training images a preset uses (all when absent).
 */
export const presets: Readonly<Record<PresetName, { readonly settings: SearchSettings; readonly limit?: number }>> = {
  paper: { settings: paper },
  quick: { settings: { ...paper, epochs: 3, initChannels: 8, layers: 5, archLearningRate: 6e-3 }, limit: 4000 },
};

type Range = readonly [low: number, high: number, kind: 'integer' | 'number'];

/** Inclusive bounds of every numeric setting. */
const ranges: Readonly<Partial<Record<keyof SearchSettings, Range>>> = {
  batchSize: [1, 65536, 'integer'],
  epochs: [1, 1e6, 'integer'],
  initChannels: [1, 4096, 'integer'],
  layers: [1, 256, 'integer'],
  trainPortion: [0.01, 0.99, 'number'],
  learningRate: [0, 100, 'number'],
  learningRateMin: [0, 100, 'number'],
  momentum: [0, 1, 'number'],
  weightDecay: [0, 100, 'number'],
  gradClip: [1e-12, Number.MAX_VALUE, 'number'],
  archLearningRate: [0, 100, 'number'],
  archWeightDecay: [0, 100, 'number'],
  cutoutLength: [1, 4096, 'integer'],
};

/** The settings of a preset with some replaced. Throws ArgumentError for an unknown name or a value out of range. */
export function resolveSettings(preset: PresetName, overrides: Partial<SearchSettings> = {}): SearchSettings {
  if (!Object.hasOwn(presets, preset)) throw invalid('preset', `one of ${Object.keys(presets).join(', ')}`, preset);
  const settings: Record<string, unknown> = { ...presets[preset].settings };
  for (const [name, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(settings, name))
      throw invalid('settings', `names among ${Object.keys(settings).join(', ')}`, name);
    const range = ranges[name as keyof SearchSettings];
    if (range === undefined) {
      if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
    } else if (!inRange(value, range)) {
      const [low, high, kind] = range;
      const noun = kind === 'integer' ? 'an integer' : 'a number';
      throw invalid(name, high >= 1e6 ? `${noun} of at least ${low}` : `${noun} from ${low} to ${high}`, value);
    }
    settings[name] = value;
  }
  return settings as unknown as SearchSettings;
}

function inRange(value: unknown, [low, high, kind]: Range): boolean {
  if (typeof value !== 'number' || !(value >= low && value <= high)) return false;
  return kind === 'number' || Number.isInteger(value);
}
