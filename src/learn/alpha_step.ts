import type { Command } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { number } from '../setting_rules.ts';

/** How alpha follows its gradient. */
export interface AlphaSettings {
  readonly archLearningRate: number;
  /** Adam's β₁, under the name that FairDARTS gives it. */
  readonly archLrGamma: number;
  readonly archWeightDecay: number;
}

/** The setting of methods whose alpha follows Adam. */
export function archLrGammaRule(usual: number) {
  return number(usual, 0, 0.999999, "beta1 of alpha's Adam, under FairDARTS' name");
}

/** Moves alpha down its gradient by Adam, in update `update` (from 0). */
export function alphaUpdate(parameters: Parameters, settings: AlphaSettings, update: number): Command {
  return {
    kind: 'adam',
    parameters,
    learningRate: settings.archLearningRate,
    betas: [settings.archLrGamma, 0.999],
    epsilon: 1e-8,
    weightDecay: settings.archWeightDecay,
    step: update + 1,
  };
}
