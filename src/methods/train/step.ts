import type { Command, GatheredBatch, Outcome, Program } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import type { TrainSettings } from './settings.ts';

/** What one training step works on. */
export interface TrainStepOptions {
  readonly program: Program;
  readonly batch: GatheredBatch;
  readonly settings: Pick<TrainSettings, 'momentum' | 'weightDecay' | 'gradClip'>;
  readonly learningRate: number;
  /** Averages of the weights, moved behind the step. */
  readonly averages?: Averages;
}

/** Averages of a training's weights and how much of them a step keeps. */
export interface Averages {
  readonly parameters: Parameters;
  readonly decay: number;
}

/**
 * The decay of a step's averages, counted from 0: that of the settings, but at first less, so that they do not cling to the weights
 * that a training starts from (as TensorFlow's ExponentialMovingAverage with num_updates).
 */
export function averageDecay(emaDecay: number, update: number): number {
  return Math.min(emaDecay, (1 + update) / (10 + update));
}

/** What one training step reports, before the weights' update; the loss includes the auxiliary head's. */
export interface TrainStepOutcome {
  readonly loss: number;
  readonly correct: number;
  /** Norm of the gradient before clipping. */
  readonly gradientNorm: number;
}

/** The commands of one training step, for one `device.execute`. */
export function trainStep({ program, batch, settings, learningRate, averages }: TrainStepOptions): Command[] {
  const { momentum, weightDecay, gradClip } = settings;
  const { parameters } = program;
  return [
    { kind: 'gradients', program, batch, target: 'weights' },
    { kind: 'sgd', parameters, learningRate, momentum, weightDecay, maxNorm: gradClip },
    ...(averages
      ? [{ kind: 'average', parameters, averages: averages.parameters, decay: averages.decay } as const]
      : []),
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
