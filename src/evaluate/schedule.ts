import { cosineLearningRate } from '../cosine.ts';
import type { TrainSettings } from './settings.ts';

type Schedule = Pick<
  TrainSettings,
  'schedule' | 'learningRate' | 'learningRateMin' | 'gamma' | 'epochs' | 'warmupEpochs'
>;

/** The learning rate in an epoch (from 0), constant within it: what the schedule says, times the share that is warmed up. */
export function trainLearningRate(settings: Schedule, epoch: number): number {
  const { schedule, learningRate, gamma, warmupEpochs } = settings;
  const scheduled = schedule === 'cosine' ? cosineLearningRate(settings, epoch) : learningRate * gamma ** epoch;
  return epoch < warmupEpochs ? (scheduled * (epoch + 1)) / warmupEpochs : scheduled;
}

/** What the probability of drop path is multiplied by in an epoch (from 0): it rises linearly, as published. */
export function dropPathFactor({ epochs }: Pick<TrainSettings, 'epochs'>, epoch: number): number {
  return epoch / epochs;
}
