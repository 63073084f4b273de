// DARTS (Liu, Simonyan, Yang, arXiv:1806.09055): alpha and weights learn in turn, on two halves of the training images.
import type { Command, Outcome } from '../../backend/device.ts';
import { alphaUpdate } from '../../learn/alpha_step.ts';
import { type WeightStepOutcome, weightStep, weightStepOutcome } from '../../learn/weight_step.ts';
import { zeroOneLoss } from '../../learn/zero_one.ts';
import type { AlternatingStep } from '../alternating_parts.ts';
import type { SearchSettings } from './settings.ts';

/** What one search step works on; both batches have the program's size. */
export type DartsStepOptions = Omit<AlternatingStep<SearchSettings>, 'validationProgram' | 'trainForAlpha'> &
  Partial<Pick<AlternatingStep<SearchSettings>, 'validationProgram' | 'trainForAlpha'>>;

/** What one search step reports; losses and counts are those before the weights' update. */
export interface DartsStepOutcome extends WeightStepOutcome {
  readonly validationLoss: number;
}

/**
 * The commands of one search step (algorithm 1 of the paper), for one `device.execute`: alpha by the first-order gradient
 * or, with `unrolled`, by the hypergradient; then the weights by SGD at the new alpha.
 */
export function dartsStep(options: DartsStepOptions): Command[] {
  return [...alphaStep(options), ...weightStep({ ...options, batch: options.train })];
}

/** Reads the outcomes of {@link dartsStep}'s commands; what a backend left out counts as NaN. */
export function dartsStepOutcome([alpha, , ...weights]: readonly Outcome[]): DartsStepOutcome {
  return { ...weightStepOutcome(weights), validationLoss: alpha.loss ?? Number.NaN };
}

/** Alpha's share of a search step: its gradient, the zero-one loss where that has a weight, and Adam. */
export function alphaStep(options: DartsStepOptions): Command[] {
  const { program, settings, update } = options;
  const { auxLossWeight, sepLoss } = settings;
  return [
    alphaGradient(options),
    ...(auxLossWeight > 0 ? [zeroOneLoss(program, sepLoss, auxLossWeight)] : []),
    alphaUpdate(program.parameters, settings, update),
  ];
}

function alphaGradient(options: DartsStepOptions): Command {
  const { program, validation, settings, learningRate } = options;
  if (!settings.unrolled) {
    // Batches that are drawn may be larger than the last one of the weights.
    return { kind: 'gradients', program: options.validationProgram ?? program, batch: validation, target: 'alpha' };
  }
  const { momentum, weightDecay } = settings;
  const train = options.trainForAlpha ?? options.train;
  return { kind: 'hypergradient', program, train, validation, learningRate, momentum, weightDecay };
}
