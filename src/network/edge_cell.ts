import type { GenotypeCell } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import type { CellPlace } from '../skeleton/skeleton.ts';
import { buildSummand, type CellSettings, droppedNode } from './genotype_operation.ts';

/** A cell with an operation on every edge (arXiv:2001.00326): edges are numbered through, the last node is its output. */
export function buildEdgeCell(
  builder: GraphBuilder,
  inputs: readonly Tensor[],
  place: CellPlace,
  { nodes }: GenotypeCell,
  settings: CellSettings,
): Tensor {
  const states = [...inputs];
  let position = 0;
  for (const [node, edges] of nodes.entries()) {
    const outputs = edges.map((edge) => {
      const name = settings.skeleton.operationName({ node, input: edge.input }, position++);
      return buildSummand(builder, states[edge.input], edge, name, place, settings);
    });
    states.push(droppedNode(builder, builder.add(outputs), settings));
  }
  return states[states.length - 1];
}
