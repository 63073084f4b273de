// A trained network that weighs its operations against none, for runtimes that know no mixed operation.
import { ArgumentError } from '../errors.ts';
import type { Graph, MixedNode, Node, ScaleNode } from '../graph/graph.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { mixingWeights } from '../network/mixing.ts';
import { noneName } from '../operation/operations.ts';

/**
 * The graph with each mixed operation of one candidate and none as that candidate times the weight that it has come to. Throws ArgumentError
 * where its architecture parameters are missing.
 */
export function withFixedMixing(graph: Graph, weights: ReadonlyMap<string, WeightTensor>): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => (isAgainstNone(node) ? scaled(node, weights) : node)) };
}

function isAgainstNone(node: Node): node is MixedNode {
  return node.op === 'mixed' && node.branches.length === 2 && node.branches[1].name === noneName;
}

function scaled({ id, shape, alpha, activation, branches }: MixedNode, weights: ReadonlyMap<string, WeightTensor>) {
  const tensor = weights.get(alpha);
  if (tensor === undefined) throw new ArgumentError(`expected architecture parameters named ${alpha}`);
  const [[factor]] = mixingWeights(Float32Array.from(tensor.data), [branches.length], activation);
  return { op: 'scale', id, shape, inputs: [branches[0].output], factor } satisfies ScaleNode;
}
