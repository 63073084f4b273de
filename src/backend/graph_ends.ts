import type { Graph, InputNode, Node, SequenceMask, Shape } from '../graph/graph.ts';
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
  /** Whether every pass draws: noise is part of what the graph computes. */
  readonly draws: boolean;
  /** Masks that the graph multiplies by, and how many elements each has; `columns` of a sequence at a time. */
  readonly masks: readonly (SequenceMask & { readonly elements: (columns: number) => number })[];
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
    masks: graph.nodes.flatMap((node) => masksOf(node, graph)),
    draws: graph.nodes.some((node) => node.op === 'noise' && node.always),
  };
  known.set(graph, ends);
  return ends;
}

function masksOf(node: Node, { nodes }: Graph): GraphEnds['masks'][number][] {
  const [channels] = node.shape;
  const ofColumns = (mask: SequenceMask | undefined) =>
    mask === undefined ? [] : [{ ...mask, elements: (columns: number) => columns * channels }];
  if (node.op === 'variationalDropout') return ofColumns(node.mask);
  if (node.op === 'recurrentCell') return [...ofColumns(node.inputMask), ...ofColumns(node.hiddenMask)];
  if (node.op !== 'embedding' || node.mask === undefined) return [];
  const { below = 0 } = nodes[node.inputs[0]] as InputNode;
  return [{ ...node.mask, elements: () => below }];
}

/** The inputs of a graph that are not among given ones: that of gathered images. */
export function inputsLeft(graph: Graph, given: Readonly<Record<string, unknown>> = {}): readonly InputNode[] {
  return endsOf(graph).inputs.filter(({ name }) => given[name] === undefined);
}
