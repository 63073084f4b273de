import type { Genotype } from '../network/genotype.ts';

/** Before the first step: what the search works on. */
export interface StartEvent {
  readonly type: 'start';
  /** Name of the dataset. */
  readonly dataset: string;
  /** What a user should know of it, such as batches that are missing; one line each. */
  readonly notices: readonly string[];
  /** Images that the weights learn on. */
  readonly trainImages: number;
  /** Images that alpha learns on. */
  readonly validationImages: number;
  /** [height, width, channels] */
  readonly imageShape: readonly [number, number, number];
  readonly classes: number;
  /** Name of the search space. */
  readonly space: string;
  /** Cells of the supernet. */
  readonly layers: number;
  /** Trained weights of the supernet. */
  readonly parameters: number;
  /** For people, such as 'cpu (avx512, 2 threads)'. */
  readonly device: string;
  /** The one that a resumed run was on before, where it goes on with another. */
  readonly previousDevice?: string;
  readonly seed: number;
  readonly epochs: number;
  /** Of each epoch. */
  readonly steps: number;
  /** Absent when nothing is written. */
  readonly directory?: string;
  /** Where a resumed run goes on; absent for a new one. Epoch `epochs` is the end. */
  readonly resumed?: { readonly epoch: number; readonly step: number };
}

/** After each search step. */
export interface StepEvent {
  readonly type: 'step';
  /** From 0. */
  readonly epoch: number;
  readonly epochs: number;
  /** From 0, within the epoch. */
  readonly step: number;
  readonly steps: number;
  /** Mean loss of this step's training batch, at the weights before the update. */
  readonly loss: number;
  /** Share of this step's training batch classified right. */
  readonly accuracy: number;
  /** Loss of this step's validation batch, the one alpha learned from. */
  readonly validationLoss: number;
  /** Training images a second, over this step. */
  readonly imagesPerSecond: number;
  /** Estimated seconds until the search ends. */
  readonly secondsLeft: number;
}

/** After each epoch's validation. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  readonly learningRate: number;
  /** Means over the epoch's training batches. */
  readonly trainLoss: number;
  readonly trainAccuracy: number;
  /** On the whole validation split, with running statistics. */
  readonly validationLoss: number;
  readonly validationAccuracy: number;
  readonly seconds: number;
}

/** The current genotype, after each epoch. */
export interface GenotypeEvent {
  readonly type: 'genotype';
  readonly epoch: number;
  readonly genotype: Genotype;
}

/** A checkpoint was written. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  /** The epoch and step at which the run goes on. */
  readonly epoch: number;
  readonly step: number;
  readonly file: string;
}

/** What a run reports while it goes on, told apart by `type`. */
export type SearchEvent = StartEvent | StepEvent | EpochEvent | GenotypeEvent | CheckpointEvent;

/** What a finished search gives. */
export interface SearchResult {
  readonly genotype: Genotype;
  /** Of the last epoch, on the whole validation split. */
  readonly validationAccuracy: number;
  readonly validationLoss: number;
  /** Mixing weights of each architecture parameter table, one row an edge. */
  readonly mixing: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** Absent when nothing was written. */
  readonly directory?: string;
}
