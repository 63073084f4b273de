// Rows of mixing weights as SDARTS (Chen, Hsieh, arXiv:2002.05283) disturbs them: what leaves the simplex is put back.

/**
 * A row with entries from 0 to 1 that sum to 1: clamped, then divided by their sum; where nothing is left, all of it goes to the entry that
 * was the largest, of equals the first. In float32.
 */
export function clippedRow(row: Float32Array): Float32Array {
  const largest = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
  const clamped = row.map((value) => Math.min(1, Math.max(0, value)));
  if (clamped.every((value) => value === 0)) clamped[largest] = 1;
  const sum = clamped.reduce((a, b) => Math.fround(a + b), 0);
  return clamped.map((value) => value / sum);
}

/** A row moved by numbers of the same length, and put back. */
export function movedRow(row: Float32Array, by: ArrayLike<number>): Float32Array {
  return clippedRow(row.map((value, i) => value + by[i]));
}

/**
 * One step of the attack from a row `at` near `from`: along the sign of the gradient, then no farther than `epsilon` from `from`, then put
 * back, which may lead farther again.
 */
export function attackedRow(
  at: Float32Array,
  from: Float32Array,
  gradient: Float32Array,
  { step, epsilon }: { readonly step: number; readonly epsilon: number },
): Float32Array {
  const moved = at.map((value, i) => value + step * Math.sign(gradient[i]));
  return clippedRow(
    moved.map((value, i) => from[i] + Math.min(epsilon, Math.max(-epsilon, Math.fround(value - from[i])))),
  );
}
