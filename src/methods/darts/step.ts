// DARTS (Liu, Simonyan, Yang, arXiv:1806.09055): alpha and weights learn in turn, on two halves of the training images.
import type { Command, Outcome } from '../../backend/device.ts';
import { type WeightStepOutcome, weightStep, weightStepOutcome } from '../../learn/weight_step.ts';
import type { AlternatingStep } from '../alternating_search.ts';
import type { SearchSettings } from './settings.ts';

/** What one search step works on. */
export type DartsStepOptions = AlternatingStep<SearchSettings>;

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

/** Alpha's share of a search step: its gradient, and Adam. */
export function alphaStep(options: DartsStepOptions): Command[] {
  const { program, settings, update } = options;
  return [
    alphaGradient(options),
    {
      kind: 'adam',
      parameters: program.parameters,
      learningRate: settings.archLearningRate,
      betas: [0.5, 0.999],
      epsilon: 1e-8,
      weightDecay: settings.archWeightDecay,
      step: update + 1,
    },
  ];
}

function alphaGradient({ program, train, validation, settings, learningRate }: DartsStepOptions): Command {
  if (!settings.unrolled) return { kind: 'gradients', program, batch: validation, target: 'alpha' };
  const { momentum, weightDecay } = settings;
  return { kind: 'hypergradient', program, train, validation, learningRate, momentum, weightDecay };
}
