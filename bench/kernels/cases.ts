import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import type { ImageShape } from '../../src/kernels/arguments.ts';
import { kernels } from '../../src/kernels/catalogue.ts';
import type { KernelDefinition } from '../../src/kernels/definition.ts';

/** One op at one size: `graph` applies it `repeats` times between a stem and a head that let gradients through. */
export interface KernelCase {
  readonly name: string;
  readonly graph: Graph;
  readonly repeats: number;
  /** One application of the op, with what it has to compute and to move. */
  readonly definition: KernelDefinition;
}

// Repeated, so that the stem and the head weigh little and every application has an input gradient to compute.
const repeats = 4;
const sizes: readonly ImageShape[] = [
  [32, 32, 16],
  [16, 16, 32],
  [8, 8, 64],
];

const ops: Readonly<Record<string, (shape: ImageShape) => KernelDefinition<'x'>>> = {
  'conv 1x1': (shape) => kernels.conv2d({ shape, kernel: 1 }),
  'conv 3x3': (shape) => kernels.conv2d({ shape }),
  'depthwise 3x3': (shape) => kernels.depthwise({ shape }),
  'depthwise 5x5': (shape) => kernels.depthwise({ shape, kernel: 5 }),
  'dilated depthwise 3x3': (shape) => kernels.depthwise({ shape, dilation: 2 }),
  'dilated depthwise 5x5': (shape) => kernels.depthwise({ shape, kernel: 5, dilation: 2 }),
  'batch norm': (shape) => kernels.batchNorm({ shape }),
  relu: (shape) => kernels.relu({ shape }),
  'max pool 3x3': (shape) => kernels.maxPool({ shape }),
  'average pool 3x3': (shape) => kernels.avgPool({ shape }),
  'mixed edge': (shape) => kernels.mixedEdge({ shape }),
};

/** Every op at the three sizes of the supernet's cells, [32, 32, 16], [16, 16, 32] and [8, 8, 64]. */
export function kernelCases(): KernelCase[] {
  return Object.entries(ops).flatMap(([name, op]) => sizes.map((shape) => kernelCase(name, op(shape), shape)));
}

function kernelCase(name: string, definition: KernelDefinition<'x'>, shape: ImageShape): KernelCase {
  return { name: `${name} ${shape.join('x')}`, graph: chainOf(definition, shape, repeats), repeats, definition };
}

/** A network that applies a kernel, whose output has its input's shape, a number of times; its input is `images`. */
export function chainOf(definition: KernelDefinition<string>, shape: ImageShape, times: number): Graph {
  const builder = new GraphBuilder();
  const [input] = Object.keys(definition.inputs);
  let output = builder.batchNorm('stem', builder.input('images', shape), { affine: true });
  for (let index = 0; index < times; index++) output = definition.build(builder.within(index), { [input]: output });
  const logits = builder.linear('classifier', builder.globalAvgPool(output), 10);
  return builder.finish(builder.softmaxCrossEntropy(logits));
}
