import { isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';

/** The best of each over the epochs so far, perhaps of different ones. */
export interface BestScore {
  readonly accuracy: number;
  /** Where that is counted. */
  readonly top5?: number;
}

/** Where they lie among the values of a run's state, so that they survive a kill. */
const valueName = 'best';

/** The best scores of a training. */
export class BestScores {
  readonly #values: Record<string, unknown>;

  /** `values` are those of a run's state. */
  constructor(values: Record<string, unknown>) {
    this.#values = values;
    values[valueName] = { accuracy: 0 };
  }

  /** Those so far. Throws FileError for a checkpoint that holds none. */
  get now(): BestScore {
    const value = this.#values[valueName];
    const isShare = (share: unknown) => typeof share === 'number' && share >= 0 && share <= 1;
    if (isRecord(value) && isShare(value['accuracy']) && (value['top5'] === undefined || isShare(value['top5']))) {
      return value as unknown as BestScore;
    }
    throw new FileError(`the checkpoint is damaged: expected shares for the metadata ${valueName}`);
  }

  /** Takes in an epoch's. */
  take({ accuracy, top5 }: BestScore): void {
    const before = this.now;
    this.#values[valueName] = {
      accuracy: Math.max(accuracy, before.accuracy),
      ...(top5 !== undefined && { top5: Math.max(top5, before.top5 ?? 0) }),
    };
  }
}
