import type { Genotype } from './genotype/genotype.ts';
import type { TrainPresetName, TrainSettings } from './methods/train/settings.ts';
import type { LanguageTrainingSettings, languageTrainingPresets } from './methods/train_rnn/settings.ts';
import type { TrainEvent, TrainResult } from './run/events.ts';
import type { RunOptions } from './run/options.ts';
import type { Run } from './run/run.ts';
import { startMethod } from './run/start.ts';

/** Options of a training. */
export interface TrainOptions extends RunOptions {
  /** Whose network is trained; required unless `resume` is given. */
  readonly genotype?: Genotype;
  /** Directory of the run that has found it: what its search space tells of the network holds where settings leave it open. */
  readonly foundIn?: string;
  /** Ready-made settings; `quick` when absent, or what is for networks such as the genotype was found in. */
  readonly preset?: TrainPresetName | keyof typeof languageTrainingPresets;
  /**
   * Score the network on this share of the training images, drawn from each class by the seed and not learned from, instead of on
   * test images; needed where there are none.
   */
  readonly validationPortion?: number;
  /** Settings that replace the preset's. */
  readonly settings?: Partial<TrainSettings> | Partial<LanguageTrainingSettings>;
}

/** A training that goes on. */
export type TrainRun = Run<TrainEvent, TrainResult>;

/**
 * Trains the derived network of a genotype from scratch and scores it on the test images (arXiv:1806.09055, section 3.2).
 * Starts at once, off the event loop, and throws nothing itself: every error, of options too, comes through the run.
 */
export function train(options: TrainOptions): TrainRun {
  // Of a training: its events and its result are these.
  return startMethod('train', options) as TrainRun;
}
