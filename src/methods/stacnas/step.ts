// StacNAS (Li et al., arXiv:1909.11926): one level. Weights and alpha follow the gradients of one pass over one batch.
import type { Command } from '../../backend/device.ts';
import { type AlphaSettings, alphaUpdate } from '../../learn/alpha_step.ts';
import { weightStep } from '../../learn/weight_step.ts';
import type { AlternatingSettings, AlternatingStep } from '../alternating_search.ts';

/** The commands of a step: the weights' gradient alone is clipped. */
export function oneLevelStep(step: AlternatingStep<AlternatingSettings & AlphaSettings>): Command[] {
  const { program, train, settings, update } = step;
  const [, weightUpdate] = weightStep({ ...step, batch: train });
  return [
    { kind: 'gradients', program, batch: train, target: 'both' },
    weightUpdate,
    alphaUpdate(program.parameters, settings, update),
  ];
}
