import type { GenotypeCell } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import type { CellPlace } from '../skeleton/skeleton.ts';
import { buildSummand, type CellSettings, droppedNode } from './genotype_operation.ts';

/** A cell of pairs (op, from): its operations are numbered through, its output is what the genotype concatenates. */
export function buildPairCell(
  builder: GraphBuilder,
  inputs: readonly Tensor[],
  place: CellPlace,
  { nodes, concat }: GenotypeCell,
  settings: CellSettings,
): Tensor {
  const states: Tensor[] = [...inputs];
  let position = 0;
  for (const [node, edges] of nodes.entries()) {
    const outputs = edges.map((edge) => {
      const name = settings.skeleton.operationName({ node, input: edge.input }, position++);
      return buildSummand(builder, states[edge.input], edge, name, place, settings);
    });
    states.push(droppedNode(builder, builder.add(outputs), settings));
  }
  return builder.concat(concat.map((state) => states[state]));
}
