import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import type { Graph, Node, Shape } from '../../src/graph/graph.ts';
import { applyOperation } from '../../src/network/operations.ts';
import { resolveSpace } from '../../src/space/space.ts';

/** One op at one size: `graph` applies it `repeats` times between a stem and a head that let gradients through. */
export interface KernelCase {
  readonly name: string;
  readonly graph: Graph;
  readonly repeats: number;
  /** Floating-point operations of one application to one image, forward and backward; a multiply-accumulate is two. */
  readonly flops: number;
  /** Bytes of one application to one image: each tensor that a node needs, moved once; fused ops move fewer. */
  readonly bytes: number;
}

type BuildOp = (builder: GraphBuilder, input: Tensor) => Tensor;

// Repeated, so that the stem and the head weigh little and every application has an input gradient to compute.
const repeats = 4;
const sizes: readonly Shape[] = [
  [32, 32, 16],
  [16, 16, 32],
  [8, 8, 64],
];

const ops: Readonly<Record<string, BuildOp>> = {
  'conv 1x1': conv({ kernel: 1 }),
  'conv 3x3': conv({ kernel: 3 }),
  'depthwise 3x3': conv({ kernel: 3, depthwise: true }),
  'depthwise 5x5': conv({ kernel: 5, depthwise: true }),
  'dilated depthwise 3x3': conv({ kernel: 3, dilation: 2, depthwise: true }),
  'dilated depthwise 5x5': conv({ kernel: 5, dilation: 2, depthwise: true }),
  'batch norm': (builder, input) => builder.batchNorm('op', input, { affine: false }),
  relu: (builder, input) => builder.relu(input),
  'max pool 3x3': (builder, input) => builder.maxPool(input, { kernel: 3, padding: 1 }),
  'average pool 3x3': (builder, input) => builder.avgPool(input, { kernel: 3, padding: 1 }),
  'mixed edge': mixedEdge,
};

/** Every op at the three sizes of the supernet's cells, [32, 32, 16], [16, 16, 32] and [8, 8, 64]. */
export function kernelCases(): KernelCase[] {
  return Object.entries(ops).flatMap(([name, build]) => sizes.map((shape) => kernelCase(name, build, shape)));
}

function kernelCase(name: string, build: BuildOp, shape: Shape): KernelCase {
  const builder = new GraphBuilder();
  let output = builder.batchNorm('stem', builder.input('images', shape), { affine: true });
  const begin = output.id + 1;
  for (let index = 0; index < repeats; index++) output = build(builder.within(index), output);
  const end = output.id + 1;
  const logits = builder.linear('classifier', builder.globalAvgPool(output), 10);
  const graph = builder.finish(builder.softmaxCrossEntropy(logits));
  const nodes = graph.nodes.slice(begin, end);
  const total = (cost: (node: Node) => number) => nodes.reduce((sum, node) => sum + cost(node), 0) / repeats;
  return {
    name: `${name} ${shape.join('x')}`,
    graph,
    repeats,
    flops: total((node) => flopsOf(graph, node)),
    bytes: total((node) => bytesOf(graph, node)),
  };
}

/** Three products of a convolution: output, input gradient, weight gradient. */
function flopsOf(graph: Graph, node: Node): number {
  if (node.op !== 'conv2d') return 0;
  const weight = graph.parameters.find(({ name }) => name === node.weight);
  return 3 * 2 * elements(weight?.shape ?? []) * node.shape[0] * node.shape[1];
}

function bytesOf(graph: Graph, node: Node): number {
  if (node.op === 'zero') return 0;
  // A mixed operation reads its branches' outputs; its own input is theirs.
  const read = (node.op === 'mixed' ? node.inputs.slice(1) : node.inputs).map((id) => elements(graph.nodes[id].shape));
  const input = read.reduce((sum, size) => sum + size, 0);
  const output = elements(node.shape);
  const readAgain = node.op === 'avgPool' ? 0 : input;
  return 4 * (input + output + (output + readAgain + input));
}

function elements(shape: Shape): number {
  return shape.reduce((product, length) => product * length, 1);
}

function conv(options: { kernel: number; dilation?: number; depthwise?: boolean }): BuildOp {
  const { kernel, dilation = 1, depthwise = false } = options;
  return (builder, input) => {
    const channels = input.shape[2];
    const padding = (dilation * (kernel - 1)) / 2;
    return builder.conv2d('op', input, { channels, kernel, dilation, padding, groups: depthwise ? channels : 1 });
  };
}

function mixedEdge(builder: GraphBuilder, input: Tensor): Tensor {
  const [{ candidates }] = resolveSpace('darts').edges.normal;
  const context = {
    layer: 'mixed edge',
    channels: input.shape[2],
    stride: 1,
    affine: false,
    normalisePooling: true,
  } as const;
  const branches = candidates.map((candidate) => ({
    name: candidate.name,
    build: (branch: GraphBuilder, tensor: Tensor) => applyOperation(candidate, branch, tensor, context),
  }));
  const alpha = builder.alpha('alpha', [candidates.length]);
  return builder.mixed(input, branches, { alpha, row: 0 });
}
