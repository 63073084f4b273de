import type { CrossEntropyNode, Graph, Node } from './graph.ts';

const terms: ReadonlySet<Node['op']> = new Set([
  'softmaxCrossEntropy',
  'distillation',
  'smoothL1',
  'meanSquaredError',
  'cosineDistance',
  'meanSquare',
  'slowness',
]);

/** Whether a node is a loss, one number for the whole batch, that a sum of losses may have. */
export function isTerm({ op }: Node): boolean {
  return terms.has(op);
}

/** Whether a node is a loss. */
export function isLossNode(node: Node): boolean {
  return node.op === 'lossSum' || isTerm(node);
}

/** Whether a graph ends in a loss. */
export function isLoss(graph: Graph): boolean {
  return isLossNode(graph.nodes[graph.output]);
}

/** The losses against labels that a graph ends in, the one whose hits are counted first; none where it ends in another output. */
export function crossEntropiesOf({ nodes, output }: Graph): CrossEntropyNode[] {
  const last = nodes[output];
  const losses = last.op === 'lossSum' ? last.inputs.map((id) => nodes[id]) : [last];
  return losses.filter((node) => node.op === 'softmaxCrossEntropy');
}

/** Whether a graph ends in a loss against labels. */
export function readsLabels(graph: Graph): boolean {
  return crossEntropiesOf(graph).length > 0;
}

/** Whether a graph's samples are times of sequences: some node looks at more than one. */
export function readsSequences({ nodes }: Graph): boolean {
  return nodes.some(({ op }) => sequential.has(op));
}

const sequential: ReadonlySet<Node['op']> = new Set(['variationalDropout', 'recurrentCell', 'slowness']);
