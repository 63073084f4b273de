import type { Command } from '../../backend/device.ts';
import type { Parameters } from '../../backend/parameters.ts';
import { type WeightStepOptions, weightStep } from '../../learn/weight_step.ts';

/** What one training step works on. */
export interface TrainStepOptions extends WeightStepOptions {
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

/** The commands of one training step, for one `device.execute`. */
export function trainStep({ averages, ...options }: TrainStepOptions): Command[] {
  const { parameters } = options.program;
  return [
    ...weightStep(options),
    ...(averages
      ? [{ kind: 'average', parameters, averages: averages.parameters, decay: averages.decay } as const]
      : []),
  ];
}
