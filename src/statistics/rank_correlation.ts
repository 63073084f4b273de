// How two measures of the same things go together: by their values (Pearson), by their ranks (Spearman), by their order in pairs (Kendall).

/** From -1 to 1; null where it is not defined, since one of the two measures has the same value everywhere. */
export type Coefficient = number | null;

/** Closer to 1 than this is round-off of values that lie on a line. */
const roundOff = 1e-12;

/** Pearson's r of as many x as y. */
export function pearson(x: readonly number[], y: readonly number[]): Coefficient {
  if (isConstant(x) || isConstant(y)) return null;
  const [a, b] = [centred(x), centred(y)];
  const r = productOf(a, b) / Math.sqrt(productOf(a, a) * productOf(b, b));
  return Math.abs(r) > 1 - roundOff ? Math.sign(r) : r;
}

/** Spearman's rho: Pearson's r of the ranks, equals having the mean of theirs. */
export function spearman(x: readonly number[], y: readonly number[]): Coefficient {
  return pearson(meanRanks(x), meanRanks(y));
}

/** Kendall's tau-b: pairs in the same order less those in the opposite one, by the geometric mean of the pairs that x and y tell apart. */
export function kendall(x: readonly number[], y: readonly number[]): Coefficient {
  let [sum, apartInX, apartInY] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [Math.sign(x[i] - x[j]), Math.sign(y[i] - y[j])];
      sum += a * b;
      apartInX += Math.abs(a);
      apartInY += Math.abs(b);
    }
  }
  return apartInX === 0 || apartInY === 0 ? null : sum / Math.sqrt(apartInX * apartInY);
}

/** From 1, by rising value; equals have the mean of their ranks. */
export function meanRanks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
}

/** Not by the variance, which of equal values may be round-off. */
function isConstant(values: readonly number[]): boolean {
  return values.every((value) => value === values[0]);
}

function centred(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - mean);
}

function productOf(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
