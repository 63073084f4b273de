import type { SearchSettings } from './settings.ts';

/**
 * The weights' learning rate in an epoch (from 0): cosine annealing without restarts (Loshchilov and Hutter,
 * arXiv:1608.03983, equation 5), constant within the epoch.
 */
export function cosineLearningRate(
  settings: Pick<SearchSettings, 'learningRate' | 'learningRateMin' | 'epochs'>,
  epoch: number,
): number {
  const { learningRate, learningRateMin, epochs } = settings;
  return learningRateMin + ((learningRate - learningRateMin) * (1 + Math.cos((Math.PI * epoch) / epochs))) / 2;
}
