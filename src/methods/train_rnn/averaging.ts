// When averaged SGD takes over, and how it moves (Polyak and Juditsky, 1992; AWD-LSTM, arXiv:1708.02182, as its code and torch.optim.ASGD have
// it with t0 = 0 and lambd = 0).

/** How averaged SGD stands. */
export interface Averaging {
  /** Steps that it has made. */
  readonly steps: number;
  /** Rate factor of the last of them. */
  readonly factor: number;
}

/** Where it begins, with the next epoch. */
export const freshAveraging: Averaging = { steps: 0, factor: 1 };

/** The rate factor that its next step moves by: that of the step before, but for the first one. */
export function laggingFactor({ steps, factor }: Averaging, own: number): number {
  return steps === 0 ? own : factor;
}

/** What the average keeps of itself in its k-th step, k from 1: it is the mean of w_2 to w_k, and w_1 after the first. */
export function averageKept(k: number): number {
  return k <= 2 ? 0 : 1 - 1 / (k - 1);
}

/**
 * Whether averaged SGD takes over behind an epoch: `loss` is worse than the best of those before, but for the last `nonmono` of them, and
 * there are more than so many. `recorded` holds the validation losses of the epochs before.
 */
export function takesOver(recorded: readonly number[], loss: number, nonmono: number): boolean {
  return recorded.length > nonmono && loss > Math.min(...recorded.slice(0, -nonmono));
}
