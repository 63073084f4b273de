import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { mixingWeights } from '../../../src/network/mixing.ts';

describe('mixingWeights', () => {
  it('is the softmax of each row', () => {
    const [first, second] = mixingWeights(Float32Array.of(0, Math.log(3), 5, 5, 5), [2, 3], 'softmax');
    expect(first[0]).toBeCloseTo(0.25, 7);
    expect(first[1]).toBeCloseTo(0.75, 7);
    for (const weight of second) expect(weight).toBeCloseTo(1 / 3, 15);
  });

  it('is the sigmoid of each entry', () => {
    const [row] = mixingWeights(Float32Array.of(0, 2, -2), [3], 'sigmoid');
    expect(row[0]).toBe(0.5);
    expect(row[1]).toBeCloseTo(1 / (1 + Math.exp(-2)), 15);
    expect(row[1] + row[2]).toBeCloseTo(1, 15);
  });

  it('stays finite for large values', () => {
    expect(mixingWeights(Float32Array.of(1e30, -1e30), [2], 'softmax')).toEqual([[1, 0]]);
    expect(mixingWeights(Float32Array.of(1e30, -1e30), [2], 'sigmoid')).toEqual([[1, 0]]);
  });

  it.each<[readonly unknown[], string]>([
    [[new Float32Array(2), [2], 'softmin'], "expected 'softmax' or 'sigmoid' for activation but received 'softmin'"],
    [[new Float32Array(2), [2]], "expected 'softmax' or 'sigmoid' for activation but received undefined"],
    [[[1, 2], [2], 'softmax'], 'expected a Float32Array of 2 values, one a candidate for alpha but received [1,2]'],
    [[new Float64Array(2), [2], 'softmax'], 'for alpha but received Float64Array of 16 bytes'],
    [[new Float32Array(2), 2, 'softmax'], 'for rowLengths but received 2'],
    [[new Float32Array(2), [-1, 3], 'softmax'], 'for rowLengths but received [-1,3]'],
  ])('refuses %o', (given, message) => {
    const call = () => (mixingWeights as (...given: readonly unknown[]) => unknown)(...given);
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
  });

  it('refuses a table of another size', () => {
    expect(() => mixingWeights(new Float32Array(5), [2, 2], 'softmax')).toThrow(
      'expected a Float32Array of 4 values, one a candidate for alpha',
    );
  });
});
