// Which pass over its half, and which batch of that, a step of the cycle takes.
import type { SplitIndices } from '../../data/split.ts';
import type { CdartsSettings } from './settings.ts';

/** A batch of a half: in which pass over it, and where in that. */
export interface BatchPlace {
  readonly epoch: number;
  readonly step: number;
}

/** The steps of a cycle's epochs, and the batches that they take; a half that is exhausted begins its next pass. */
export class CycleBatches {
  /** Of each part of an epoch. */
  readonly steps: number;
  readonly #warmupEpochs: number;
  readonly #batches: Readonly<Record<keyof SplitIndices, number>>;

  constructor(
    split: SplitIndices,
    { batchSize, stepsPerEpoch, warmupEpochs }: Pick<CdartsSettings, 'batchSize' | 'stepsPerEpoch' | 'warmupEpochs'>,
  ) {
    const batchesOf = (half: Uint32Array) => Math.ceil(half.length / batchSize);
    this.#batches = { train: batchesOf(split.train), validation: batchesOf(split.validation) };
    this.#warmupEpochs = warmupEpochs;
    this.steps = stepsPerEpoch > 0 ? stepsPerEpoch : Math.min(this.#batches.train, this.#batches.validation);
  }

  /** Of step `step` of an epoch of the warm-up. */
  warmup(epoch: number, step: number): BatchPlace {
    return this.#place('train', epoch * this.steps + step);
  }

  /** The train half's batch of step `step` of an epoch behind the warm-up: first for E alone, then as many for both networks. */
  train(epoch: number, step: number): BatchPlace {
    return this.#place('train', (this.#warmupEpochs + 2 * epoch) * this.steps + step);
  }

  /** The validation half's batch of a joint step, of number `step` among those. */
  validation(epoch: number, step: number): BatchPlace {
    return this.#place('validation', epoch * this.steps + step);
  }

  #place(half: keyof SplitIndices, taken: number): BatchPlace {
    const batches = this.#batches[half];
    return { epoch: Math.floor(taken / batches), step: taken % batches };
  }
}
