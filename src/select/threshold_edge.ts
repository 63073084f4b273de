// FairDARTS (Chu, Zhou, Zhang, Li, arXiv:1911.12126): any number of edges a node, at most two operations an edge.
import type { Genotype } from '../genotype/genotype.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable, WeightedCandidate } from './candidates.ts';
import { genotypeOfTriples } from './triples.ts';

/** An edge keeps at most this many operations. */
const keptOperations = 2;

/** On every edge the two candidates with the largest weights, the smaller first, less those below the threshold. */
export function everyEdgeAboveThreshold(supernet: Selectable, mixing: RowsByTable, threshold: number): Genotype {
  return genotypeOfTriples(supernet, mixing, (edges) =>
    edges.flatMap((candidates) => largest(candidates).filter(({ weight }) => weight >= threshold)),
  );
}

/** The last ones of a stable ascending sort, as the published code takes them: of equals those of the highest indices. */
function largest(candidates: readonly WeightedCandidate[]): readonly WeightedCandidate[] {
  return candidates.toSorted((a, b) => a.weight - b.weight).slice(-keptOperations);
}
