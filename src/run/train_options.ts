import { aPortion } from '../data/split.ts';
import { invalid } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import {
  resolveTrainSettings,
  type TrainPresetName,
  type TrainSettings,
  trainPresets,
} from '../methods/train/settings.ts';
import { checkOptionRules, type OptionRules, record, word } from '../option_rules.ts';
import type { TrainConfig } from './config.ts';
import { planNewRun, planResumedRun, type RunOptions, type RunPlan, runRules } from './run_options.ts';

/** Options of a training. */
export interface TrainOptions extends RunOptions {
  /** Whose network is trained; required unless `resume` is given. */
  readonly genotype?: Genotype;
  /** Ready-made settings; `quick` when absent. */
  readonly preset?: TrainPresetName;
  /**
   * Score the network on this share of the training images, drawn from each class by the seed and not learned from, instead of on
   * test images; needed where there are none.
   */
  readonly validationPortion?: number;
  /** Settings that replace the preset's. */
  readonly settings?: Partial<TrainSettings>;
}

/** A checked training, new or resumed, with every default filled in. */
export interface TrainPlan extends RunPlan<TrainConfig> {
  readonly genotype: Genotype;
}

const trainRules: OptionRules<TrainOptions> = {
  ...runRules,
  genotype: record('a genotype'),
  preset: word(Object.keys(trainPresets)),
  validationPortion: aPortion,
  settings: record('an object of settings'),
};

const fixedOnResume = [
  'limit',
  'imageSize',
  'colourProfile',
  'validationPortion',
  'preset',
  'settings',
  'seed',
  'out',
  'genotype',
] as const;

/** Checks options and the run directory, and fills in the defaults. Throws ArgumentError or FileError. */
export async function planTraining(options: TrainOptions): Promise<TrainPlan> {
  checkOptionRules('train', options, trainRules);
  const { preset = 'quick', genotype, resume } = options;
  if (resume !== undefined) {
    const plan = await planResumedRun<TrainConfig, TrainOptions>('train', options, resume, fixedOnResume);
    return { ...plan, genotype: plan.config.architecture.genotype };
  }
  if (genotype === undefined) throw invalid('genotype', 'the genotype whose network is trained', genotype);
  checkGenotype(genotype);
  const { validationPortion } = options;
  const settings = resolveTrainSettings(preset, options.settings);
  const plan = await planNewRun<TrainConfig>(options, settings, trainPresets[preset].limit);
  return { ...plan, validationPortion, genotype };
}
