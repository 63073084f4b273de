// Penalties on architecture parameters, as native/engine/penalty.h has them.
import type { PenaltyCommand } from '../device.ts';
import { penaltyRows } from '../penalty_rows.ts';
import type { Arenas } from './pass.ts';

/** Adds to alpha's gradients; gives the penalty without its weight. */
export function penalise({ alpha, alphaGradients }: Arenas, command: PenaltyCommand): number {
  const { rows, counted, share } = penaltyRows(command);
  let sum = 0;
  for (const { offset, length } of rows) {
    const row = alpha.subarray(offset, offset + length);
    const { value, slopes } = termsOf(command, row, counted.subarray(offset, offset + length));
    sum += value;
    slopes.forEach((slope, k) => {
      alphaGradients[offset + k] += command.weight * share * slope;
    });
  }
  return share * sum;
}

/** A row's terms without their share, and their slopes by alpha. */
function termsOf(
  { penalty, activation }: PenaltyCommand,
  row: Float32Array,
  counted: Uint8Array,
): { readonly value: number; readonly slopes: readonly number[] } {
  const values = [...row];
  const sum = (terms: readonly number[]) => terms.reduce((total, term) => total + term, 0);
  const counting = (terms: readonly number[]) => terms.map((term, k) => (counted[k] === 1 ? term : 0));
  if (penalty === 'l1') {
    return { value: sum(counting(values.map(Math.abs))), slopes: counting(values.map(Math.sign)) };
  }
  const largest = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - largest));
  const total = sum(exponentials);
  const shares = exponentials.map((value) => value / total);
  if (penalty === 'beta') {
    const value = counted[0] === 1 ? largest + Math.log(total) : 0;
    return { value, slopes: counting(shares) };
  }
  const mixing = activation === 'sigmoid' ? values.map((value) => 1 / (1 + Math.exp(-value))) : shares;
  const distances = mixing.map((weight) => weight - 0.5);
  const squares = penalty === 'zeroOneL2';
  const value = -sum(counting(distances.map((distance) => (squares ? distance ** 2 : Math.abs(distance)))));
  const slopes = counting(distances.map((distance) => (squares ? -2 * distance : -Math.sign(distance))));
  if (activation === 'sigmoid') return { value, slopes: slopes.map((slope, k) => slope * mixing[k] * (1 - mixing[k])) };
  const mean = sum(slopes.map((slope, k) => slope * mixing[k]));
  return { value, slopes: slopes.map((slope, k) => mixing[k] * (slope - mean)) };
}
