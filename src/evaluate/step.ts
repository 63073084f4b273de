import type { Command, GatheredBatch, Outcome, Program } from '../backend/device.ts';
import type { TrainSettings } from './settings.ts';

/** What one training step works on. */
export interface TrainStepOptions {
  readonly program: Program;
  readonly batch: GatheredBatch;
  readonly settings: Pick<TrainSettings, 'momentum' | 'weightDecay' | 'gradClip'>;
  readonly learningRate: number;
}

/** What one training step reports, before the weights' update; the loss includes the auxiliary head's. */
export interface TrainStepOutcome {
  readonly loss: number;
  readonly correct: number;
  /** Norm of the gradient before clipping. */
  readonly gradientNorm: number;
}

/** The commands of one training step, for one `device.execute`. */
export function trainStep({ program, batch, settings, learningRate }: TrainStepOptions): Command[] {
  const { momentum, weightDecay, gradClip } = settings;
  return [
    { kind: 'gradients', program, batch, target: 'weights' },
    { kind: 'sgd', parameters: program.parameters, learningRate, momentum, weightDecay, maxNorm: gradClip },
  ];
}

/** Reads the outcomes of {@link trainStep}'s commands; what a backend left out counts as NaN. */
export function trainStepOutcome([gradients, sgd]: readonly Outcome[]): TrainStepOutcome {
  return {
    loss: gradients.loss ?? Number.NaN,
    correct: gradients.correct ?? Number.NaN,
    gradientNorm: sgd.gradientNorm ?? Number.NaN,
  };
}
