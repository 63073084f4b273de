// Few points of many dimensions in as few as tell all of their distances (principal components).
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { dot } from './correlation.ts';

/** A point's coordinates, along the principal components by falling variance. */
export type Coordinates = readonly number[];

/**
 * The coordinates of vectors about their mean along their principal components: as many as vectors, the last ones 0. Each component points to
 * where the first coordinate of some size is positive.
 */
export function principalCoordinates(vectors: readonly Float64Array[]): Coordinates[] {
  const mean = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let d = 0; d < mean.length; d++) mean[d] += vector[d] / vectors.length;
  const centred = vectors.map((vector) => vector.map((value, d) => value - mean[d]));
  // The products of the vectors have the eigenvalues of their covariance, and are as few as they.
  const products = new Matrix(centred.map((a) => centred.map((b) => dot(a, b))));
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(products, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b] - realEigenvalues[a]);
  const components = order.map((component) => {
    const length = Math.sqrt(Math.max(0, realEigenvalues[component]));
    const column = vectors.map((_, point) => length * eigenvectorMatrix.get(point, component));
    const largest = Math.max(...column.map(Math.abs));
    const leading = column.find((value) => Math.abs(value) > largest / 2) ?? 0;
    return column.map((value) => (leading < 0 ? -value : value) + 0);
  });
  return vectors.map((_, point) => components.map((column) => column[point]));
}
