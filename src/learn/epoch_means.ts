import { FileError } from '../errors.ts';
import { inWords } from '../words.ts';

/** How well a network does on images that it does not learn from. */
export interface Validation {
  /** Mean over the images. */
  readonly loss: number;
  readonly accuracy: number;
  /** Share of images whose label is among the five largest logits, where that is counted. */
  readonly top5?: number;
}

/** What an epoch came to, by the names that events have; means that were asked for beside. */
export interface EpochTotals extends Readonly<Record<string, number>> {
  readonly trainLoss: number;
  readonly trainAccuracy: number;
}

/** What a step adds: its training batch's, and what else is asked for by name. */
export interface StepTotals extends Readonly<Record<string, number>> {
  readonly loss: number;
  readonly correct: number;
}

/**
 * Means over an epoch's training batches, and the last epoch's validation. Everything lies in `values`, under the names that checkpoints
 * have, so that it survives a kill.
 */
export class EpochMeans {
  readonly #values: Record<string, unknown>;
  readonly #images: number;
  readonly #others: readonly string[];

  /** `values` are those of a run's state, `images` those of an epoch, `others` what is averaged beside, weighted by images too. */
  constructor(values: Record<string, unknown>, images: number, others: readonly string[] = []) {
    this.#values = values;
    this.#images = images;
    this.#others = others;
    Object.assign(values, this.#zeros());
  }

  /** Takes in a step with a training batch of `samples` images. */
  add(samples: number, { loss, correct, ...others }: StepTotals): void {
    this.#values['loss_sum'] = this.#number('loss_sum') + loss * samples;
    this.#values['correct'] = this.#number('correct') + correct;
    for (const name of this.#others) this.#values[sumOf(name)] = this.#number(sumOf(name)) + others[name] * samples;
  }

  /** Ends an epoch with its validation, where it has one: the next one counts anew. */
  end(validation?: Validation): EpochTotals {
    const others = this.#others.map((name) => [name, this.#number(sumOf(name)) / this.#images]);
    const measures = {
      trainLoss: this.#number('loss_sum') / this.#images,
      trainAccuracy: this.#number('correct') / this.#images,
      ...(validation && { validationLoss: validation.loss, validationAccuracy: validation.accuracy }),
      ...Object.fromEntries(others),
    };
    Object.assign(this.#values, this.#zeros(), validation && valuesOf(validation));
    return measures;
  }

  /** Of the last epoch that ended. */
  get validation(): Validation {
    const top5 = 'validation_top5' in this.#values ? { top5: this.#number('validation_top5') } : {};
    return { loss: this.#number('validation_loss'), accuracy: this.#number('validation_accuracy'), ...top5 };
  }

  #zeros(): Record<string, number> {
    return { loss_sum: 0, correct: 0, ...Object.fromEntries(this.#others.map((name) => [sumOf(name), 0])) };
  }

  #number(name: string): number {
    const value = this.#values[name];
    if (typeof value === 'number') return value;
    throw new FileError(`the checkpoint is damaged: expected a number for the metadata ${name} but got ${value}`);
  }
}

/** A validation by the names that checkpoints have. */
function valuesOf({ loss, accuracy, top5 }: Validation): Record<string, number> {
  return { validation_loss: loss, validation_accuracy: accuracy, ...(top5 !== undefined && { validation_top5: top5 }) };
}

/** The name of a sum in checkpoints, such as `search_loss_sum`. */
function sumOf(name: string): string {
  return `${inWords(name).replaceAll(' ', '_')}_sum`;
}
