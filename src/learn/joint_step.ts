// A step in which architecture parameters are weights like any other: one optimiser, one norm of the gradient for both.
import type { Command, Device, Moved } from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { optimizerStep, type WeightStepOptions, type WeightStepOutcome } from './weight_step.ts';

/** What one optimiser command moves. */
type Part = NonNullable<Moved['of']>;

/**
 * Moves weights and architecture parameters down their gradient on a batch; the latter do not decay. An optimiser's command clips by the norm
 * of what it moves, so the first crossing measures both norms and the second gives each part what it may keep of the norm of both.
 */
export async function jointStep(
  device: Device,
  { program, batch, ...options }: WeightStepOptions,
): Promise<WeightStepOutcome> {
  const { parameters } = program;
  const [{ loss = Number.NaN, correct = Number.NaN }, weights, alpha] = await device.execute([
    { kind: 'gradients', program, batch, target: 'both' },
    normOnly(parameters, 'weights'),
    normOnly(parameters, 'alpha'),
  ]);
  const norms = { weights: weights.gradientNorm ?? Number.NaN, alpha: alpha.gradientNorm ?? Number.NaN };
  const gradientNorm = Math.sqrt(norms.weights ** 2 + norms.alpha ** 2);
  const kept = Math.min(1, options.settings.gradClip / (gradientNorm + clipEpsilon));
  const move = (of: Part, weightDecay: number) => {
    const gradClip = kept < 1 ? kept * (norms[of] + clipEpsilon) : Number.POSITIVE_INFINITY;
    return optimizerStep(parameters, { ...options, settings: { ...options.settings, weightDecay, gradClip } }, of);
  };
  await device.execute([move('weights', options.settings.weightDecay), move('alpha', 0)]);
  return { loss, correct, gradientNorm };
}

/** Of every optimiser: what it adds to the norm that it divides by. */
const clipEpsilon = 1e-6;

/** Reports the norm of a gradient: at a rate of 0, with a momentum that stays and a gradient clipped to what float32 does not see beside it. */
function normOnly(parameters: Parameters, of: Part): Command {
  return { kind: 'sgd', parameters, of, learningRate: 0, momentum: 1, weightDecay: 0, maxNorm: 1e-30 };
}
