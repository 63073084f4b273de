// Student's t distribution, by the regularised incomplete beta function: what intervals and tests of few values need.

/** Relative size of a term of a continued fraction from which on the others do not count. */
const negligible = 1e-16;
const tiny = 1e-300;
const mostTerms = 10_000;

/** The probability that a value of Student's t with so many degrees of freedom, of which there is at least one, is farther from 0 than `t`. */
export function twoSidedP(t: number, freedom: number): number {
  if (!Number.isFinite(t)) return Number.isNaN(t) ? Number.NaN : 0;
  const [x, y] = [freedom / (freedom + t * t), (t * t) / (freedom + t * t)];
  return incompleteBeta(x, y, freedom / 2, 1 / 2);
}

/** How far from 0 a value of Student's t is with a probability of at most `p`, which lies within (0, 1). */
export function twoSidedQuantile(p: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (twoSidedP(high, freedom) > p) high *= 2;
  // Halving a double's interval ends at its last bit.
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (twoSidedP(middle, freedom) > p) low = middle;
    else high = middle;
  }
  return high;
}

/** I_x(a, b) by the continued fraction of the side on which it converges fast; `y` is 1 - x to all its digits. */
function incompleteBeta(x: number, y: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  const logX = x < 0.5 ? Math.log(x) : Math.log1p(-y);
  const logY = y < 0.5 ? Math.log(y) : Math.log1p(-x);
  const front = Math.exp(a * logX + b * logY - logBeta(a, b));
  return x < (a + 1) / (a + b + 2) ? (front * fraction(x, a, b)) / a : 1 - (front * fraction(y, b, a)) / b;
}

/** The continued fraction of the incomplete beta function, by Lentz' method (DLMF 8.17.22). */
function fraction(x: number, a: number, b: number): number {
  const safe = (value: number) => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / safe(1 - ((a + b) * x) / (a + 1));
  let value = d;
  for (let m = 1; m <= mostTerms; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let step = 1;
    for (const term of [even, odd]) {
      d = 1 / safe(1 + term * d);
      c = safe(1 + term / c);
      step = c * d;
      value *= step;
    }
    if (Math.abs(step - 1) < negligible) break;
  }
  return value;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Of Stirling's series. */
const stirling = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360_360];

/** The logarithm of the gamma function of a positive number: Stirling's series above 12, the recurrence below. */
function logGamma(x: number): number {
  if (x < 12) return logGamma(x + 1) - Math.log(x);
  const series = stirling.reduce((sum, coefficient, k) => sum + coefficient / x ** (2 * k + 1), 0);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
