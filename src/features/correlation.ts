// How the features of candidates go together: means and co-moments in one pass over images (Welford; Chan, Golub, LeVeque 1983).

/** Correlation of candidates i and j, rows and columns in their order. */
export type Correlation = readonly (readonly number[])[];

/** Means and co-moments of several feature vectors of one length, image by image. */
export class FeatureMoments {
  readonly means: readonly Float64Array[];
  readonly #moments: number[][];
  readonly #deviations: readonly Float64Array[];
  #images = 0;

  /** `count` candidates whose outputs have `length` elements an image. */
  constructor(count: number, length: number) {
    const vectors = () => Array.from({ length: count }, () => new Float64Array(length));
    this.means = vectors();
    this.#deviations = vectors();
    this.#moments = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  }

  /** Images so far. */
  get images(): number {
    return this.#images;
  }

  /** Takes in the outputs of all candidates for one image. */
  add(features: readonly Float32Array[]): void {
    const share = 1 / ++this.#images;
    for (const [i, values] of features.entries()) {
      const [mean, deviation] = [this.means[i], this.#deviations[i]];
      for (let d = 0; d < mean.length; d++) {
        const difference = values[d] - mean[d];
        deviation[d] = difference;
        mean[d] += difference * share;
      }
    }
    // Both deviations are from the mean before this image, of which so much is left to the one behind it.
    for (let i = 0; i < features.length; i++) {
      for (let j = 0; j <= i; j++) this.#moments[i][j] += dot(this.#deviations[i], this.#deviations[j]) * (1 - share);
    }
  }

  /**
   * Σ over images of (f_i - mean f_i)·(f_j - mean f_j), divided by the root of the product of the two values for i and j alone (StacNAS,
   * arXiv:1909.11926): 1 on the diagonal but for a candidate that never changes.
   */
  correlation(): Correlation {
    const moment = (i: number, j: number) => this.#moments[Math.max(i, j)][Math.min(i, j)];
    return this.means.map((_, i) =>
      this.means.map((_, j) => moment(i, j) / Math.sqrt(moment(i, i) * moment(j, j) + 1e-16)),
    );
  }
}

/** The mean of correlations of the same candidates. */
export function meanCorrelation(all: readonly Correlation[]): Correlation {
  return all[0].map((row, i) =>
    row.map((_, j) => all.reduce((sum, correlation) => sum + correlation[i][j], 0) / all.length),
  );
}

/** The scalar product. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d] * b[d];
  return sum;
}
