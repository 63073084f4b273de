import type { Command } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { number, type SettingTable } from '../setting_rules.ts';

/** How alpha follows its gradient. */
export interface AlphaSettings {
  readonly archLearningRate: number;
  /** Adam's β₁, under the name that FairDARTS gives it. */
  readonly archLrGamma: number;
  readonly archWeightDecay: number;
}

/** The settings of methods whose alpha follows Adam. */
export function alphaRules({ archLearningRate, archLrGamma }: Omit<AlphaSettings, 'archWeightDecay'>) {
  return {
    archLearningRate: number(archLearningRate, 0, 100, 'of alpha'),
    archLrGamma: number(archLrGamma, 0, 0.999999, "beta1 of alpha's Adam, under FairDARTS' name"),
    archWeightDecay: number(1e-3, 0, 100, 'of alpha'),
  } satisfies SettingTable;
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
