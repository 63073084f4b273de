// Coefficients of correlation with what so few points leave open: confidence intervals by Fisher's z.
import { type Coefficient, kendall, pearson, spearman } from './rank_correlation.ts';

/** A coefficient and where the true one lies with 95% confidence. */
export interface Association {
  /** Null where one of the two measures is the same everywhere. */
  readonly coefficient: Coefficient;
  /** Null where the coefficient is null, 1 or -1, and where there are too few points for its formula. */
  readonly interval: readonly [low: number, high: number] | null;
}

/** How two measures go together, in three ways. */
export interface Associations {
  /** tau-b; an interval takes 5 points. */
  readonly kendall: Association;
  /** Equals have the mean of their ranks; an interval takes 4 points. */
  readonly spearman: Association;
  /** An interval takes 4 points. */
  readonly pearson: Association;
}

/** The normal distribution has 95% within so many deviations. */
const deviations = 1.959963984540054;

/**
 * All three coefficients, with intervals tanh(atanh r ± 1.96 s). s² is 1/(n - 3) for Pearson (Fisher), (1 + r²/2)/(n - 3) for Spearman (Bonett
 * and Wright 2000), 0.437/(n - 4) for Kendall (Fieller, Hartley and Pearson 1957).
 */
export function associationsOf(x: readonly number[], y: readonly number[]): Associations {
  const { length } = x;
  const [tau, rho, r] = [kendall(x, y), spearman(x, y), pearson(x, y)];
  return {
    kendall: associated(tau, 0.437, length - 4),
    spearman: associated(rho, 1 + (rho ?? 0) ** 2 / 2, length - 3),
    pearson: associated(r, 1, length - 3),
  };
}

/** The variance of Fisher's z is `spread` / `freedom`. */
function associated(coefficient: Coefficient, spread: number, freedom: number): Association {
  if (coefficient === null || Math.abs(coefficient) === 1 || freedom <= 0) return { coefficient, interval: null };
  const z = Math.atanh(coefficient);
  const reach = deviations * Math.sqrt(spread / freedom);
  return { coefficient, interval: [Math.tanh(z - reach), Math.tanh(z + reach)] };
}
