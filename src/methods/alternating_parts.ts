// In what searches differ in which alpha and weights learn in turn.
import type { AffineChoice } from '../augment/affine.ts';
import type { Command, Device, GatheredBatch, Mixing, Outcome, Program } from '../backend/device.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { CosineSchedule } from '../learn/cosine.ts';
import type { FlipChoice } from '../learn/flipped_images.ts';
import type { SearchBatchSettings, ValidationOrder } from '../learn/search_batches.ts';
import type { WeightSettings, WeightStepOutcome } from '../learn/weight_step.ts';
import type { Supernet } from '../network/supernet.ts';
import type { RowsByTable } from '../select/alpha.ts';
import type { SelectionOptions } from '../select/rules.ts';
import type { Position } from './method.ts';

/** What every such search can be told. */
export interface AlternatingSettings extends CosineSchedule, WeightSettings, SearchBatchSettings {
  readonly epochs: number;
  readonly initChannels: number;
  readonly layers: number;
  readonly trainPortion: number;
  readonly precision: 'fp32' | 'tf32' | 'bf16';
  /** Validate on images augmented as those to learn from; on plain ones when absent. */
  readonly augmentedValidation?: boolean;
  /** The AutoAugment of FairDARTS on images to learn from; off when absent. */
  readonly autoAug?: boolean;
  /** Whether images are mirrored by chance; `usual` when absent. */
  readonly flip?: FlipChoice;
  /** Affine maps of images that they suit; off when absent. */
  readonly affine?: AffineChoice;
  /** Epochs in which the weights learn alone; 0 when absent. */
  readonly alphaWarmupEpochs?: number;
  /** Of an auxiliary head's loss while the weights learn; no such head when absent or 0. */
  readonly auxWeight?: number;
  /** Whether every step draws both of its batches anew, whole ones, so that images repeat or miss within an epoch; false when absent. */
  readonly drawnBatches?: boolean;
  /** Whether the first images of the dataset are those that weights learn on, rather than some at random; false when absent. */
  readonly fileOrder?: boolean;
}

/** What one step works on. */
export interface AlternatingStep<Settings> {
  /** Of the training batch's size, and of the validation batch's. */
  readonly program: Program;
  readonly validationProgram: Program;
  readonly train: GatheredBatch;
  /** The one that alpha learns on; the training batch where no images are kept for that. */
  readonly validation: GatheredBatch;
  /** The training batch for alpha's share of a step, where noise and dropout are drawn by themselves. */
  readonly trainForAlpha: GatheredBatch;
  readonly settings: Settings;
  /** Of the weights; also ξ of an unrolled step. */
  readonly learningRate: number;
  /** Number of this step in the run, from 0; where the weights learn alone at first, from where alpha learns too. */
  readonly update: number;
}

/** What mixing weights are disturbed in. */
export interface DisturbedStep<Settings> extends AlternatingStep<Settings> {
  readonly device: Device;
  readonly supernet: Supernet;
  /** Rows of mixing weights that do not follow from alpha, and are not disturbed. */
  readonly given: GivenRows;
  readonly seed: number;
  readonly at: Pick<Position, 'epoch' | 'step'>;
}

/** By table, row by row; an undefined row follows from alpha. */
export type GivenRows = Readonly<Record<string, readonly (Float32Array | undefined)[]>>;

/** What a step came to. */
export interface AlternatingOutcome extends WeightStepOutcome {
  /** What the search reports beside loss and accuracy, by name. */
  readonly measures: Readonly<Record<string, number>>;
}

/** In what such searches differ. */
export interface AlternatingParts<Settings> {
  /** Alpha's share of a step; none where alpha does not learn, or learns with the weights. */
  alpha(step: AlternatingStep<Settings>): Command[];
  /** The weights' share, from a pass to their update; SGD with momentum when absent. */
  weights?(step: AlternatingStep<Settings>): Command[];
  /** How alpha's batches are drawn, or that there are none; `walk` when absent. */
  readonly validation?: ValidationOrder | 'none';
  /**
   * The mixing weights of the weights' share, in place of those that follow from alpha or are `given`: asked for behind alpha's share. As
   * they are when absent.
   */
  disturb?(step: DisturbedStep<Settings>): Promise<Mixing>;
  /** Reads the outcomes of both shares; when absent the first one of alpha's has the validation loss. */
  outcome?(alpha: readonly Outcome[], weights: readonly Outcome[]): AlternatingOutcome;
  /** Measures of epochs that are means of measures of steps, weighted by the training batch's size: which, by name. */
  readonly means?: Readonly<Record<string, string>>;
  /** What the graph's noise is scaled by in an epoch; no noise when absent. */
  noiseScale?(epoch: number): number;
  /** How {@link AlternatingParts.select} does, where a rule of selection does. */
  readonly selection?: SelectionOptions;
  /** Whether the search finds the alpha of the epoch that validates best, the first of equals, rather than the last one. */
  readonly keepsBest?: boolean;
  /** The genotype that mixing weights, and the alpha that they follow from, stand for. */
  select(supernet: Supernet, mixing: RowsByTable, alpha: RowsByTable): Genotype;
  /** What a user should know of the genotype that was found. */
  notices?(supernet: Supernet, mixing: RowsByTable, genotype: Genotype): readonly string[];
}
