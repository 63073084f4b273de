// Which pass over its half, and which batch of that, a step of the cycle takes.
import type { SplitIndices } from '../../data/split.ts';
import type { CdartsSettings } from './settings.ts';

/** A half of the training images. */
export type Half = keyof SplitIndices;

/** A batch of a half: in which pass over it, and where in that. */
export interface BatchPlace {
  readonly half: Half;
  readonly epoch: number;
  readonly step: number;
}

type BatchSettings = Pick<
  CdartsSettings,
  | 'batchSize'
  | 'stepsPerEpoch'
  | 'sampleRatio'
  | 'warmupEpochs'
  | 'nasnetWarmup'
  | 'nasnetWarmupHalf'
  | 'iterationEpochs'
>;

/** The steps of a cycle's epochs, and the batches that they take; a half that is exhausted begins its next pass. */
export class CycleBatches {
  /** Of the warm-up's epochs, and of each pass of those behind it. */
  readonly steps: number;
  /** Of the joint part of each epoch behind the warm-up. */
  readonly jointSteps: number;
  /** Of E alone, in each of these. */
  readonly evaluationSteps: number;
  readonly #warmupEpochs: number;
  readonly #evaluationHalf: Half;
  readonly #batches: Readonly<Record<Half, number>>;

  constructor(split: SplitIndices, settings: BatchSettings) {
    const { batchSize, stepsPerEpoch, sampleRatio, warmupEpochs, nasnetWarmup, nasnetWarmupHalf, iterationEpochs } =
      settings;
    const batchesOf = (half: Uint32Array) => Math.ceil(half.length / batchSize);
    this.#batches = { train: batchesOf(split.train), validation: batchesOf(split.validation) };
    this.#warmupEpochs = warmupEpochs;
    this.#evaluationHalf = nasnetWarmupHalf;
    const all = stepsPerEpoch > 0 ? stepsPerEpoch : Math.min(this.#batches.train, this.#batches.validation);
    this.steps = Math.min(all, Math.floor(all * sampleRatio) + 1);
    this.evaluationSteps = nasnetWarmup * this.steps;
    this.jointSteps = iterationEpochs * this.steps;
  }

  /** Of step `step` of an epoch of the warm-up. */
  warmup(epoch: number, step: number): BatchPlace {
    return this.#place('train', epoch * this.steps + step);
  }

  /** Of a step of E alone in an epoch behind the warm-up. */
  evaluation(epoch: number, step: number): BatchPlace {
    return this.#place(this.#evaluationHalf, this.#before(this.#evaluationHalf, epoch) + step);
  }

  /** Of a joint step, of number `step` among those of its epoch: a batch of each half. */
  joint(epoch: number, step: number): Readonly<Record<Half, BatchPlace>> {
    const placeOf = (half: Half) => {
      const alone = half === this.#evaluationHalf ? this.evaluationSteps : 0;
      return this.#place(half, this.#before(half, epoch) + alone + step);
    };
    return { train: placeOf('train'), validation: placeOf('validation') };
  }

  /** Batches of a half that earlier epochs took, those of the warm-up included. */
  #before(half: Half, epoch: number): number {
    const warmup = half === 'train' ? this.#warmupEpochs * this.steps : 0;
    const each = this.jointSteps + (half === this.#evaluationHalf ? this.evaluationSteps : 0);
    return warmup + epoch * each;
  }

  #place(half: Half, taken: number): BatchPlace {
    const batches = this.#batches[half];
    return { half, epoch: Math.floor(taken / batches), step: taken % batches };
  }
}
