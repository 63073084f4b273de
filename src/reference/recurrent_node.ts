import type { RecurrentCellNode, RecurrentMixing, SequenceMask } from '../graph/graph.ts';
import type { Statistics } from './primitives.ts';
import type { CellEdge, RecurrentCell } from './recurrent.ts';

/** What a cell takes from the pass that it is part of. */
interface Surroundings {
  readonly columns: number;
  parameter(name: string): Float64Array;
  mask(mask: SequenceMask | undefined): Float64Array | undefined;
  /** Mixing weights of a row of a table. */
  shares(alpha: string, row: number): Float64Array;
  /** What `values` are normalised with; running statistics move where they are to. */
  statistics(mixing: RecurrentMixing, values: Float64Array): Statistics;
}

/** The cell of a node with all its numbers. */
export function cellOf(node: RecurrentCellNode, around: Surroundings): RecurrentCell {
  const { mixing, edges = [], outputs, shape } = node;
  const common = {
    ...{ columns: around.columns, channels: shape[0], outputs },
    weights: node.weights.map((name) => around.parameter(name)),
    inputMask: around.mask(node.inputMask),
    hiddenMask: around.mask(node.hiddenMask),
  };
  if (mixing === undefined) {
    return { ...common, edges: edges.map(({ from, activation }) => [{ from, parts: [{ activation, weight: 1 }] }]) };
  }
  const statisticsOf = (values: Float64Array) => around.statistics(mixing, values);
  return {
    ...common,
    edges: node.weights.slice(1).map((_, index) => searchedEdges(index, mixing, around)),
    normalisation: { epsilon: mixing.epsilon, statisticsOf },
  };
}

/** From every earlier node to node `index` + 1, whose rows lie behind those of the nodes before. */
function searchedEdges(index: number, { alpha, candidates }: RecurrentMixing, { shares }: Surroundings): CellEdge[] {
  const first = (index * (index + 1)) / 2;
  return Array.from({ length: index + 1 }, (_, from) => {
    const weights = shares(alpha, first + from);
    return { from, parts: candidates.map((activation, k) => ({ activation, weight: weights[k] })) };
  });
}
