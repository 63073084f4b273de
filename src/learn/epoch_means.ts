import { FileError } from '../errors.ts';
import type { Validation } from './validate.ts';

/** What an epoch came to, by the names that events have. */
export interface EpochMeasures {
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
}

/**
 * Means over an epoch's training batches, and the last epoch's validation. Everything lies in `values`, under the names that checkpoints
 * have, so that it survives a kill.
 */
export class EpochMeans {
  readonly #values: Record<string, unknown>;
  readonly #images: number;

  /** `values` are those of a run's state, `images` those of an epoch. */
  constructor(values: Record<string, unknown>, images: number) {
    this.#values = values;
    this.#images = images;
    Object.assign(values, { loss_sum: 0, correct: 0 });
  }

  /** Takes in a step's training batch. */
  add(samples: number, { loss, correct }: { readonly loss: number; readonly correct: number }): void {
    this.#values['loss_sum'] = this.#number('loss_sum') + loss * samples;
    this.#values['correct'] = this.#number('correct') + correct;
  }

  /** Ends an epoch with its validation: the next one counts anew. */
  end({ loss, accuracy, top5 }: Validation): EpochMeasures {
    const measures = {
      trainLoss: this.#number('loss_sum') / this.#images,
      trainAccuracy: this.#number('correct') / this.#images,
      validationLoss: loss,
      validationAccuracy: accuracy,
    };
    Object.assign(this.#values, {
      ...{ loss_sum: 0, correct: 0, validation_loss: loss, validation_accuracy: accuracy },
      ...(top5 !== undefined && { validation_top5: top5 }),
    });
    return measures;
  }

  /** Of the last epoch that ended. */
  get validation(): Validation {
    const top5 = 'validation_top5' in this.#values ? { top5: this.#number('validation_top5') } : {};
    return { loss: this.#number('validation_loss'), accuracy: this.#number('validation_accuracy'), ...top5 };
  }

  #number(name: string): number {
    const value = this.#values[name];
    if (typeof value === 'number') return value;
    throw new FileError(`the checkpoint is damaged: expected a number for the metadata ${name} but got ${value}`);
  }
}
