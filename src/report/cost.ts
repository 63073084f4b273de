import { invalid } from '../errors.ts';
import type { Conv2dNode, Graph, LinearNode, Node, ParameterSpec, Shape } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';

/** Layers that multiply: `depthwise` has one input channel a group, `pointwise` a 1x1 kernel, `convolution` is any other. */
export type LayerKind = 'depthwise' | 'pointwise' | 'convolution' | 'linear';

/** What one kind of layer costs. */
export interface LayerCost {
  /** Weights and biases of these layers; batch normalisation's belong to none. */
  readonly parameters: number;
  /** Multiply-accumulates of one image's forward pass. */
  readonly multiplyAccumulates: number;
}

/** What a network costs. */
export interface Cost {
  /** Weights, batch normalisation's affine part included; running statistics and architecture parameters are not. */
  readonly parameters: number;
  /** Those of them that nothing trains: of operations that a genotype of triples names on sources that are passed over. */
  readonly untrainedParameters: number;
  /** Architecture parameters. */
  readonly architectureParameters: number;
  /** Of one image's forward pass: convolutions and linear layers, each product inside the kernel's window counted, padding too. */
  readonly multiplyAccumulates: number;
  /**
   * As papers of FairDARTS and after it count FLOPs, of one image's forward pass: multiply-accumulates of convolutions, 4 an output
   * element of average poolings, the number of pixels and 1 a channel of global ones (65 of 8x8), 2 · inputs - 1 an output of linear layers.
   */
  readonly flops: number;
  /** As NAS-Bench-201 (arXiv:2001.00326) counts FLOPs: multiply-accumulates, and 1 an output of linear layers. */
  readonly nasbench201Flops: number;
  /** The part of the convolutions in `flops`. */
  readonly convolutionFlops: number;
  /**
   * Bytes that one image takes in training when every node's output is kept as float32 for the backward pass. Gradients,
   * weights and a backend's own savings (buffers used again, work in place, fused kernels) are not counted.
   */
  readonly activationBytes: number;
  readonly byKind: Readonly<Record<LayerKind, LayerCost>>;
}

const bytesPerValue = 4;

/** Counts what a graph costs; of a mixed operation all candidates count. */
export function costOf(graph: Graph): Cost {
  if (!(Array.isArray(graph?.nodes) && Array.isArray(graph.parameters))) throw invalid('graph', 'a graph', graph);
  const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
  const byKind = {
    depthwise: { parameters: 0, multiplyAccumulates: 0 },
    pointwise: { parameters: 0, multiplyAccumulates: 0 },
    convolution: { parameters: 0, multiplyAccumulates: 0 },
    linear: { parameters: 0, multiplyAccumulates: 0 },
  };
  for (const node of graph.nodes) {
    if (node.op !== 'conv2d' && node.op !== 'linear') continue;
    const weight = shapes.get(node.weight) ?? [];
    const cost = byKind[kindOf(node, weight)];
    cost.parameters += elementsOf(weight) + (node.op === 'linear' ? elementsOf(node.shape) : 0);
    cost.multiplyAccumulates += elementsOf(weight) * (node.op === 'linear' ? 1 : node.shape[0] * node.shape[1]);
  }
  const untrainedParameters = sizeOf(graph, ({ untrained }) => untrained === true);
  const multiplyAccumulates = Object.values(byKind).reduce((sum, cost) => sum + cost.multiplyAccumulates, 0);
  const biases = graph.nodes.reduce((sum, { op, shape }) => sum + (op === 'linear' ? elementsOf(shape) : 0), 0);
  const convolutionFlops = multiplyAccumulates - byKind.linear.multiplyAccumulates;
  return {
    parameters: sizeOf(graph, ({ role }) => role === 'weight') + untrainedParameters,
    untrainedParameters,
    architectureParameters: sizeOf(graph, ({ role }) => role === 'alpha'),
    multiplyAccumulates,
    flops: convolutionFlops + graph.nodes.reduce((sum, node) => sum + otherFlops(node, graph), 0),
    nasbench201Flops: multiplyAccumulates + biases,
    convolutionFlops,
    activationBytes: graph.nodes.reduce((sum, { shape }) => sum + elementsOf(shape) * bytesPerValue, 0),
    byKind,
  };
}

function kindOf(node: Conv2dNode | LinearNode, weight: Shape): LayerKind {
  if (node.op === 'linear') return 'linear';
  if (node.groups > 1 && weight[2] === 1) return 'depthwise';
  return node.kernel[0] === 1 && node.kernel[1] === 1 ? 'pointwise' : 'convolution';
}

/** Of a node that is no convolution; what takes nothing in the published convention is 0. */
function otherFlops({ op, inputs, shape }: Node, { nodes }: Graph): number {
  if (op === 'avgPool') return 4 * elementsOf(shape);
  const read = elementsOf(nodes[inputs[0]]?.shape ?? []);
  if (op === 'globalAvgPool') return read + elementsOf(shape);
  return op === 'linear' ? (2 * read - 1) * elementsOf(shape) : 0;
}

function sizeOf(graph: Graph, isCounted: (spec: ParameterSpec) => boolean): number {
  return graph.parameters.filter(isCounted).reduce((sum, { shape }) => sum + elementsOf(shape), 0);
}
