// Candidate operations of the supernet as branches of a mixed node, built from primitives for the tests alone.
import type { BranchBuilder, GraphBuilder, Tensor } from '../../src/graph/builder.ts';

/** Zeros of the output shape. */
export function none(stride = 1): BranchBuilder {
  return {
    name: 'none',
    build: (builder, { shape: [height, width, channels] }) =>
      builder.zero([Math.ceil(height / stride), Math.ceil(width / stride), channels]),
  };
}

/** The branch whose output is the edge's input itself. */
export const identity: BranchBuilder = { name: 'skip_connect', build: (_, input) => input };

/** 3x3 pooling and batch-norm without affine part. */
export function pooling(kind: 'maxPool' | 'avgPool', stride = 1): BranchBuilder {
  return {
    name: kind,
    build: (builder, input) => {
      const pooled = builder[kind](input, { kernel: 3, stride, padding: 1 });
      return builder.batchNorm('bn', pooled, { affine: false });
    },
  };
}

/** ReLU, depthwise and pointwise convolution, batch-norm; the padding keeps the size. */
export function depthwiseSeparable(
  kernel: number,
  options: { stride?: number; dilation?: number } = {},
): BranchBuilder {
  const { stride = 1, dilation = 1 } = options;
  return {
    name: `${dilation > 1 ? 'dil' : 'sep'}_conv_${kernel}x${kernel}`,
    build: (builder, input) => {
      const channels = input.shape[2];
      const padding = (dilation * (kernel - 1)) / 2;
      const window = { kernel, stride, padding, dilation, groups: channels, channels };
      const depthwise = builder.conv2d('depthwise', builder.relu(input), window);
      const pointwise = builder.conv2d('pointwise', depthwise, { channels, kernel: 1 });
      return builder.batchNorm('bn', pointwise, { affine: false });
    },
  };
}

/** ReLU; two 1x1 convolutions of stride 2, the second one pixel further; concatenated; batch-norm. */
export function factorizedReduce(builder: GraphBuilder, input: Tensor, channels: number): Tensor {
  const active = builder.relu(input);
  const half = { channels: channels / 2, kernel: 1, stride: 2 };
  const first = builder.conv2d('conv_1', active, half);
  const second = builder.conv2d('conv_2', builder.crop(active, 1, 1), half);
  return builder.batchNorm('bn', builder.concat([first, second]), { affine: false });
}

/** The eight candidates of DARTS in their order, each separable convolution once instead of twice. */
export function dartsCandidates(stride: 1 | 2): BranchBuilder[] {
  const reduce: BranchBuilder = {
    name: 'skip_connect',
    build: (builder, input) => factorizedReduce(builder, input, input.shape[2]),
  };
  return [
    none(stride),
    pooling('maxPool', stride),
    pooling('avgPool', stride),
    stride === 1 ? identity : reduce,
    depthwiseSeparable(3, { stride }),
    depthwiseSeparable(5, { stride }),
    depthwiseSeparable(3, { stride, dilation: 2 }),
    depthwiseSeparable(5, { stride, dilation: 2 }),
  ];
}
