import type { Graph, InputNode, Shape } from '../graph/graph.ts';
import { crossEntropiesOf, isLoss } from '../graph/losses.ts';

/** What goes into a graph and comes out of it. */
export interface GraphEnds {
  readonly inputs: readonly InputNode[];
  /** Of the output, without the batch. */
  readonly shape: Shape;
  /** Whether that is a loss. */
  readonly isLoss: boolean;
  /** Of the losses against labels that the graph ends in, the fewest; absent where it ends in none. */
  readonly classes?: number;
}

/** By graph: they are asked for at every step. */
const known = new WeakMap<Graph, GraphEnds>();

/** A graph's inputs and output. */
export function endsOf(graph: Graph): GraphEnds {
  const found = known.get(graph);
  if (found !== undefined) return found;
  const classes = crossEntropiesOf(graph).map(({ inputs }) => graph.nodes[inputs[0]].shape[0]);
  const ends = {
    inputs: graph.nodes.filter((node) => node.op === 'input'),
    shape: graph.nodes[graph.output].shape,
    isLoss: isLoss(graph),
    classes: classes.length === 0 ? undefined : Math.min(...classes),
  };
  known.set(graph, ends);
  return ends;
}
