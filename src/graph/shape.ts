import type { Shape } from './graph.ts';

/** Elements of a shape, times those of a batch. */
export function elementsOf(shape: Shape, batchSize = 1): number {
  return shape.reduce((product, length) => product * length, batchSize);
}
