import type { Command, GatheredBatch, Moved, Outcome, Program } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';

/** What moves weights: SGD with momentum, or Adam (Kingma and Ba, arXiv:1412.6980) with its usual betas. */
export const optimizers = ['sgd', 'adam'] as const;

/** How weights follow their gradient. */
export interface WeightSettings {
  /** `sgd` when absent. */
  readonly optimizer?: (typeof optimizers)[number];
  /** Of SGD. */
  readonly momentum: number;
  /** Nesterov's form of it; plain when absent. */
  readonly nesterov?: boolean;
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
  /** Number of this step in the run, from 0. */
  readonly update: number;
}

/** What a step of the weights reports, before the update; the loss includes an auxiliary head's. */
export interface WeightStepOutcome {
  readonly loss: number;
  readonly correct: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

/** The commands that move the weights down their gradient on a batch, its norm clipped; parameters that Adam moves have second moments. */
export function weightStep({ program, batch, ...options }: WeightStepOptions): Command[] {
  return [{ kind: 'gradients', program, batch, target: 'weights' }, optimizerStep(program.parameters, options)];
}

/** Moves weights, or architecture parameters as if they were some. */
export function optimizerStep(
  parameters: Parameters,
  { settings, learningRate, update }: Pick<WeightStepOptions, 'settings' | 'learningRate' | 'update'>,
  of: NonNullable<Moved['of']> = 'weights',
): Command {
  const { optimizer, momentum, nesterov = false, weightDecay, gradClip: maxNorm } = settings;
  const common = { parameters, learningRate, weightDecay, maxNorm };
  if (optimizer !== 'adam') {
    return { kind: 'sgd', ...(of === 'alpha' && { of }), ...common, momentum, ...(nesterov && { nesterov }) };
  }
  return { kind: 'adam', of, ...common, betas: [0.9, 0.999], epsilon: 1e-8, step: update + 1 };
}

/** Reads the outcomes of {@link weightStep}'s commands; what a backend left out counts as NaN. */
export function weightStepOutcome([gradients, moved]: readonly Outcome[]): WeightStepOutcome {
  return {
    loss: gradients.loss ?? Number.NaN,
    correct: gradients.correct ?? Number.NaN,
    gradientNorm: moved.gradientNorm ?? Number.NaN,
  };
}
