// What a run has to show, as plain data: what its dashboard page, its report and its TensorBoard files are made of, whatever its method.
import type { Genotype } from '../genotype/genotype.ts';
import type { Criterion } from '../select/absence.ts';
import type { MixingHistory } from '../select/history.ts';
import type { DrawnDecision } from './draw_scores.ts';

/** What the values of a series are; a share is from 0 to 1. */
export type SeriesUnit = 'share' | 'loss' | 'rate' | 'perplexity' | 'seconds' | 'samples a second';

/** A measure as it moved in a run. */
export interface Series {
  /** Among the fields of step or epoch events, such as `validationLoss`. */
  readonly name: string;
  readonly of: 'step' | 'epoch';
  /** For people: `validation loss`. */
  readonly title: string;
  readonly unit: SeriesUnit;
  readonly better?: 'lower' | 'higher';
  /** Steps, or epochs, that lie behind each value, over all stages. */
  readonly x: readonly number[];
  /** As long. Where a series was too long to be kept whole, means of neighbours. */
  readonly y: readonly number[];
}

/** A stage of a run. */
export interface StageView {
  readonly name: string;
  readonly epochs: number;
  /** Of its first epoch. */
  readonly steps: number;
  /** Steps and epochs of the run that lie before it. */
  readonly before: { readonly step: number; readonly epoch: number };
  /** How its mixing weights moved, where it tells. */
  readonly history?: MixingHistory;
  readonly genotypes: readonly GenotypeView[];
  readonly decisions: readonly DecisionView[];
}

/** What an epoch of a stage came to. */
export interface GenotypeView {
  /** Epochs that the stage had behind it. */
  readonly epoch: number;
  readonly genotype: Genotype;
}

/** A choice at an epoch's end. */
export interface DecisionView {
  readonly epoch: number;
  /** For people. */
  readonly told: string;
}

/** How a run is; `unseen` where a process of another machine or container may work on it. */
export type RunState = 'running' | 'finished' | 'interrupted' | 'unseen';

/** A run on one line of a list. */
export interface RunSummary {
  /** Such as its directory within the folder that was looked through. */
  readonly name: string;
  readonly state: RunState;
  /** Such as `search`, `train`. */
  readonly command?: string;
  readonly method?: string;
  readonly dataset?: string;
  readonly space?: string;
  readonly seed?: number;
  readonly device?: string;
  /** When it began, and when something was last written, in ISO 8601. */
  readonly started?: string;
  readonly changed?: string;
  readonly progress?: ProgressView;
  /** The newest value of the measure that counts most, such as `validation accuracy`. */
  readonly score?: { readonly title: string; readonly unit: SeriesUnit; readonly value: number };
  /** What is wrong with its files, a line each. */
  readonly problems: readonly string[];
}

/** How far a run is. */
export interface ProgressView {
  /** Of the stage, where there are several. */
  readonly stage?: string;
  /** Epochs of the stage that are done. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of the epoch that are done. */
  readonly step: number;
  readonly steps: number;
  readonly secondsLeft?: number;
}

/** A run with all that it has to show. */
export interface RunView extends RunSummary {
  /** Title of the method, and its paper. */
  readonly title?: string;
  readonly paper?: string;
  readonly series: readonly Series[];
  readonly stages: readonly StageView[];
  /** What a selection decided by which scores. */
  readonly scores?: { readonly criterion: Criterion; readonly decisions: readonly DrawnDecision[] };
  /** By name, as config.json has them. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, unknown>>;
  /** What happened, the first first: starts, notices, stages, decisions, the end. */
  readonly log: readonly LogLine[];
  /** What the run came to: scores by the names of results. */
  readonly result?: { readonly genotype?: Genotype; readonly scores: Readonly<Record<string, number>> };
}

/** What a run came to, or stands at. */
export function lastGenotype({ result, stages }: RunView): Genotype | undefined {
  return result?.genotype ?? stages.flatMap(({ genotypes }) => genotypes).at(-1)?.genotype;
}

/** A line of a run's log. */
export interface LogLine {
  /** In ISO 8601, where it is known. */
  readonly time?: string;
  /** Epochs of the run behind it. */
  readonly epoch: number;
  readonly text: string;
}
