// What few values say of the mean that they are drawn around.
import { check, finite, listOf } from '../checks.ts';
import { twoSidedQuantile } from './student_t.ts';

/** A sample of a measure. */
export interface Sample {
  readonly n: number;
  /** Null without a value. */
  readonly mean: number | null;
  /** With n - 1 in the denominator; null of fewer than two values. */
  readonly deviation: number | null;
  /** Where the true mean lies with 95% confidence, by Student's t; null of fewer than two values. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** Chance that an interval misses. */
const missed = 0.05;

const numbers = listOf(finite, 'a list of finite numbers');

/** Mean, deviation and 95% interval of some values. Throws ArgumentError for what are no numbers. */
export function sampleOf(values: readonly number[]): Sample {
  check('values', values, numbers);
  const n = values.length;
  if (n === 0) return { n, mean: null, deviation: null, interval: null };
  const mean = meanOf(values);
  if (n === 1) return { n, mean, deviation: null, interval: null };
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  const reach = (twoSidedQuantile(missed, n - 1) * deviation) / Math.sqrt(n);
  return { n, mean, deviation, interval: [mean - reach, mean + reach] };
}

/** The mean of at least one value; of equal ones exactly theirs. */
export function meanOf(values: readonly number[]): number {
  const [first] = values;
  return first + values.reduce((sum, value) => sum + (value - first), 0) / values.length;
}
