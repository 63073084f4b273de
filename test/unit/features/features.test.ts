import { describe, expect, it } from 'vitest';
import { clustered, correlated } from '../../../src/features/clusters.ts';
import { FeatureMoments, meanCorrelation } from '../../../src/features/correlation.ts';
import { principalCoordinates } from '../../../src/features/projection.ts';
import { normal } from '../../../src/random/philox.ts';

const drawn = (seed: number, count: number) => normal({ seed, purpose: 'weights', epoch: 0, step: 0 }, count);

/** Images of 3 candidates with 5 features each: the second is near the first, the third turned around. */
function images(count: number): Float32Array[][] {
  return Array.from({ length: count }, (_, n) => {
    const [a, b] = [drawn(2 * n, 5), drawn(2 * n + 1, 5)];
    return [
      Float32Array.from(a, (value) => 100 + value),
      Float32Array.from(a, (value, d) => value + 0.3 * b[d]),
      Float32Array.from(a, (value) => 7 - 2 * value),
    ];
  });
}

describe('FeatureMoments', () => {
  it('gives in one pass what two passes give', () => {
    const all = images(200);
    const moments = new FeatureMoments(3, 5);
    for (const image of all) moments.add(image);
    const means = [0, 1, 2].map((i) => [0, 1, 2, 3, 4].map((d) => all.reduce((sum, f) => sum + f[i][d], 0) / 200));
    const product = (i: number, j: number) =>
      all.reduce(
        (sum, f) => sum + means[i].reduce((own, mean, d) => own + (f[i][d] - mean) * (f[j][d] - means[j][d]), 0),
        0,
      );
    const correlation = moments.correlation();
    for (let i = 0; i < 3; i++) {
      expect(Math.max(...means[i].map((mean, d) => Math.abs(mean - moments.means[i][d])))).toBeLessThan(1e-12);
      for (let j = 0; j < 3; j++) {
        expect(correlation[i][j]).toBeCloseTo(product(i, j) / Math.sqrt(product(i, i) * product(j, j)), 12);
      }
    }
    expect(correlation[0][2]).toBeCloseTo(-1, 6);
    expect(moments.images).toBe(200);
  });

  it('says 0 of a candidate that never changes', () => {
    const moments = new FeatureMoments(2, 1);
    for (const value of [1, 2, 3]) moments.add([Float32Array.of(value), Float32Array.of(4)]);
    expect(moments.correlation()).toEqual([
      [expect.closeTo(1, 12), 0],
      [0, 0],
    ]);
  });

  it('averages correlations', () => {
    expect(
      meanCorrelation([
        [
          [1, 0.5],
          [0.5, 1],
        ],
        [
          [1, 0],
          [0, 1],
        ],
      ]),
    ).toEqual([
      [1, 0.25],
      [0.25, 1],
    ]);
  });
});

describe('principalCoordinates', () => {
  it('keeps all distances, the largest variance first', () => {
    const vectors = Array.from({ length: 5 }, (_, i) => Float64Array.from(drawn(i, 300)));
    const points = principalCoordinates(vectors);
    const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Math.sqrt(Array.from(a).reduce((sum, value, d) => sum + (value - b[d]) ** 2, 0));
    for (let i = 0; i < 5; i++) {
      for (let j = 0; j < i; j++) {
        expect(distance(points[i], points[j])).toBeCloseTo(distance(vectors[i], vectors[j]), 10);
      }
    }
    const variance = (axis: number) => points.reduce((sum, point) => sum + point[axis] ** 2, 0);
    for (let axis = 1; axis < 5; axis++) expect(variance(axis)).toBeLessThanOrEqual(variance(axis - 1));
    expect(variance(4)).toBeCloseTo(0, 10);
  });

  it('puts points of one line on one axis', () => {
    const points = principalCoordinates([0, 1, 4].map((at) => Float64Array.of(3 * at, 4 * at)));
    expect(points.map(([, second]) => Math.abs(second)).every((value) => value < 1e-6)).toBe(true);
    expect(points.map(([first]) => Math.abs(first))).toEqual([25 / 3, 10 / 3, 35 / 3].map((x) => expect.closeTo(x, 9)));
  });
});

describe('clustered', () => {
  it('finds the best of all partitions', () => {
    const points = [0, 0.1, 5, 5.2, 9, 9.1, 9.3].map((x) => [x, 0]);
    expect(clustered(points, 3)).toEqual([0, 0, 1, 1, 2, 2, 2]);
    expect(clustered(points, 2)).toEqual([0, 0, 1, 1, 1, 1, 1]);
    expect(clustered(points, 7)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('takes k-means where there are too many', () => {
    const points = Array.from({ length: 12 }, (_, i) => [10 * (i % 3), i / 100]);
    expect(clustered(points, 3)).toEqual(points.map((_, i) => i % 3));
  });
});

describe('correlated', () => {
  const correlation = [
    [1, 0.9, 0.1, 0],
    [0.9, 1, 0.2, 0],
    [0.1, 0.2, 1, 0.8],
    [0, 0, 0.8, 1],
  ];

  it('joins what correlates most, up to the widest gap', () => {
    expect(correlated(correlation)).toEqual([0, 0, 1, 1]);
  });

  it('makes as many groups as it is told to', () => {
    expect([1, 2, 3, 4].map((groups) => correlated(correlation, groups))).toEqual([
      [0, 0, 0, 0],
      [0, 0, 1, 1],
      [0, 0, 1, 2],
      [0, 1, 2, 3],
    ]);
  });
});
