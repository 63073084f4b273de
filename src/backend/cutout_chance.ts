import type { Augmentation } from './device.ts';

/** How many of the 2^31 values of a word's lower bits cut a square out of an image: every backend compares with the same number. */
export function cutoutChance({ cutoutProbability = 1 }: Pick<Augmentation, 'cutoutProbability'>): number {
  return Math.round(cutoutProbability * 2 ** 31);
}
