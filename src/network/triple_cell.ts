import type { GenotypeCell, GenotypeEdge } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import type { CellPlace } from '../skeleton/skeleton.ts';
import { buildOperation, buildSummand, type CellSettings, droppedNode } from './genotype_operation.ts';

/**
 * A cell of triples (op, to, from) as FairDARTS' code has it (arXiv:1911.12126): nodes are computed and concatenated in the order in which
 * entries first name them, a node is the sum over its edges of the sums over their operations. A source that is no state yet is passed
 * over: its operations have parameters, which nothing trains. The genotype was found live.
 */
export function buildTripleCell(
  builder: GraphBuilder,
  inputs: readonly Tensor[],
  place: CellPlace,
  { nodes, concat }: GenotypeCell,
  settings: CellSettings,
): Tensor {
  const states = new Map<number, Tensor>(inputs.entries());
  for (const target of concat) {
    const edges: Tensor[][] = [];
    for (const [from, operations] of bySource(nodes[target - 2])) {
      const source = states.get(from);
      const edge = { builder, place, operations, path: `_ops.${target}.${from}`, settings };
      if (source === undefined) declareEdge(edge, inputs[0]);
      else edges.push(buildEdge(edge, source));
    }
    states.set(target, droppedNode(builder, sumOf(builder, edges), settings));
  }
  return builder.concat(concat.map((state) => states.get(state)!));
}

/** The operations between two states. */
interface Edge {
  readonly builder: GraphBuilder;
  readonly place: CellPlace;
  readonly operations: readonly GenotypeEdge[];
  /** _ops.TO.FROM */
  readonly path: string;
  readonly settings: CellSettings;
}

/** A node's edges in the order in which their sources first appear, each with its operations in theirs. */
function bySource(entries: readonly GenotypeEdge[]): (readonly [from: number, operations: readonly GenotypeEdge[]])[] {
  const sources = new Set(entries.map(({ input }) => input));
  return [...sources].map((from) => [from, entries.filter(({ input }) => input === from)]);
}

/** What its operations give, in their order. */
function buildEdge({ builder, place, operations, path, settings }: Edge, source: Tensor): Tensor[] {
  return operations.map((entry, k) => buildSummand(builder, source, entry, `${path}.${k}`, place, settings));
}

/** Parameters alone, of operations on a state of the cell that nobody makes. */
function declareEdge({ builder, place, operations, path, settings }: Edge, { shape: [height, width] }: Tensor): void {
  const stride = place.kind === 'reduce' ? 2 : 1;
  const shape = [Math.ceil(height / stride), Math.ceil(width / stride), place.channels];
  for (const [k, entry] of operations.entries()) {
    builder.untrained(shape, (apart, source) => buildOperation(apart, source, entry, `${path}.${k}`, place, settings));
  }
}

/** Sums run from the left, so that the operations of the first edge need none of their own. */
function sumOf(builder: GraphBuilder, [first, ...others]: readonly Tensor[][]): Tensor {
  return builder.add([...first, ...others.map((outputs) => builder.add(outputs))]);
}
