import type { Genotype } from '../genotype/genotype.ts';
import type { UnreadableImage } from '../load/loader.ts';
import type { EpochMeasures, StepMeasures } from '../methods/measures.ts';
import type { JsonValue, RunCommand } from '../methods/method.ts';
import type { RowsByTable } from '../select/alpha.ts';

/** Before the first step: what the run works on. */
export interface StartEvent {
  readonly type: 'start';
  readonly run: RunCommand;
  /** Name of the method. */
  readonly method: string;
  /** Name of the dataset. */
  readonly dataset: string;
  /** What a user should know of it, such as batches that are missing; one line each. */
  readonly notices: readonly string[];
  /** Images that the weights learn on; these four of images. */
  readonly trainImages?: number;
  /** Images that a search's alpha learns on, or that a training is tested on; the network is validated on them. */
  readonly validationImages?: number;
  /** [height, width, channels] */
  readonly imageShape?: readonly [number, number, number];
  readonly classes?: number;
  /** Words that the weights learn on, words that the network is validated on, and how many different ones there are; of a text. */
  readonly trainWords?: number;
  readonly validationWords?: number;
  readonly vocabulary?: number;
  /** Name of the search space. */
  readonly space?: string;
  /** Cells of the network. */
  readonly layers: number;
  /** Trained weights of the network. */
  readonly parameters: number;
  /** For people, such as 'cpu (avx512, 2 threads)'. */
  readonly device: string;
  /** The one that a resumed run was on before, where it goes on with another. */
  readonly previousDevice?: string;
  readonly seed: number;
  readonly epochs: number;
  /** Of each epoch. */
  readonly steps: number;
  /** Of a run with several stages: the name of the one that it is in. */
  readonly stageName?: string;
  /** Absent when nothing is written. */
  readonly directory?: string;
  /** Where a resumed run goes on; absent for a new one. Epoch `epochs` is the end. */
  readonly resumed?: { readonly epoch: number; readonly step: number };
}

/** A stage but the first begins. */
export interface StageEvent {
  readonly type: 'stage';
  /** From 0. */
  readonly stage: number;
  readonly name: string;
  readonly epochs: number;
  /** Of each epoch. */
  readonly steps: number;
  /** Cells and trained weights of its network, where it has one of its own. */
  readonly layers?: number;
  readonly parameters?: number;
}

/** After each step. */
export interface StepEvent extends StepMeasures {
  readonly type: 'step';
  /** From 0. */
  readonly epoch: number;
  readonly epochs: number;
  /** From 0, within the epoch. */
  readonly step: number;
  readonly steps: number;
  /** Training images, or words, a second, over this step. */
  readonly imagesPerSecond?: number;
  readonly wordsPerSecond?: number;
  /** Estimated seconds until the run ends. */
  readonly secondsLeft: number;
}

/** After each epoch's validation. */
export interface EpochEvent extends EpochMeasures {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  readonly seconds: number;
}

/** The current genotype, after each epoch. */
export interface GenotypeEvent {
  readonly type: 'genotype';
  readonly epoch: number;
  readonly genotype: Genotype;
}

/** A choice that was made, such as which operation an edge keeps. */
export interface DecisionEvent {
  readonly type: 'decision';
  readonly epoch: number;
  /** What was chosen and why, under names of the method's; `told` is for people. */
  readonly decision: { readonly [name: string]: JsonValue };
}

/** A checkpoint was written. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  /** The epoch and step at which the run goes on. */
  readonly epoch: number;
  readonly step: number;
  readonly file: string;
}

/**
 * An image file that cannot be read, once a process. The next readable one of the dataset stands in for it where the network
 * learns; where it is scored the file is left out.
 */
export interface UnreadableEvent extends UnreadableImage {
  readonly type: 'unreadable';
  /** Number of such files so far. */
  readonly count: number;
}

/** What a search, and the training that follows it, reports while it goes on, told apart by `type`. */
export type SearchEvent =
  | StartEvent
  | StageEvent
  | StepEvent
  | EpochEvent
  | GenotypeEvent
  | DecisionEvent
  | CheckpointEvent
  | UnreadableEvent;

/** What a training reports while it goes on, told apart by `type`. */
export type TrainEvent = StartEvent | StepEvent | EpochEvent | CheckpointEvent | UnreadableEvent;

/** What any run reports. */
export type RunEvent = SearchEvent | TrainEvent;

/** What a finished search gives. */
export interface SearchResult {
  /** The last one where there are several. */
  readonly genotype: Genotype;
  /** By name, of a search that finds several. */
  readonly architectures?: Readonly<Record<string, Genotype>>;
  /** Of the last epoch, on the whole validation split; absent where nothing is trained: of a random search. */
  readonly validationAccuracy: number;
  readonly validationLoss: number;
  /** Of a text, whose supernet has no accuracy. */
  readonly validationPerplexity?: number;
  /** Mixing weights of each architecture parameter table, one row an edge. */
  readonly mixing: RowsByTable;
  /** What a user should know of the genotype, a line each. */
  readonly notices?: readonly string[];
  /** What the training that followed gives. */
  readonly training?: TrainResult;
  /** Absent when nothing was written. */
  readonly directory?: string;
}

/** What a finished training gives. */
export interface TrainResult {
  readonly genotype: Genotype;
  /** Of the last epoch, on the test images; of a text there is none. */
  readonly testAccuracy: number;
  /** Of a text, with the best weights: as published, and exact. */
  readonly testPerplexity?: number;
  readonly testExactPerplexity?: number;
  readonly testBitsPerWord?: number;
  /** From 0. */
  readonly bestEpoch?: number;
  readonly bestValidationPerplexity?: number;
  /** Absent where there are no more than five classes. */
  readonly testTop5?: number;
  readonly testLoss: number;
  /** The best of all epochs, where the training was told to report them: chosen by the test images. */
  readonly bestTestAccuracy?: number;
  readonly bestTestTop5?: number;
  /** Number of image files that could not be read, since this process began or resumed the training. */
  readonly unreadableImages: number;
  /** Absent when nothing was written. */
  readonly directory?: string;
}
