import type { Graph, InputNode, Shape } from '../graph/graph.ts';

/** What goes into a graph and comes out of it. */
export interface GraphEnds {
  readonly inputs: readonly InputNode[];
  /** Of the output, without the batch. */
  readonly shape: Shape;
  /** Of the loss that the graph ends in; absent where it ends in none. */
  readonly classes?: number;
}

/** By graph: they are asked for at every step. */
const known = new WeakMap<Graph, GraphEnds>();

/** A graph's inputs and output. */
export function endsOf(graph: Graph): GraphEnds {
  const found = known.get(graph);
  if (found !== undefined) return found;
  const output = graph.nodes[graph.output];
  const ends = {
    inputs: graph.nodes.filter((node) => node.op === 'input'),
    shape: output.shape,
    classes: output.op === 'softmaxCrossEntropy' ? graph.nodes[output.inputs[0]].shape[0] : undefined,
  };
  known.set(graph, ends);
  return ends;
}
