// What tells how good an architecture is: trainings from scratch, or a benchmark.
import type { Architecture } from './architectures.ts';
import type { FoundCell, ProtocolPlace } from './events.ts';
import type { Failure } from './failures.ts';
import type { MeasuredArm, ProtocolMeasure } from './table.ts';

/** Scores of an architecture by name of the measure. */
export interface Scored {
  readonly scores: Readonly<Record<string, number>>;
  /** On images to validate on, after a brief training. */
  readonly briefs?: Readonly<Record<string, number>>;
  /** Why that training came to nothing, where it did. */
  readonly briefFailure?: Failure;
}

/** Scores architectures. */
export interface Scorer {
  readonly measures: readonly ProtocolMeasure[];
  /** Runs that it takes of each. */
  readonly trainings: number;
  /** Of a benchmark: the cells that it was asked for so far. */
  readonly cells?: readonly FoundCell[];
  score(place: Pick<ProtocolPlace, 'arm' | 'seed'>, architecture: Architecture): Promise<Scored | Failure>;
  /** All architectures of the space that a search has recorded, where they are known. */
  whole?(directory: string, measure: string): Promise<MeasuredArm['whole']>;
}
