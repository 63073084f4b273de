import { describe, expect, it } from 'vitest';
import { normal } from '../../../src/random/philox.ts';
import { associationsOf } from '../../../src/statistics/association.ts';
import { kendall, meanRanks, pearson, spearman } from '../../../src/statistics/rank_correlation.ts';

/** Stand-alone accuracies and mixing weights of StacNAS' figure, for its own search and for DARTS. */
const published = {
  stacnas: [
    [97.09, 97.26, 97.34, 97.5],
    [0.159, 0.199, 0.187, 0.285],
  ],
  darts: [
    [97.09, 97.11, 97.14, 97.15, 97.18, 97.19, 97.27],
    [0.067, 0.12, 0.167, 0.136, 0.077, 0.136, 0.122],
  ],
} as const;

/** As scipy.stats documents spearmanr and kendalltau: values with ties. */
const tied = [
  [12, 2, 1, 12, 2],
  [1, 4, 7, 1, 0],
] as const;

describe('coefficients', () => {
  it("are those of the paper's figure", () => {
    expect(pearson(...published.stacnas)).toBeCloseTo(0.907, 3);
    expect(pearson(...published.darts)).toBeCloseTo(0.198, 3);
    expect(kendall(...published.stacnas)).toBeCloseTo(4 / 6, 12);
    // Of 21 pairs 12 rise, 8 fall, and one is tied in its weight.
    expect(kendall(...published.darts)).toBeCloseTo((12 - 8) / Math.sqrt(21 * 20), 12);
    expect(spearman(...published.darts)).toBeCloseTo(0.3243374865704013, 14);
    // 1 - 6 Σd² / (n (n² - 1)) where nothing is tied: ranks 1 2 3 4 and 1 3 2 4.
    expect(spearman(...published.stacnas)).toBeCloseTo(1 - (6 * 2) / (4 * 15), 12);
  });

  it('are those of scipy where values are tied', () => {
    // scipy.stats.kendalltau gives -0.47140452079103173.
    expect(kendall(...tied)).toBeCloseTo(-0.47140452079103173, 14);
    // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) gives 0.8207826816681233.
    expect(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.8207826816681233, 14);
    expect(meanRanks([12, 2, 1, 12, 2])).toEqual([4.5, 2.5, 1, 4.5, 2.5]);
    expect(meanRanks([3, 3, 3])).toEqual([2, 2, 2]);
  });

  it('are what their definitions say, over every order of five', () => {
    const x = [1, 2, 3, 4, 5];
    for (const y of orders(x)) {
      const squares = y.reduce((sum, rank, i) => sum + (rank - x[i]) ** 2, 0);
      const falling = y.flatMap((later, i) => y.slice(0, i).filter((earlier) => earlier > later)).length;
      expect(spearman(x, y)).toBeCloseTo(1 - (6 * squares) / 120, 12);
      expect(kendall(x, y)).toBeCloseTo(1 - (2 * falling) / 10, 12);
    }
  });

  it('are 1 and -1 to the bit on a line, and null where one side is constant', () => {
    const x = [0.1, 0.2, 0.3, 0.7];
    const y = x.map((value) => 3 - 7 * value);
    for (const coefficient of [pearson, spearman, kendall]) {
      expect(coefficient(x, x)).toBe(1);
      expect(coefficient(x, y)).toBe(-1);
      expect(coefficient([1, 2], [7, 9])).toBe(1);
      expect(coefficient([0.1, 0.1, 0.1], [1, 2, 3])).toBeNull();
      expect(coefficient([1, 2, 3], [0.1, 0.1, 0.1])).toBeNull();
      expect(coefficient([4], [5])).toBeNull();
      expect(coefficient([], [])).toBeNull();
    }
  });
});

describe('intervals', () => {
  it('follow from the formulas that the documents name', () => {
    const { pearson: r, kendall: tau, spearman: rho } = associationsOf(...published.darts);
    // scipy.stats.pearsonr(...).confidence_interval() of both figures.
    expect(r.interval).toEqual([expect.closeTo(-0.6525762826782011, 12), expect.closeTo(0.8275118849005383, 12)]);
    expect(associationsOf(...published.stacnas).pearson.interval).toEqual([
      expect.closeTo(-0.4221836062959674, 12),
      expect.closeTo(0.9980637163902829, 12),
    ]);
    const half = (interval: readonly [number, number] | null) =>
      interval === null ? Number.NaN : (Math.atanh(interval[1]) - Math.atanh(interval[0])) / 2;
    expect(half(tau.interval)).toBeCloseTo(1.959963984540054 * Math.sqrt(0.437 / 3), 9);
    expect(half(rho.interval)).toBeCloseTo(1.959963984540054 * Math.sqrt((1 + (rho.coefficient ?? 0) ** 2 / 2) / 4), 9);
  });

  it('are none of too few points, of a whole correlation and of no correlation', () => {
    const few = associationsOf(...published.stacnas);
    expect(few.kendall).toEqual({ coefficient: 4 / 6, interval: null });
    expect(few.pearson.interval).not.toBeNull();
    expect(few.spearman.interval).not.toBeNull();
    const x = [1, 2, 3, 4, 5, 6];
    const three = associationsOf([1, 2, 3], [1, 3, 2]);
    const whole = associationsOf(x, x);
    const none = associationsOf(x, [2, 2, 2, 2, 2, 2]);
    for (const name of ['kendall', 'spearman', 'pearson'] as const) {
      expect(three[name].interval).toBeNull();
      expect(whole[name]).toEqual({ coefficient: 1, interval: null });
      expect(none[name]).toEqual({ coefficient: null, interval: null });
    }
  });

  it('hold the true coefficient about 95 times in 100', () => {
    const drawn = (seed: number) => normal({ seed, purpose: 'weights', epoch: 0, step: 0 }, 12);
    // What two normal measures with a correlation of 0.5 have: rho by asin(r/2) 6/π, tau by asin(r) 2/π.
    const truth = { pearson: 0.5, spearman: (6 / Math.PI) * Math.asin(0.25), kendall: (2 / Math.PI) * Math.asin(0.5) };
    const held = { pearson: 0, spearman: 0, kendall: 0 };
    const trials = 2000;
    for (let trial = 0; trial < trials; trial++) {
      const [a, b] = [[...drawn(2 * trial)], [...drawn(2 * trial + 1)]];
      const found = associationsOf(
        a,
        a.map((value, i) => 0.5 * value + Math.sqrt(0.75) * b[i]),
      );
      for (const name of ['pearson', 'spearman', 'kendall'] as const) {
        const [low, high] = found[name].interval ?? [Number.NaN, Number.NaN];
        if (low <= truth[name] && truth[name] <= high) held[name]++;
      }
    }
    // Three deviations of a count of 2000 are 1.5 %; Spearman's and Kendall's formulas are close to theirs alone.
    for (const count of Object.values(held)) expect(Math.abs(count / trials - 0.95)).toBeLessThan(0.025);
  });
});

function orders(values: readonly number[]): number[][] {
  if (values.length === 0) return [[]];
  return values.flatMap((first) => orders(values.filter((value) => value !== first)).map((rest) => [first, ...rest]));
}
