import type { Parameters } from '../backend/parameters.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { UnreadableImage } from '../load/loader.ts';

/** What one step of a run came to. */
export interface StepResult {
  /** Training images of the step. */
  readonly count: number;
  readonly loss: number;
  readonly correct: number;
  /** Of a search: the loss that alpha learned from. */
  readonly validationLoss?: number;
  readonly gradientNorm: number;
}

/** How well the network does on images that it does not learn from. */
export interface Validation {
  /** Mean over the images. */
  readonly loss: number;
  readonly accuracy: number;
  /** Share of images whose label is among the five largest logits, where that is counted. */
  readonly top5?: number;
}

/** What a run does, step by step and epoch by epoch: the part in which kinds of run differ. */
export interface Work extends Disposable {
  /** Images of an epoch. */
  readonly trainImages: number;
  /** Of each epoch. */
  readonly steps: number;
  /** Kept with the parameters, where the run averages them. */
  readonly averages?: Parameters;
  /** Goes into files of weights, so that they can be used by themselves. */
  readonly metadata?: Readonly<Record<string, string>>;
  learningRate(epoch: number): number;
  /** Takes a step; `update` counts all steps of the run from 0. */
  step(epoch: number, step: number, update: number): Promise<StepResult>;
  /** Rejects with AbortedError on a signal. */
  validate(signal: AbortSignal | undefined): Promise<Validation>;
  /** Image files that turned out to be unreadable since this was last called. */
  takeUnreadable?(): readonly UnreadableImage[];
  /** What a search has found so far. */
  genotype?(): Promise<Genotype>;
}
