// DARTS (Liu, Simonyan, Yang, arXiv:1806.09055): alpha and weights learn in turn, on two halves of the training images.
import type { Command, GatheredBatch, Outcome, Program } from '../../backend/device.ts';
import type { SearchSettings } from './settings.ts';

/** What one search step works on. Both batches have the program's batch size. */
export interface DartsStepOptions {
  readonly program: Program;
  readonly train: GatheredBatch;
  readonly validation: GatheredBatch;
  readonly settings: SearchSettings;
  /** Of the weights; also ξ of the unrolled step. */
  readonly learningRate: number;
  /** Number of this alpha update in the search, from 1. */
  readonly alphaUpdate: number;
}

/** What one search step reports; losses and counts are those before the weights' update. */
export interface DartsStepOutcome {
  readonly loss: number;
  readonly correct: number;
  readonly validationLoss: number;
  /** Norm of the weight gradient before clipping. */
  readonly gradientNorm: number;
}

/**
 * The commands of one search step (algorithm 1 of the paper), for one `device.execute`: alpha by the first-order gradient
 * or, with `unrolled`, by the hypergradient; then the weights by SGD at the new alpha.
 */
export function dartsStep(options: DartsStepOptions): Command[] {
  const { program, train, settings, learningRate, alphaUpdate } = options;
  const { parameters } = program;
  const { momentum, weightDecay } = settings;
  return [
    alphaGradient(options),
    {
      kind: 'adam',
      parameters,
      learningRate: settings.archLearningRate,
      betas: [0.5, 0.999],
      epsilon: 1e-8,
      weightDecay: settings.archWeightDecay,
      step: alphaUpdate,
    },
    { kind: 'gradients', program, batch: train, target: 'weights' },
    { kind: 'sgd', parameters, learningRate, momentum, weightDecay, maxNorm: settings.gradClip },
  ];
}

/** Reads the outcomes of {@link dartsStep}'s commands; what a backend left out counts as NaN. */
export function dartsStepOutcome([alpha, , weights, sgd]: readonly Outcome[]): DartsStepOutcome {
  return {
    loss: weights.loss ?? Number.NaN,
    correct: weights.correct ?? Number.NaN,
    validationLoss: alpha.loss ?? Number.NaN,
    gradientNorm: sgd.gradientNorm ?? Number.NaN,
  };
}

function alphaGradient({ program, train, validation, settings, learningRate }: DartsStepOptions): Command {
  if (!settings.unrolled) return { kind: 'gradients', program, batch: validation, target: 'alpha' };
  const { momentum, weightDecay } = settings;
  return { kind: 'hypergradient', program, train, validation, learningRate, momentum, weightDecay };
}
