// The rule of DARTS.
import {
  type Genotype,
  type GenotypeCell,
  type GenotypeEdge,
  genotypeOfCells,
  oneCell,
  recurrentCell,
} from '../genotype/genotype.ts';
import { mapValues } from '../map_values.ts';
import type { RowsByTable } from './alpha.ts';
import { type Selectable, type WeightedCandidate, type WeightedCell, weightedCells } from './candidates.ts';

/** A cell keeps this many edges into each node. */
const keptEdges = 2;

/**
 * The genotype that mixing weights stand for (arXiv:1806.09055, section 2.4): each node keeps the two edges with the largest
 * weight of a candidate other than `none`, strongest first, and that candidate on each; ties go to the lower index. Of one cell
 * (arXiv:2001.00326) every edge keeps the candidate with the largest weight, `none` among them. Of a recurrent cell (section 3.1.2) each node
 * keeps one edge, by the same order, and all nodes are the output. `mixing` holds by table name one row an
 * edge. Throws ArgumentError for rows that do not fit.
 */
export function genotypeOf(supernet: Selectable, mixing: RowsByTable): Genotype {
  const tables = supernet?.tables ?? {};
  const isOneCell = oneCell in tables;
  const cellOf = isOneCell ? cellOfEdges : recurrentCell in tables ? cellOfSingles : cellOfPairs;
  return genotypeOfCells(mapValues(weightedCells(supernet, mixing, isOneCell), cellOf));
}

/** Of a node's edges the two strongest, each with its best candidate, the strongest first. */
export function strongestEdges(edges: WeightedCell[number]): WeightedCandidate[] {
  return edges
    .map(strongest)
    .toSorted((a, b) => b.weight - a.weight)
    .slice(0, keptEdges);
}

/** Of equals the first. */
function strongest(candidates: readonly WeightedCandidate[]): WeightedCandidate {
  return candidates.reduce((a, b) => (b.weight > a.weight ? b : a));
}

function cellOfPairs(cell: WeightedCell): GenotypeCell {
  const nodes = cell.map((edges) => strongestEdges(edges).map(entryOf));
  return { nodes, concat: nodes.map((_, node) => node + 2) };
}

function cellOfSingles(cell: WeightedCell): GenotypeCell {
  const nodes = cell.map((edges) => strongestEdges(edges).slice(0, 1).map(entryOf));
  return { nodes, concat: nodes.map((_, node) => node + 1) };
}

function cellOfEdges(cell: WeightedCell): GenotypeCell {
  const nodes = cell.map((edges) => edges.map(strongest).map(entryOf));
  return { nodes, concat: [nodes.length] };
}

function entryOf({ operation, input }: WeightedCandidate): GenotypeEdge {
  return { operation, input };
}
