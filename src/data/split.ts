import { invalid } from '../errors.ts';
import { permutation } from '../random/philox.ts';

/** Dataset positions of the two parts of a split. */
export interface SplitIndices {
  readonly train: Uint32Array;
  readonly validation: Uint32Array;
}

/**
 * Splits positions 0..count-1 by a seeded permutation: the first floor(count·trainPortion) for weights, the rest for alpha
 * (arXiv:1806.09055, section 3.1). Throws ArgumentError where either part would be empty.
 */
export function splitIndices(count: number, trainPortion: number, seed: number): SplitIndices {
  if (!Number.isSafeInteger(count) || count < 2 || count > 2 ** 32 - 1) {
    throw invalid('count', 'an integer from 2 to 4294967295', count);
  }
  if (!Number.isSafeInteger(seed) || seed < 0) throw invalid('seed', 'a safe integer of at least 0', seed);
  const trainCount = Math.floor(count * trainPortion);
  if (!(trainCount >= 1 && trainCount < count)) {
    throw invalid('trainPortion', `a share that puts at least 1 of ${count} images in each part`, trainPortion);
  }
  const order = permutation({ seed, purpose: 'split', epoch: 0, step: 0 }, count);
  return { train: order.slice(0, trainCount), validation: order.slice(trainCount) };
}
