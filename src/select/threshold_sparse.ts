// FairDARTS (Chu, Zhou, Zhang, Li, arXiv:1911.12126): at most two edges a node, none below the threshold.
import type { Genotype } from '../genotype/genotype.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable } from './candidates.ts';
import { strongestEdges } from './strongest_edges.ts';
import { genotypeOfTriples } from './triples.ts';

/** The edges and candidates of DARTS' rule, in its order, less those whose weight is below the threshold. */
export function sparseAboveThreshold(supernet: Selectable, mixing: RowsByTable, threshold: number): Genotype {
  return genotypeOfTriples(supernet, mixing, (edges) =>
    strongestEdges(edges).filter(({ weight }) => weight >= threshold),
  );
}
