import { isRecord } from '../checks.ts';
import { FileError } from '../errors.ts';

/** When a language model predicted the validation text best. */
export interface BestText {
  readonly epoch: number;
  /** As published: see {@link TextScore}. */
  readonly loss: number;
}

/** What a run's values tell of its best epoch; undefined before there is one. Throws FileError for what is none. */
export function bestOf<Best extends BestText>(values: Readonly<Record<string, unknown>>): Best | undefined {
  const { best } = values;
  if (best === undefined) return undefined;
  if (isRecord(best) && Number.isInteger(best['epoch']) && typeof best['loss'] === 'number')
    return best as unknown as Best;
  throw new FileError('the checkpoint is damaged: expected epoch and loss for the metadata best');
}
