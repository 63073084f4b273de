// Genotypes of triples, as the rules with a threshold give them.
import { ArgumentError } from '../errors.ts';
import { type Genotype, type GenotypeCell, genotypeOfCells, oneCell, recurrentCell } from '../genotype/genotype.ts';
import { mapValues } from '../map_values.ts';
import type { RowsByTable } from './alpha.ts';
import { type Selectable, type WeightedCandidate, type WeightedCell, weightedCells } from './candidates.ts';

/**
 * The genotype whose entries into each node are those that `entriesOf` takes from the node's edges, in that order. Nodes without
 * entries are isolated. Throws ArgumentError for rows of `mixing` that do not fit, and for one cell, whose genotypes are no triples.
 */
export function genotypeOfTriples(
  supernet: Selectable,
  mixing: RowsByTable,
  entriesOf: (edges: WeightedCell[number]) => readonly WeightedCandidate[],
): Genotype {
  checkTriples(supernet);
  const cellOf = (cell: WeightedCell): GenotypeCell => {
    const nodes = cell.map((edges) => entriesOf(edges).map(({ operation, input }) => ({ operation, input })));
    return { nodes, concat: nodes.flatMap((entries, node) => (entries.length > 0 ? [node + 2] : [])) };
  };
  return genotypeOfCells(mapValues(weightedCells(supernet, mixing), cellOf), 'triples');
}

/** Throws ArgumentError for a supernet of one cell, or of a recurrent one: each edge or node keeps an operation, which no threshold may take. */
export function checkTriples({ tables }: Pick<Selectable, 'tables'>): void {
  const other =
    oneCell in tables
      ? 'a genotype of one cell keeps an operation on every edge'
      : recurrentCell in tables
        ? 'every node of a recurrent cell keeps an edge'
        : undefined;
  if (other === undefined) return;
  throw new ArgumentError(`the rules with a threshold give triples, but ${other}: choose the rule darts`);
}
