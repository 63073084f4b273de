// What scores decide (DARTS-PT, arXiv:2108.04392): the absence that hurts most tells what stays, the one that hurts least what goes.

/** What a score is judged by. */
export const criteria = ['acc', 'loss'] as const;

/** One of {@link criteria}. */
export type Criterion = (typeof criteria)[number];

/** How the supernet does without something. */
export interface AbsenceScore {
  readonly accuracy: number;
  readonly loss: number;
}

/** The candidate without which the supernet does worst, of equals the first. */
export function mostMissed(scores: readonly AbsenceScore[], criterion: Criterion): number {
  return scores.reduce(
    (best, score, index) => (worth(score, criterion) < worth(scores[best], criterion) ? index : best),
    0,
  );
}

/** The one without which it does best, of equals the last. */
export function leastMissed(scores: readonly AbsenceScore[], criterion: Criterion): number {
  return scores.reduce(
    (best, score, index) => (worth(score, criterion) >= worth(scores[best], criterion) ? index : best),
    0,
  );
}

/** Larger where the supernet does better. */
export function worth({ accuracy, loss }: AbsenceScore, criterion: Criterion): number {
  return criterion === 'acc' ? accuracy : -loss;
}
