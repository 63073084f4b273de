// What a protocol tells while it goes on, and what it comes to.
import type { RunEvent } from '../run/events.ts';
import type { Failure } from './failures.ts';
import type { ProtocolTable } from './table.ts';

/** Which run of a protocol. */
export interface ProtocolPlace {
  readonly arm: string;
  readonly seed: number;
  readonly part: ProtocolPart;
  /** From 0, of so many. */
  readonly index: number;
  readonly runs: number;
}

/** What a run is for; its folder is called so. */
export type ProtocolPart = 'search' | 'select' | 'train' | 'brief';

/** Told apart by `type`: what a run reports, a run that came to nothing, and what an arm came to with a seed. */
export type ProtocolEvent =
  | (ProtocolPlace & { readonly type: 'run'; readonly event: RunEvent })
  | (FailedOutcome & { readonly type: 'failed' })
  | {
      readonly type: 'score';
      readonly arm: string;
      readonly seed: number;
      /** By name of the measure or of the benchmark's column. */
      readonly scores: Readonly<Record<string, number>>;
    };

/** An arm that came to nothing with a seed. */
export interface FailedOutcome extends Failure {
  readonly arm: string;
  readonly seed: number;
}

/** A cell that a benchmark was asked for. */
export interface FoundCell {
  readonly arm: string;
  readonly seed: number;
  readonly index: number;
  readonly structure: string;
  /** By column: in percent, its rank among all cells, and the lowest and highest of those that are isomorphic to it. */
  readonly accuracies: Readonly<Record<string, FoundAccuracy>>;
}

/** What a column says of a cell. */
export interface FoundAccuracy {
  readonly accuracy: number;
  readonly rank: number;
  readonly of: number;
  readonly isomorphic: { readonly cells: number; readonly lowest: number; readonly highest: number };
}

/** What a protocol came to. */
export interface ProtocolResult {
  readonly directory: string;
  readonly seeds: readonly number[];
  /** Of trainings one; of a benchmark one a column. */
  readonly tables: readonly ProtocolTable[];
  /** What there is no outcome of, and why; no table passes over it in silence. */
  readonly failures: readonly FailedOutcome[];
  /** Of a benchmark. */
  readonly cells?: readonly FoundCell[];
}
