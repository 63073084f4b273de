// A search of one level, as StacNAS (arXiv:1909.11926) has it and FairDARTS may: weights and alpha follow the gradients of one pass.
import type { Command } from '../backend/device.ts';
import { type AlphaSettings, alphaUpdate } from '../learn/alpha_step.ts';
import { weightStep } from '../learn/weight_step.ts';
import type { AlternatingSettings, AlternatingStep } from './alternating_parts.ts';

/** The commands of a step; the weights' gradient alone is clipped. `terms` are added to alpha's gradient behind the pass. */
export function oneLevelStep(
  step: AlternatingStep<AlternatingSettings & AlphaSettings>,
  terms: readonly Command[] = [],
): Command[] {
  const { program, train, settings, update } = step;
  const [, weightUpdate] = weightStep({ ...step, batch: train });
  return [
    { kind: 'gradients', program, batch: train, target: 'both' },
    ...terms,
    weightUpdate,
    alphaUpdate(program.parameters, settings, update),
  ];
}
