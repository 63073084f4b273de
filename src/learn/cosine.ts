import { flag } from '../setting_rules.ts';

/** From where to where a learning rate goes, and in how many epochs. */
export interface CosineSchedule {
  readonly learningRate: number;
  readonly learningRateMin: number;
  readonly epochs: number;
  /** What {@link scheduleAheadRule} tells; false when absent. */
  readonly scheduleAhead?: boolean;
  /** Falls by a power of the cosine (arXiv:1903.09900), lower than it in between; false when absent. */
  readonly powerLr?: boolean;
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
 * arXiv:1608.03983, equation 5), or by a power of it, constant within the epoch.
 */
export function cosineLearningRate(schedule: CosineSchedule, epoch: number): number {
  const { learningRate, learningRateMin, epochs } = schedule;
  const angle = (Math.PI * scheduledEpoch(schedule, epoch)) / epochs;
  if (schedule.powerLr) return learningRateMin + (learningRate - learningRateMin) * powerOf((1 + Math.cos(angle)) / 2);
  return learningRateMin + ((learningRate - learningRateMin) * (1 + Math.cos(angle))) / 2;
}

/** (p^(c + 1) - p) / (p² - p), p being 2. */
function powerOf(cosine: number): number {
  return 2 ** cosine - 1;
}
