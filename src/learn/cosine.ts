/** From where to where a learning rate goes, and in how many epochs. */
export interface CosineSchedule {
  readonly learningRate: number;
  readonly learningRateMin: number;
  readonly epochs: number;
}

/**
 * The weights' learning rate in an epoch (from 0): cosine annealing without restarts (Loshchilov and Hutter,
 * arXiv:1608.03983, equation 5), constant within the epoch.
 */
export function cosineLearningRate({ learningRate, learningRateMin, epochs }: CosineSchedule, epoch: number): number {
  return learningRateMin + ((learningRate - learningRateMin) * (1 + Math.cos((Math.PI * epoch) / epochs))) / 2;
}
