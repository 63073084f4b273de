// The kernels that engines fuse, each as the plain composition of primitives that it stands for. A backend decides by the
// graph what it fuses (native/engine/lower.h), so that one which fuses nothing runs them as well.

import { invalid } from '../errors.ts';
import type { BranchBuilder, GraphBuilder, Tensor } from '../graph/builder.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { applyOperation, factorizedReduce as buildFactorizedReduce, reluConvBn } from '../operation/operations.ts';
import { type Candidate, resolveSpace, spaces } from '../space/space.ts';
import {
  choice,
  count,
  type DilatedOptions,
  type ImageOptions,
  type ImageShape,
  imageShape,
  likeInputs,
  slidingWindow,
  type WindowOptions,
  windowName,
} from './arguments.ts';
import { defineKernel, type KernelDefinition } from './definition.ts';
import type { TermsOptions } from './primitives.ts';

/** Options of a kernel that ends in convolution and batch normalisation. */
export interface NormalisedOptions extends ImageOptions {
  /** Output channels; those of the input when absent. */
  readonly channels?: number;
  /** Batch normalisation with a trained scale and shift, as in derived networks; false, as in the supernet, when absent. */
  readonly affine?: boolean;
}

/** Options of {@link separable}. */
export interface SeparableOptions extends NormalisedOptions, DilatedOptions {}

/** Options of {@link pooling}. */
export interface PoolingOptions extends WindowOptions {
  /** `max` when absent. */
  readonly pool?: 'max' | 'avg';
}

/** Options of {@link normalisedSum}. */
export interface NormalisedSumOptions extends TermsOptions {
  /** False when absent. */
  readonly affine?: boolean;
}

/** Options of {@link mixedEdge}. */
export interface MixedEdgeOptions extends ImageOptions {
  /** The edge's candidate operations; the eight of the `darts` space when absent. */
  readonly candidates?: readonly Candidate[];
  /** 2 as in a reduction cell; 1 when absent. */
  readonly stride?: 1 | 2;
  /** `softmax` when absent. */
  readonly activation?: MixingActivation;
}

/** Options of {@link mixedNode}. */
export interface MixedNodeOptions extends MixedEdgeOptions {
  /** Edges that enter the node; 2 when absent. */
  readonly edges?: number;
}

/**
 * ReLU, depthwise convolution, 1x1 convolution, batch normalisation: one kernel forward and one backward. Weights
 * `depthwise.weight`, `pointwise.weight`, and `norm.weight` and `norm.bias` where affine.
 */
export function separable(options: SeparableOptions): KernelDefinition<'x'> {
  const shape = imageShape(options.shape);
  const window = slidingWindow(options);
  const { channels, affine } = normalised(options, shape);
  return defineKernel(windowName('separable', window), {
    inputs: { x: shape },
    build(builder, { x }) {
      const filtered = builder.conv2d('depthwise', builder.relu(x), {
        ...window,
        channels: shape[2],
        groups: shape[2],
      });
      return builder.batchNorm('norm', builder.conv2d('pointwise', filtered, { channels, kernel: 1 }), { affine });
    },
  });
}

/** ReLU, 1x1 convolution, batch normalisation: what stands before a cell. Weights `op.1.weight`, `op.2.weight`, `op.2.bias`. */
export function pointwise(options: NormalisedOptions): KernelDefinition<'x'> {
  const shape = imageShape(options.shape);
  const context = normalised(options, shape);
  return defineKernel('pointwise', {
    inputs: { x: shape },
    build: (builder, { x }) => reluConvBn(builder, x, context),
  });
}

/**
 * Half of the height and width without losing pixels: ReLU, two 1x1 convolutions of stride 2 side by side, batch
 * normalisation. Height, width and output channels must be even.
 */
export function factorizedReduce(options: NormalisedOptions): KernelDefinition<'x'> {
  const shape = imageShape(options.shape);
  const context = { layer: 'factorizedReduce', ...normalised(options, shape) };
  return defineKernel('factorizedReduce', {
    inputs: { x: shape },
    build: (builder, { x }) => buildFactorizedReduce(builder, x, context),
  });
}

/**
 * A pooling and the batch normalisation behind it, as the only candidate of a mixed operation (of weight 1): that is where
 * networks have it, and where the statistics are taken without storing the pooling. Table `alpha` `[1, 1]`.
 */
