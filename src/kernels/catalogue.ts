import { isRecord } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { RecurrentEdge } from '../graph/graph.ts';
import { type ImageShape, imageShape } from './arguments.ts';
import type { KernelDefinition } from './definition.ts';
import { factorizedReduce, mixedEdge, mixedNode, normalisedSum, pointwise, pooling, separable } from './fused.ts';
import {
  add,
  avgPool,
  batchNorm,
  concat,
  conv2d,
  cosineDistance,
  crop,
  depthwise,
  distillation,
  dropout,
  globalAvgPool,
  linear,
  lossSum,
  maxPool,
  meanSquaredError,
  noise,
  relu,
  scale,
  sigmoid,
  smoothL1,
  softmaxCrossEntropy,
  softmaxScale,
  tanh,
} from './primitives.ts';
import {
  embedding,
  meanSquare,
  recurrentCell,
  type SequenceOptions,
  slowness,
  tiedLinear,
  variationalDropout,
} from './sequences.ts';

/**
 * Every kernel by name: first those that engines fuse, then the primitives. Each takes typed options and gives a definition
 * to open on any device, with its reference and its FLOP and byte counts. Throws ArgumentError for a faulty option.
 *
 * ```js
 * const kernel = await openKernel(device, { ...kernels.separable({ shape: [32, 32, 16], kernel: 5 }), batchSize: 64 });
 * ```
 */
export const kernels = {
  separable: taking(separable),
  pointwise: taking(pointwise),
  factorizedReduce: taking(factorizedReduce),
  pooling: taking(pooling),
  normalisedSum: taking(normalisedSum),
  mixedEdge: taking(mixedEdge),
  mixedNode: taking(mixedNode),
  conv2d: taking(conv2d),
  depthwise: taking(depthwise),
  batchNorm: taking(batchNorm),
  relu: taking(relu),
  tanh: taking(tanh),
  sigmoid: taking(sigmoid),
  scale: taking(scale),
  softmaxScale: taking(softmaxScale),
  noise: taking(noise),
  maxPool: taking(maxPool),
  avgPool: taking(avgPool),
  globalAvgPool: taking(globalAvgPool),
  linear: taking(linear),
  add: taking(add),
  concat: taking(concat),
  crop: taking(crop),
  dropout: taking(dropout),
  softmaxCrossEntropy: taking(softmaxCrossEntropy),
  distillation: taking(distillation),
  smoothL1: taking(smoothL1),
  meanSquaredError: taking(meanSquaredError),
  cosineDistance: taking(cosineDistance),
  lossSum: taking(lossSum),
  embedding: taking(embedding),
  variationalDropout: taking(variationalDropout),
  recurrentCell: taking(recurrentCell),
  tiedLinear: taking(tiedLinear),
  meanSquare: taking(meanSquare),
  slowness: taking(slowness),
} as const;

/** A kernel that refuses options which are none before it looks into them. */
function taking<Options extends object, Definition>(
  make: (options: Options) => Definition,
): (options: Options) => Definition {
  return (options) => {
    if (!isRecord(options)) throw invalid('options', 'an object of options', options);
    return make(options);
  };
}

/** A name of the catalogue. */
export type KernelName = keyof typeof kernels;

/** The catalogue's names, in its order. */
export const kernelNames = Object.keys(kernels) as KernelName[];

/** Classes of the published search: outputs of the classifier, logits of the loss. */
const classes = 10;

/** Words of Penn Treebank. */
const words = 10_000;

/** The published cell DARTS_V2. */
const edges: readonly RecurrentEdge[] = [
  { activation: 'sigmoid', from: 0 },
  { activation: 'relu', from: 1 },
  { activation: 'relu', from: 1 },
  { activation: 'identity', from: 1 },
  { activation: 'tanh', from: 2 },
  { activation: 'sigmoid', from: 5 },
  { activation: 'tanh', from: 3 },
  { activation: 'relu', from: 5 },
];

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
  tanh: (shape) => [tanh({ shape })],
  sigmoid: (shape) => [sigmoid({ shape })],
  scale: (shape) => [scale({ shape })],
  softmaxScale: (shape) => [softmaxScale({ shape })],
  noise: (shape) => [noise({ shape }), noise({ shape, distribution: 'integers' })],
  maxPool: (shape) => [maxPool({ shape })],
  avgPool: (shape) => [avgPool({ shape })],
  globalAvgPool: (shape) => [globalAvgPool({ shape })],
  linear: ([, , channels]) => [linear({ inputs: channels, outputs: classes })],
  add: (shape) => [add({ shape })],
  concat: (shape) => [concat({ shape })],
  crop: (shape) => [crop({ shape })],
  dropout: (shape) => [dropout({ shape }), dropout({ shape, drops: 'samples' })],
  softmaxCrossEntropy: () => [softmaxCrossEntropy({ classes })],
  distillation: () => [distillation({ classes })],
  smoothL1: () => [smoothL1({ classes })],
  meanSquaredError: () => [meanSquaredError({ classes })],
  cosineDistance: () => [cosineDistance({ classes })],
  lossSum: () => [lossSum({ classes })],
  embedding: ([, , channels]) => [embedding({ words, channels })],
  variationalDropout: (shape) => [variationalDropout(sequence(shape))],
  recurrentCell: (shape) => [recurrentCell(sequence(shape)), recurrentCell({ ...sequence(shape), edges })],
  tiedLinear: ([, , channels]) => [tiedLinear({ words, channels })],
  meanSquare: ([, , channels]) => [meanSquare({ channels })],
  slowness: (shape) => [slowness(sequence(shape))],
};

/** Rows of an image as times. */
function sequence([length, , channels]: ImageShape): SequenceOptions {
  return { channels, length };
}

/**
 * The forms of a kernel that networks use, on images of `shape`. Throws ArgumentError where the shape does not suit it, as an
 * odd one does not suit `factorizedReduce`.
 */
export function kernelVariants(name: KernelName, shape: ImageShape): KernelDefinition[] {
  if (!kernelNames.includes(name)) throw invalid('name', `one of ${kernelNames.join(', ')}`, name);
  return variants[name](imageShape(shape));
}

/** Whether a reduction cell takes the shape. */
function halves(shape: ImageShape): boolean {
  return shape.every((size) => size % 2 === 0);
}
