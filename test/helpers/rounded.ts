import { expect } from 'vitest';
import type { Precision } from '../../src/backend/device.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { hasRoundedKink, kinkError, roundingError } from '../../src/reference/rounding.ts';
import { largestMagnitude } from '../../src/reference/tolerance.ts';
import { expectClose } from './compare.ts';
import type { ExpectedTensor } from './kernel_case.ts';

/** A tensor of a pass whose products round their factors: as near to float64 as src/reference/rounding.ts says. */
export function expectRounded(
  actual: Float32Array,
  { values, shape, tolerance }: ExpectedTensor,
  { graph, precision, name, tensor }: { graph: Graph; precision: Precision; name: string; tensor: string },
): void {
  const isGradient = tensor.startsWith('gradient');
  if (isGradient && hasRoundedKink(graph, precision)) {
    const error = Math.hypot(...actual.map((value, i) => value - values[i]));
    const length = Math.hypot(...values);
    expect(actual.length, name).toBe(values.length);
    const allowed = kinkError(graph, precision) * length + tolerance;
    expect(error, `${name}: error of a gradient of length ${length}`).toBeLessThanOrEqual(allowed);
    return;
  }
  const added = roundingError(graph, precision, isGradient ? 'backward' : 'forward') * largestMagnitude(values);
  expectClose(actual, values, { name, shape, tolerance: tolerance + added });
}
