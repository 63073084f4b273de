import type { Command, GatheredBatch, Outcome, Program } from '../backend/device.ts';

/** How weights follow their gradient. */
export interface WeightSettings {
  readonly momentum: number;
  readonly weightDecay: number;
  /** Largest global norm of the gradient. */
  readonly gradClip: number;
}

/** What a step of the weights works on; the batch has the program's batch size. */
export interface WeightStepOptions {
  readonly program: Program;
  readonly batch: GatheredBatch;
  readonly settings: WeightSettings;
  readonly learningRate: number;
}

/** What a step of the weights reports, before the update; the loss includes an auxiliary head's. */
export interface WeightStepOutcome {
  readonly loss: number;
  readonly correct: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

/** The commands that move the weights down their gradient on a batch: SGD with momentum, decay and clipping. */
export function weightStep({ program, batch, settings, learningRate }: WeightStepOptions): Command[] {
  const { momentum, weightDecay, gradClip } = settings;
  return [
    { kind: 'gradients', program, batch, target: 'weights' },
    { kind: 'sgd', parameters: program.parameters, learningRate, momentum, weightDecay, maxNorm: gradClip },
  ];
}

/** Reads the outcomes of {@link weightStep}'s commands; what a backend left out counts as NaN. */
export function weightStepOutcome([gradients, sgd]: readonly Outcome[]): WeightStepOutcome {
  return {
    loss: gradients.loss ?? Number.NaN,
    correct: gradients.correct ?? Number.NaN,
    gradientNorm: sgd.gradientNorm ?? Number.NaN,
  };
}
