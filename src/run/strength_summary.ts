// What strengths of candidates say of alpha: plain numbers.
import type { CellKey } from '../genotype/genotype.ts';
import type { AbsenceScore } from '../select/absence.ts';
import { type Association, associationsOf } from '../statistics/association.ts';
import { type Coefficient, spearman } from '../statistics/rank_correlation.ts';

/** A candidate of an edge: what alpha says of it, and how much the supernet needs it. */
export interface CandidateStrength extends AbsenceScore {
  readonly candidate: string;
  readonly alpha: number;
  /** What the supernet weighs it with. */
  readonly mixing: number;
  /** Larger for what is needed more, in accuracy or loss: what its absence costs or, of one alone on its edge, how well the network does. */
  readonly strength: number;
  /** Of one alone on its edge: accuracies before the first epoch of fine-tuning and after each. */
  readonly accuracies?: readonly number[];
}

/** The candidates of an edge. */
export interface EdgeStrength {
  readonly cell: CellKey;
  /** From 0. */
  readonly node: number;
  readonly input: number;
  /** In the order of the space, `none` among them. */
  readonly candidates: readonly CandidateStrength[];
  /** The candidate of the largest mixing weight, and the strongest one; of equals the first. */
  readonly largest: string;
  readonly strongest: string;
  /** Whether the one of the largest weight is as strong as any. */
  readonly agrees: boolean;
  /** Spearman's rho of weights and strengths. */
  readonly spearman: Coefficient;
}

/** On how many edges of a cell an operation has the largest weight, and on how many it is the strongest. */
export interface OperationStrength {
  readonly cell: CellKey;
  readonly operation: string;
  readonly largest: number;
  readonly strongest: number;
}

/** Weights held against strengths. */
export interface StrengthSummary {
  readonly edges: readonly EdgeStrength[];
  /** Spearman's rho of weights and strengths of all candidates. */
  readonly spearman: Association;
  /** The mean of the coefficients of edges, where there is one. */
  readonly withinEdges: Coefficient;
  /** Edges on which the candidate of the largest weight is not the strongest. */
  readonly disagreements: number;
  readonly operations: readonly OperationStrength[];
}

/** An edge with the scores of its candidates. */
export type ScoredEdge = Pick<EdgeStrength, 'cell' | 'node' | 'input' | 'candidates'>;

/** What the strengths of some edges say. */
export function summaryOf(scored: readonly ScoredEdge[]): StrengthSummary {
  const edges = scored.map(edgeOf);
  const all = edges.flatMap(({ candidates }) => candidates);
  const own = edges.flatMap(({ spearman: rho }) => (rho === null ? [] : [rho]));
  return {
    edges,
    spearman: associationsOf(weightsOf(all), strengthsOf(all)).spearman,
    withinEdges: own.length === 0 ? null : own.reduce((sum, rho) => sum + rho, 0) / own.length,
    disagreements: edges.filter(({ agrees }) => !agrees).length,
    operations: operationsOf(edges),
  };
}

function edgeOf(edge: ScoredEdge): EdgeStrength {
  const { candidates } = edge;
  const [weights, strengths] = [weightsOf(candidates), strengthsOf(candidates)];
  const largest = weights.indexOf(Math.max(...weights));
  const strongest = strengths.indexOf(Math.max(...strengths));
  return {
    ...edge,
    largest: candidates[largest].candidate,
    strongest: candidates[strongest].candidate,
    agrees: strengths[largest] === strengths[strongest],
    spearman: spearman(weights, strengths),
  };
}

/** Those that are either anywhere, cell by cell, in the order of the space. */
function operationsOf(edges: readonly EdgeStrength[]): OperationStrength[] {
  return [...new Set(edges.map(({ cell }) => cell))].flatMap((cell) => {
    const own = edges.filter((edge) => edge.cell === cell);
    const names = new Set(own.flatMap(({ candidates }) => candidates.map(({ candidate }) => candidate)));
    return [...names].flatMap((operation) => {
      const largest = own.filter((edge) => edge.largest === operation).length;
      const strongest = own.filter((edge) => edge.strongest === operation).length;
      return largest + strongest === 0 ? [] : [{ cell, operation, largest, strongest }];
    });
  });
}

function weightsOf(candidates: readonly CandidateStrength[]): number[] {
  return candidates.map(({ mixing }) => mixing);
}

function strengthsOf(candidates: readonly CandidateStrength[]): number[] {
  return candidates.map(({ strength }) => strength);
}
