import { type CosineSchedule, cosineLearningRate, scheduledEpoch } from './cosine.ts';

/** How the learning rate falls from epoch to epoch. */
export const schedules = ['cosine', 'power', 'exponential'] as const;

/** What decides the learning rate of an epoch. */
export interface WarmSchedule extends CosineSchedule {
  readonly schedule: (typeof schedules)[number];
  /** Factor an epoch of the exponential schedule. */
  readonly gamma: number;
  /** Epochs in which the schedules by cosine fall, after which they rise again; all when 0. */
  readonly annealEpochs: number;
  /** Epochs over which the learning rate rises linearly to what the schedule says. */
  readonly warmupEpochs: number;
  /** In so many epochs it would get there; in as many as it rises when 0. */
  readonly warmupOver: number;
  /** Nothing rises with batches of no more images. */
  readonly warmupBatch: number;
  readonly batchSize: number;
}

/** The learning rate in an epoch (from 0), constant within it: what the schedule says, times the share that is warmed up. */
export function trainLearningRate(settings: WarmSchedule, epoch: number): number {
  const { schedule, learningRate, gamma, epochs, annealEpochs, warmupEpochs, warmupOver } = settings;
  const falling = { ...settings, epochs: annealEpochs === 0 ? epochs : annealEpochs, powerLr: schedule === 'power' };
  const scheduled =
    schedule === 'exponential'
      ? learningRate * gamma ** scheduledEpoch(settings, epoch)
      : cosineLearningRate(falling, epoch);
  if (epoch >= warmupEpochs || settings.batchSize <= settings.warmupBatch) return scheduled;
  return (scheduled * (epoch + 1)) / (warmupOver === 0 ? warmupEpochs : warmupOver);
}

/** What the probability of drop path is multiplied by in an epoch (from 0): it rises linearly, as published. */
export function dropPathFactor({ epochs }: Pick<CosineSchedule, 'epochs'>, epoch: number): number {
  return epoch / epochs;
}
