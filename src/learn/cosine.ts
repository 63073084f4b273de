import { flag } from '../setting_rules.ts';

/** From where to where a learning rate goes, and in how many epochs. */
export interface CosineSchedule {
  readonly learningRate: number;
  readonly learningRateMin: number;
  readonly epochs: number;
  /** What {@link scheduleAheadRule} tells; false when absent. */
  readonly scheduleAhead?: boolean;
}

/** The setting of methods that have a schedule: the published codes differ. */
export const scheduleAheadRule = flag(
  false,
  'an epoch has the learning rate of the next one, as where PyTorch advances a schedule before the epoch',
);

/** Where a schedule stands in an epoch (from 0): there, or one epoch ahead. */
export function scheduledEpoch({ scheduleAhead }: Pick<CosineSchedule, 'scheduleAhead'>, epoch: number): number {
  return scheduleAhead ? epoch + 1 : epoch;
}

/**
 * The weights' learning rate in an epoch (from 0): cosine annealing without restarts (Loshchilov and Hutter,
 * arXiv:1608.03983, equation 5), constant within the epoch.
 */
export function cosineLearningRate(schedule: CosineSchedule, epoch: number): number {
  const { learningRate, learningRateMin, epochs } = schedule;
  const angle = (Math.PI * scheduledEpoch(schedule, epoch)) / epochs;
  return learningRateMin + ((learningRate - learningRateMin) * (1 + Math.cos(angle))) / 2;
}
