import { expect } from 'vitest';
import type { Shape } from '../../src/graph/graph.ts';
import { placeOf, worstDifference } from './difference.ts';
import type { PreparedCase } from './kernel_case.ts';

/** How an array is compared: what it is (op, case, tensor), the absolute error allowed, and its axes for the message. */
export interface Comparison {
  readonly name: string;
  readonly tolerance: number;
  /** Without it a place is a flat index. */
  readonly shape?: Shape;
}

/** Fails with the worst element, its place and both values when any differs by more than the tolerance or is NaN. */
export function expectClose(actual: Float32Array, expected: Float64Array, comparison: Comparison): void {
  const { name, tolerance } = comparison;
  if (actual.length !== expected.length) {
    expect.fail(`${name}: expected ${expected.length} elements but got ${actual.length}`);
  }
  const wrong = expected.reduce((count, value, i) => count + (Math.abs(actual[i] - value) <= tolerance ? 0 : 1), 0);
  if (wrong === 0) return;
  const { index, error } = worstDifference(actual, expected);
  expect.fail(
    `${name}: ${wrong} of ${expected.length} elements are off by more than ${tolerance.toExponential(2)}; the worst, at ` +
      `${placeOf(index, comparison.shape)}, is ${actual[index]} instead of ${expected[index]} (off by ${error.toExponential(2)})`,
  );
}

/** Fails with the first element whose bits differ. */
export function expectSameBits(actual: Float32Array, expected: Float32Array, name: string, shape?: Shape): void {
  if (actual.length !== expected.length) {
    expect.fail(`${name}: expected ${expected.length} elements but got ${actual.length}`);
  }
  const actualBits = new Uint32Array(actual.buffer, actual.byteOffset, actual.length);
  const expectedBits = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  const first = actualBits.findIndex((bits, i) => bits !== expectedBits[i]);
  if (first < 0) return;
  const [a, e] = [actualBits[first], expectedBits[first]].map((bits) => `0x${bits.toString(16).padStart(8, '0')}`);
  expect.fail(`${name}: ${placeOf(first, shape)} is ${actual[first]} (${a}) instead of ${expected[first]} (${e})`);
}

/** Evaluation leaves batch-norm buffers as they were. */
export function expectUntouched(
  prepared: PreparedCase,
  buffers: ReadonlyMap<string, Float32Array>,
  title: string,
): void {
  for (const [name, values] of buffers) {
    const before = Float32Array.from(prepared.parameters.get(name) ?? []);
    expectSameBits(values, before, `${title} / ${name} after evaluation`);
  }
}
