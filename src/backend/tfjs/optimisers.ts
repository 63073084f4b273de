// Optimisers and the arithmetic of the hypergradient over whole arenas, as native/cpu/sweeps.cc has them.
import type { AdamCommand, AverageCommand, ClipCommand, HypergradientCommand, SgdCommand } from '../device.ts';
import { clippedParts, movedParts } from '../moved_part.ts';
import { type Arena, weightRanges } from '../parameter_map.ts';
import type { Arenas } from './pass.ts';

/** Euclidean norm of all arrays together, summed in float64. */
function normOf(...arrays: readonly Float32Array[]): number {
  let sum = 0;
  for (const values of arrays) for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

/** Momentum and weight decay; gives the gradient's norm before clipping. */
export function sgd(arenas: Arenas, command: SgdCommand): number {
  const parts = movedArrays(arenas, command);
  const norm = normOf(...parts.map(({ gradients }) => gradients));
  const clip = clipFactor(norm, command.maxNorm);
  for (const { values, gradients, mean, variance } of parts) {
    const momentum = command.momentumIn === 'secondMoments' ? variance : mean;
    for (let i = 0; i < values.length; i++) {
      const gradient = Math.fround(clip * gradients[i] + command.weightDecay * values[i]);
      let step = gradient;
      if (command.momentum !== 0) {
        momentum[i] = command.momentum * momentum[i] + gradient;
        step = command.nesterov ? gradient + command.momentum * momentum[i] : momentum[i];
      }
      values[i] -= command.learningRate * step;
    }
  }
  return norm;
}

/** Scales gradients by the norm of all together, which it gives. */
export function clip(arenas: Arenas, command: ClipCommand): number {
  const { ranges, alpha } = clippedParts(command);
  const parts = ranges.map(({ offset, size }) => arenas.weightGradients.subarray(offset, offset + size));
  if (alpha) parts.push(arenas.alphaGradients);
  const norm = normOf(...parts);
  const factor = clipFactor(norm, command.maxNorm);
  for (const gradients of parts) for (let i = 0; i < gradients.length; i++) gradients[i] *= factor;
  return norm;
}

function clipFactor(norm: number, maxNorm: number): number {
  const ratio = maxNorm / (norm + 1e-6);
  return ratio < 1 ? Math.fround(ratio) : 1;
}

/** What an optimiser moves, with its gradient and its moments. */
function movedArrays(arenas: Arenas, command: SgdCommand | AdamCommand) {
  const { of, ranges } = movedParts(command);
  const [values, gradients, mean, variance] =
    of === 'alpha'
      ? (['alpha', 'alphaGradients', 'alphaMean', 'alphaVariance'] as const)
      : (['weights', 'weightGradients', 'momentum', 'variance'] as const);
  return ranges.map(({ offset, size }) => {
    const part = (arena: Arena) => arenas[arena].subarray(offset, offset + size);
    return { values: part(values), gradients: part(gradients), mean: part(mean), variance: part(variance) };
  });
}

/** Moves averages of groups of weights, or of all and of buffers. */
export function average(averages: Arenas, values: Arenas, { parameters, groups, decay }: AverageCommand): void {
  for (const { offset, size } of weightRanges(parameters.map, groups)) {
    const part = (weights: Float32Array) => weights.subarray(offset, offset + size);
    moveAverage(part(averages.weights), part(values.weights), decay);
  }
  if (groups === undefined) moveAverage(averages.buffers, values.buffers, decay);
}

function moveAverage(averages: Float32Array, values: Float32Array, decay: number): void {
  const [kept, rest] = [Math.fround(decay), Math.fround(1 - Math.fround(decay))];
  for (let i = 0; i < values.length; i++) {
    averages[i] = Math.fround(kept * averages[i]) + Math.fround(rest * values[i]);
  }
}

/** Adam; gives the gradient's norm where it may be clipped. */
export function adam(arenas: Arenas, command: AdamCommand): number | undefined {
  const parts = movedArrays(arenas, command);
  const { learningRate, betas, epsilon, weightDecay, step } = command;
  const { maxNorm = Number.POSITIVE_INFINITY } = command;
  const norm = Number.isFinite(maxNorm) ? normOf(...parts.map(({ gradients }) => gradients)) : undefined;
  const clip = norm === undefined ? 1 : clipFactor(norm, maxNorm);
  const correction1 = 1 - betas[0] ** step;
  const correction2 = Math.sqrt(1 - betas[1] ** step);
  for (const { values, gradients, mean: means, variance: variances } of parts) {
    for (let i = 0; i < values.length; i++) {
      const gradient = Math.fround(clip * gradients[i]) + weightDecay * values[i];
      const mean = betas[0] * means[i] + (1 - betas[0]) * gradient;
      const variance = betas[1] * variances[i] + (1 - betas[1]) * gradient * gradient;
      means[i] = mean;
      variances[i] = variance;
      values[i] -= ((learningRate / correction1) * mean) / (Math.sqrt(variance) / correction2 + epsilon);
    }
  }
  return norm;
}

/** Passes that a hypergradient takes: each leaves its gradients in the arenas. */
export interface HypergradientPasses {
  /** ∇w of the training batch; moves the running statistics. */
  trainWeights(): void;
  /** Both gradients of the validation batch at w'; running statistics stay. Gives its loss and hits. */
  validation(): { loss?: number; terms?: readonly number[]; correct?: number };
  /** ∇α of the training batch, of what is drawn at w + εv (0) or at w - εv (1). */
  trainAlpha(which: 0 | 1): void;
}

/** The weights keep their bits whatever happens. */
export function hypergradient(arenas: Arenas, command: HypergradientCommand, passes: HypergradientPasses) {
  const { weights, momentum, weightGradients, alphaGradients } = arenas;
  const { learningRate, momentum: rate, weightDecay, radius = 0.01, heldGroups } = command;
  const { maxNorm = Number.POSITIVE_INFINITY, unclamped = false } = command;
  const kept = weights.slice();
  try {
    passes.trainWeights();
    const gradientNorm = normOf(weightGradients);
    const clip = clipFactor(gradientNorm, maxNorm);
    for (let i = 0; i < weights.length; i++) {
      weights[i] = kept[i] - learningRate * (rate * momentum[i] + clip * weightGradients[i] + weightDecay * kept[i]);
    }
    for (const { offset, size } of heldGroups === undefined
      ? []
      : weightRanges(command.program.parameters.map, heldGroups)) {
      weights.set(kept.subarray(offset, offset + size), offset);
    }
    const outcome = passes.validation();
    const [direction, direct] = [weightGradients.slice(), alphaGradients.slice()];
    const norm = normOf(direction);
    const perturbed = (sign: 1 | -1) => {
      const factor = norm > 0 ? Math.fround((sign * radius) / norm) : 0;
      for (let i = 0; i < weights.length; i++) weights[i] = kept[i] + factor * direction[i];
      passes.trainAlpha(sign === 1 ? 0 : 1);
      return alphaGradients.slice();
    };
    const [plus, minus] = [perturbed(1), perturbed(-1)];
    const coefficient = unclamped ? maxNorm / (gradientNorm + 1e-6) : clip;
    const clippedNorm = norm * clipFactor(norm, maxNorm);
    const factor = norm > 0 ? Math.fround((learningRate * coefficient * clippedNorm) / (2 * radius)) : 0;
    for (let i = 0; i < direct.length; i++) alphaGradients[i] = direct[i] - factor * Math.fround(plus[i] - minus[i]);
    return { ...outcome, gradientNorm, directionNorm: norm };
  } finally {
    weights.set(kept);
  }
}