export function pooling(options: PoolingOptions): KernelDefinition<'x'> {
  const { kernel, stride, pool = 'max' } = options;
  const window = slidingWindow({ kernel, stride });
  const op = ({ max: 'maxPool', avg: 'avgPool' } as const)[choice('pool', pool, ['max', 'avg'])];
  const poolWindow = { kernel: window.kernel, stride: window.stride, padding: window.padding };
  const branch: BranchBuilder = {
    name: pool,
    build: (builder, x) => builder.batchNorm('norm', builder[op](x, poolWindow), { affine: false }),
  };
  return defineKernel(windowName(`pooling ${pool}`, window), {
    inputs: { x: imageShape(options.shape) },
    build: (builder, { x }) => builder.mixed(x, [branch], { alpha: builder.alpha('alpha', [1]), row: 0 }),
  });
}

/**
 * Sum of `x0`, `x1` and so on, each normalised over the batch: statistics of every one, then all normalised and summed in
 * one pass. Weights, where affine, `0.weight`, `0.bias`, `1.weight` and so on.
 */
export function normalisedSum({
  shape,
  terms = 2,
  affine = false,
}: NormalisedSumOptions): KernelDefinition<`x${number}`> {
  choice('affine', affine, [true, false]);
  return defineKernel('normalisedSum', {
    inputs: likeInputs(imageShape(shape), count('terms', terms, 2)),
    build: (builder, inputs) =>
      builder.add(Object.values(inputs).map((x, index) => builder.batchNorm(index, x, { affine }))),
  });
}

/**
 * One edge of a cell: every candidate operation on `x`, summed with the mixing weights of the table `alpha` `[1, candidates]`.
 * Weights are named as in a supernet, `_ops.4.op.1.weight`.
 */
export function mixedEdge(options: MixedEdgeOptions): KernelDefinition<'x'> {
  const shape = imageShape(options.shape);
  const edge = mixedEdgeBuilder(options, shape);
  return defineKernel(edge.name('mixedEdge'), {
    inputs: { x: shape },
    build: (builder, { x }) => edge.build(builder, x, builder.alpha('alpha', [edge.rowLength]), 0),
  });
}

/**
 * One node of a cell: the sum of the mixed operations on `x0`, `x1` and so on, an edge each. Table `alpha`
 * `[edges, candidates]`; weights of an edge are named `0._ops.4.op.1.weight`.
 */
export function mixedNode(options: MixedNodeOptions): KernelDefinition<`x${number}`> {
  const shape = imageShape(options.shape);
  const edges = count('edges', options.edges ?? 2);
  const edge = mixedEdgeBuilder(options, shape);
  return defineKernel(edge.name(`mixedNode ${edges} edges`), {
    inputs: likeInputs(shape, edges),
    build(builder, inputs) {
      const rows = Array<number>(edges).fill(edge.rowLength);
      const alpha = builder.alpha('alpha', rows);
      return builder.add(Object.values(inputs).map((x, row) => edge.build(builder.within(row), x, alpha, row)));
    },
  });
}

/** How the mixed operation of an edge is built, and what it is called. */
interface MixedEdgeBuilder {
  readonly rowLength: number;
  name(kernel: string): string;
  build(builder: GraphBuilder, input: Tensor, alpha: string, row: number): Tensor;
}

function mixedEdgeBuilder(options: MixedEdgeOptions, [, , channels]: ImageShape): MixedEdgeBuilder {
  const { stride = 1, activation = 'softmax' } = options;
  if (stride !== 1 && stride !== 2) throw invalid('stride', '1 or 2', stride);
  choice('activation', activation, ['softmax', 'sigmoid']);
  const space = { name: 'kernel', nodes: 1, candidates: options.candidates ?? spaces['darts'].candidates };
  const [{ candidates }] = resolveSpace(space).edges.normal;
  const branches = candidates.map((candidate) => ({
    name: candidate.name,
    build: (builder: GraphBuilder, input: Tensor) =>
      applyOperation(candidate, builder, input, {
        layer: candidate.name,
        channels,
        stride,
        affine: false,
        normalisePooling: true,
      }),
  }));
  return {
    rowLength: candidates.length,
    name: (kernel) => (stride === 1 ? kernel : `${kernel} stride ${stride}`),
    build: (builder, input, alpha, row) => builder.mixed(input, branches, { alpha, row, activation }),
  };
}

function normalised({ channels, affine = false }: NormalisedOptions, shape: ImageShape) {
  return { channels: count('channels', channels ?? shape[2]), affine: choice('affine', affine, [true, false]) };
}
