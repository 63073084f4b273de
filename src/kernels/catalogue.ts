import type { ImageShape } from './arguments.ts';
import type { KernelDefinition } from './definition.ts';
import { factorizedReduce, mixedEdge, mixedNode, normalisedSum, pointwise, pooling, separable } from './fused.ts';
import {
  add,
  avgPool,
  batchNorm,
  concat,
  conv2d,
  crop,
  depthwise,
  dropout,
  globalAvgPool,
  linear,
  maxPool,
  relu,
  softmaxCrossEntropy,
} from './primitives.ts';

/**
 * Every kernel by name: first those that engines fuse, then the primitives. Each takes typed options and gives a definition
 * to open on any device, with its reference and its FLOP and byte counts. Throws ArgumentError for a faulty option.
 *
 * ```js
 * const kernel = await openKernel(device, { ...kernels.separable({ shape: [32, 32, 16], kernel: 5 }), batchSize: 64 });
 * ```
 */
export const kernels = {
  separable,
  pointwise,
  factorizedReduce,
  pooling,
  normalisedSum,
  mixedEdge,
  mixedNode,
  conv2d,
  depthwise,
  batchNorm,
  relu,
  maxPool,
  avgPool,
  globalAvgPool,
  linear,
  add,
  concat,
  crop,
  dropout,
  softmaxCrossEntropy,
} as const;

/** A name of the catalogue. */
export type KernelName = keyof typeof kernels;

/** The catalogue's names, in its order. */
export const kernelNames = Object.keys(kernels) as KernelName[];

/** Classes of the published search: outputs of the classifier, logits of the loss. */
const classes = 10;

/** How each kernel appears in the published networks: the options that benchmarks and tests go through. */
const variants: Readonly<Record<KernelName, (shape: ImageShape) => KernelDefinition[]>> = {
  separable: (shape) => [
    separable({ shape }),
    separable({ shape, kernel: 5 }),
    separable({ shape, dilation: 2 }),
    separable({ shape, kernel: 5, dilation: 2 }),
  ],
  pointwise: (shape) => [pointwise({ shape })],
  factorizedReduce: (shape) => [factorizedReduce({ shape })],
  pooling: (shape) => [pooling({ shape }), pooling({ shape, pool: 'avg' })],
  normalisedSum: (shape) => [normalisedSum({ shape })],
  mixedEdge: (shape) => [mixedEdge({ shape }), ...(halves(shape) ? [mixedEdge({ shape, stride: 2 })] : [])],
  mixedNode: (shape) => [mixedNode({ shape })],
  conv2d: (shape) => [conv2d({ shape, kernel: 1 }), conv2d({ shape })],
  depthwise: (shape) => [
    depthwise({ shape }),
    depthwise({ shape, kernel: 5 }),
    depthwise({ shape, dilation: 2 }),
    depthwise({ shape, kernel: 5, dilation: 2 }),
  ],
  batchNorm: (shape) => [batchNorm({ shape }), batchNorm({ shape, affine: true })],
  relu: (shape) => [relu({ shape })],
  maxPool: (shape) => [maxPool({ shape })],
  avgPool: (shape) => [avgPool({ shape })],
  globalAvgPool: (shape) => [globalAvgPool({ shape })],
  linear: ([, , channels]) => [linear({ inputs: channels, outputs: classes })],
  add: (shape) => [add({ shape })],
  concat: (shape) => [concat({ shape })],
  crop: (shape) => [crop({ shape })],
  dropout: (shape) => [dropout({ shape }), dropout({ shape, drops: 'samples' })],
  softmaxCrossEntropy: () => [softmaxCrossEntropy({ classes })],
};

/**
 * The forms of a kernel that networks use, on images of `shape`. Throws ArgumentError where the shape does not suit it, as an
 * odd one does not suit `factorizedReduce`.
 */
export function kernelVariants(name: KernelName, shape: ImageShape): KernelDefinition[] {
  return variants[name](shape);
}

/** Whether a reduction cell takes the shape. */
function halves(shape: ImageShape): boolean {
  return shape.every((size) => size % 2 === 0);
}
