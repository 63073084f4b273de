import type { Shape } from '../../src/graph/graph.ts';

/** The element in which two arrays of one length differ most; NaN in either counts as infinitely far. Index -1 of empty ones. */
export function worstDifference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): { index: number; error: number } {
  let worst = { index: expected.length === 0 ? -1 : 0, error: 0 };
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    const error = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (error > worst.error) worst = { index: i, error };
  }
  return worst;
}

/** Coordinates of a flat index, such as `[1, 4, 2, 15]`; without a shape the index. */
export function placeOf(index: number, shape: Shape | undefined): string {
  if (shape === undefined) return `index ${index}`;
  const coordinates: number[] = [];
  let rest = index;
  for (const length of [...shape].reverse()) {
    coordinates.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return `[${coordinates.join(', ')}]`;
}
