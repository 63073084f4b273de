// Held to SciPy 1.17.1: stats.t, ttest_1samp, ttest_rel, permutation_test of samples, binomtest.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { pairedTest } from '../../../src/statistics/paired.ts';
import { sampleOf } from '../../../src/statistics/sample.ts';
import { twoSidedP, twoSidedQuantile } from '../../../src/statistics/student_t.ts';

describe("Student's t", () => {
  it.each([
    [0.5, 1, 0.7048327646991335],
    [1, 2, 0.4226497308103742],
    [2.776445, 4, 0.05000000538209156],
    [12.7, 1, 0.050024327689344165],
    [3.2, 9, 0.010831302589901321],
    [0.01, 30, 0.9920874925731777],
    [40, 3, 3.4380680789158506e-5],
    [1.96, 1000, 0.050273184955748736],
    [1e-3, 1e5, 0.9992021175668878],
    [-8, 4, 0.0013238969092171672],
    [1e6, 4, 5.99999999996e-24],
  ])('is farther from 0 than %d, with %d degrees of freedom, with p %d', (t, freedom, p) => {
    // Ten digits: the logarithms of gamma functions of the thousands lose some.
    expect(Math.abs(twoSidedP(t, freedom) / p - 1)).toBeLessThan(1e-10);
  });

  it.each([
    [1, 12.706204736174694],
    [2, 4.302652729749462],
    [3, 3.1824463052837078],
    [4, 2.7764451051977934],
    [9, 2.262157162798205],
    [29, 2.045229642132703],
    [1000, 1.9623390808264083],
  ])('has 95% within its quantile of %d degrees of freedom', (freedom, quantile) => {
    expect(twoSidedQuantile(0.05, freedom)).toBeCloseTo(quantile, 9);
  });

  it('says what is certain', () => {
    expect(twoSidedP(0, 3)).toBe(1);
    expect(twoSidedP(Number.POSITIVE_INFINITY, 3)).toBe(0);
    expect(twoSidedP(Number.NaN, 3)).toBeNaN();
  });
});

describe('sampleOf', () => {
  it('gives mean, deviation and interval', () => {
    const { n, mean, deviation, interval } = sampleOf([0.8, 1.2, -0.3, 0.5, 0.9]);
    expect([n, mean]).toEqual([5, expect.closeTo(0.62, 12)]);
    expect(deviation).toBeCloseTo(0.5718391382198319, 12);
    expect(interval![0]).toBeCloseTo(-0.09003207069143138, 9);
    expect(interval![1]).toBeCloseTo(1.3300320706914315, 9);
  });

  it('says nothing of the spread of one value, nor of none', () => {
    expect(sampleOf([])).toEqual({ n: 0, mean: null, deviation: null, interval: null });
    expect(sampleOf([0.7])).toEqual({ n: 1, mean: 0.7, deviation: null, interval: null });
    expect(sampleOf([0.1, 0.1, 0.1])).toEqual({ n: 3, mean: 0.1, deviation: 0, interval: [0.1, 0.1] });
  });

  it.each([[[Number.NaN]], [['1']], [7], [undefined]])('refuses %s', (values) => {
    expect(() => sampleOf(values as never)).toThrow(ArgumentError);
    expect(() => pairedTest(values as never)).toThrow(ArgumentError);
  });
});

describe('pairedTest', () => {
  it('tests by t and by all signs', () => {
    const { t, exact } = pairedTest([0.8, 1.2, -0.3, 0.5, 0.9]);
    expect(t).toEqual({
      ...{ statistic: expect.closeTo(2.4243918497179027, 10), freedom: 4 },
      p: expect.closeTo(0.07241839092357139, 10),
    });
    expect(exact).toEqual({ test: 'permutation', p: 0.125, least: 0.0625 });
  });

  it('is the test of pairs', () => {
    const [x, y] = [
      [81.2, 80.5, 82.1, 79.9, 80.8],
      [80.1, 80.6, 80.9, 79.2, 80.3],
    ];
    const { t, exact } = pairedTest(x.map((value, i) => value - y[i]));
    expect(t?.statistic).toBeCloseTo(2.915475947422673, 9);
    expect(t?.p).toBeCloseTo(0.04343949485670175, 9);
    expect(exact?.p).toBe(0.125);
  });

  it('counts signs where there are too many of them to look at all', () => {
    const differences = Array.from({ length: 25 }, (_, i) => ((i * 37) % 11) - 4);
    expect(pairedTest(differences).exact).toEqual({
      test: 'sign',
      p: expect.closeTo(0.5234670639038086, 12),
      least: 2 * 0.5 ** 22,
    });
  });

  it('does so for a thousand of them too', () => {
    const alternating = Array.from({ length: 1100 }, (_, i) => (i % 2 === 0 ? 1 : -1));
    expect(pairedTest(alternating).exact?.p).toBe(1);
    // 2 P(X <= 500), summed in integers.
    const fewer = Array.from({ length: 1100 }, (_, i) => (i < 500 ? 1 : -1));
    expect(pairedTest(fewer).exact?.p).toBeCloseTo(0.0028195449914364275, 12);
  });

  it('does not take round-off for a spread', () => {
    expect(pairedTest([0.82 - 0.81, 0.53 - 0.52]).t).toBeNull();
    expect(pairedTest([0.6 - 0.599, 0.7 - 0.699, 0.9 - 0.899]).t).toBeNull();
    expect(pairedTest([0.82 - 0.81, 0.53 - 0.5199]).t?.p).toBeGreaterThan(0.001);
  });

  it('has no verdict where there can be none', () => {
    expect(pairedTest([])).toMatchObject({ t: null, exact: null });
    expect(pairedTest([0.4])).toMatchObject({ t: null, exact: { p: 1, least: 1 } });
    // Equal differences have no spread to be held against, but signs.
    expect(pairedTest([1, 1, 1])).toMatchObject({ t: null, exact: { p: 0.25, least: 0.25 } });
    expect(pairedTest([0, 0, 0])).toMatchObject({ t: null, exact: { p: 1 } });
    expect(pairedTest(new Array(21).fill(0)).exact).toEqual({ test: 'sign', p: 1, least: 1 });
  });
});
