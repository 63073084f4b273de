// CDARTS (Yu et al., arXiv:2006.10724), as NNI has it.
import { type Genotype, mapCells } from '../genotype/genotype.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable } from './candidates.ts';
import { genotypeOf } from './strongest_edges.ts';

/** What the rule of DARTS selects, with a node's edges in the order of their inputs. Throws ArgumentError for rows that do not fit. */
export function strongestInOrder(supernet: Selectable, mixing: RowsByTable): Genotype {
  return mapCells(genotypeOf(supernet, mixing), ({ nodes, concat }) => ({
    nodes: nodes.map((edges) => edges.toSorted((a, b) => a.input - b.input)),
    concat,
  }));
}
