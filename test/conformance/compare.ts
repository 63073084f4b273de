import { placeOf, worstDifference } from '../helpers/difference.ts';
import type { Tensors } from './subject.ts';
import type { Allowed } from './tolerances.ts';

/** How two backends did on one trial. */
export interface Comparison {
  /** Largest deviation as a share of what is allowed, by direction; above 1 is a failure. */
  readonly forward: number;
  readonly backward: number;
  /** One line a tensor that is too far off: its worst element, where it lies, and both values. */
  readonly failures: readonly string[];
}

/** Compares tensor by tensor. `names` are those of the backends. */
export function compareTensors(
  first: Tensors,
  second: Tensors,
  allowed: ReadonlyMap<string, Allowed>,
  names: readonly [string, string],
): Comparison {
  const shares = { forward: 0, backward: 0 };
  const failures: string[] = [];
  for (const [name, { shape, direction, error }] of allowed) {
    const [a, b] = [first.get(name), second.get(name)];
    if (a === undefined || b === undefined || a.length !== b.length) {
      shares[direction] = Number.POSITIVE_INFINITY;
      failures.push(`${name}: ${names[0]} gives ${a?.length ?? 'no'} elements, ${names[1]} ${b?.length ?? 'none'}`);
      continue;
    }
    const limit = 'absolute' in error ? error.absolute : error.relative * Math.max(largest(a), largest(b));
    const worst = worstDifference(a, b);
    const share = worst.error === 0 ? 0 : worst.error / limit;
    shares[direction] = Math.max(shares[direction], share);
    if (share <= 1) continue;
    const at = placeOf(worst.index, shape.length === 0 ? undefined : shape);
    failures.push(
      `${name}: at ${at} ${names[0]} has ${a[worst.index]}, ${names[1]} ${b[worst.index]} ` +
        `(${worst.error.toExponential(1)} apart, allowed ${limit.toExponential(1)})`,
    );
  }
  return { ...shares, failures };
}

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
