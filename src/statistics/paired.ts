// Whether two measures of the same things differ: by Student's t, and exactly, without a word on how the differences are distributed.
import { type Sample, sampleOf } from './sample.ts';
import { twoSidedP } from './student_t.ts';

/** Differences of pairs, and how probable ones as large are by chance alone. */
export interface PairedTest {
  /** Of the differences. */
  readonly sample: Sample;
  /** Student's t of the differences' mean, two-sided; null of fewer than two pairs, and where all differences are the same but for round-off. */
  readonly t: { readonly statistic: number; readonly freedom: number; readonly p: number } | null;
  /** Null without a pair. */
  readonly exact: ExactTest | null;
}

/** A test that counts cases. */
export interface ExactTest {
  /** `permutation`: all signs of the differences, each as likely. `sign`: how many differences are above 0, ties left out. */
  readonly test: 'permutation' | 'sign';
  /** Two-sided. */
  readonly p: number;
  /** The smallest that so many pairs can give. */
  readonly least: number;
}

/** All signs of so many differences are looked at: a million. */
const mostPermuted = 20;

/** Tests differences against 0. Throws ArgumentError for what are no numbers. */
export function pairedTest(differences: readonly number[]): PairedTest {
  const sample = sampleOf(differences);
  const exact =
    differences.length === 0 ? null : differences.length <= mostPermuted ? permuted(differences) : signed(differences);
  const largest = differences.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { sample, t: studentTest(sample, roundOff * largest), exact };
}

/** Relative to the largest difference: scores that differ by as much all lose digits when they are subtracted. */
const roundOff = 1e-9;

function studentTest({ n, mean, deviation }: Sample, least: number): PairedTest['t'] {
  if (mean === null || deviation === null || deviation <= least) return null;
  const statistic = mean / (deviation / Math.sqrt(n));
  return { statistic, freedom: n - 1, p: twoSidedP(statistic, n - 1) };
}

/** The share of all signs whose sum is at least as far from 0 as that of the differences as they are. */
function permuted(differences: readonly number[]): ExactTest {
  const cases = 2 ** differences.length;
  const found = Math.abs(differences.reduce((sum, value) => sum + value, 0));
  // Sums in another order: what is as far but for round-off counts.
  const limit = found - 1e-12 * differences.reduce((sum, value) => sum + Math.abs(value), 0);
  let extreme = 0;
  for (let signs = 0; signs < cases; signs++) {
    const sum = differences.reduce((total, value, i) => total + ((signs >> i) & 1 ? -value : value), 0);
    if (Math.abs(sum) >= limit) extreme++;
  }
  return { test: 'permutation', p: extreme / cases, least: 2 / cases };
}

/** Binomial, of the differences that are not 0. */
function signed(differences: readonly number[]): ExactTest {
  const apart = differences.filter((value) => value !== 0);
  const n = apart.length;
  const above = apart.filter((value) => value > 0).length;
  const tail = Math.min(above, n - above);
  // As logarithms: of a thousand pairs the first are below the smallest double.
  let [term, sum] = [n * Math.log(0.5), 0];
  for (let k = 0; k <= tail; k++) {
    sum += Math.exp(term);
    term += Math.log((n - k) / (k + 1));
  }
  return { test: 'sign', p: Math.min(1, 2 * sum), least: Math.min(1, 2 * 0.5 ** n) };
}
