// The operations of NAS-Bench-201 (Dong and Yang, arXiv:2001.00326) and of its search code. Some names of DARTS mean another thing here.
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import {
  checkedOperations,
  noiseName,
  noneName,
  type Operation,
  type OperationContext,
  operations,
  pooling,
  skipName,
} from './operations.ts';

/** By name; what both families share is DARTS' own. */
export const nasbench201Operations: Readonly<Record<string, Operation>> = {
  [noneName]: operations[noneName],
  [noiseName]: operations[noiseName],
  ...checkedOperations({
    [skipName]: skip,
    nor_conv_1x1: reluConvBn(1),
    nor_conv_3x3: reluConvBn(3),
    nor_conv_7x7: reluConvBn(7),
    avg_pool_3x3: pooling('avgPool'),
    max_pool_3x3: pooling('maxPool'),
    dua_sepc_3x3: dualSeparable(3),
    dua_sepc_5x5: dualSeparable(5),
    dil_sepc_3x3: (builder, input, context) => separable(builder, input, context, { kernel: 3, dilation: 2 }),
    dil_sepc_5x5: (builder, input, context) => separable(builder, input, context, { kernel: 5, dilation: 2 }),
  }),
};

/** The identity; where the stride or the channels change, convolutions in its place. */
function skip(builder: GraphBuilder, input: Tensor, context: OperationContext): Tensor {
  const { channels, stride, affine } = context;
  if (stride === 2) return factorizedReduce(builder, input, context);
  if (input.shape[2] === channels) return input;
  return builder.batchNorm('bn', builder.conv2d('conv', input, { channels, kernel: 1 }), { affine });
}

/**
 * Halves height and width, odd ones too, without losing pixels: two 1x1 convolutions of stride 2, the second one pixel further on, where
 * behind an odd edge there are zeros.
 */
function factorizedReduce(builder: GraphBuilder, input: Tensor, { channels, affine }: OperationContext): Tensor {
  const active = builder.relu(input);
  const half = Math.floor(channels / 2);
  const even = builder.conv2d('convs.0', active, { channels: half, kernel: 1, stride: 2 });
  // Padded by one it sees pixels -1, 1, 3 and so on; the first is not wanted.
  const shifted = builder.conv2d('convs.1', active, { channels: channels - half, kernel: 1, stride: 2, padding: 1 });
  return builder.batchNorm('bn', builder.concat([even, builder.crop(shifted, 1, 1)]), { affine });
}

function reluConvBn(kernel: number): Operation {
  return (builder, input, { channels, stride, affine }) => {
    const window = { channels, kernel, stride, padding: (kernel - 1) / 2 };
    return builder.batchNorm('op.2', builder.conv2d('op.1', builder.relu(input), window), { affine });
  };
}

/** The first keeps the channels, the second the size. */
function dualSeparable(kernel: number): Operation {
  return (builder, input, context) => {
    const window = { kernel, dilation: 1 };
    const first = separable(builder.within('op_a'), input, { ...context, channels: input.shape[2] }, window);
    return separable(builder.within('op_b'), first, { ...context, stride: 1 }, window);
  };
}

function separable(
  builder: GraphBuilder,
  input: Tensor,
  { channels, stride, affine }: OperationContext,
  { kernel, dilation }: { readonly kernel: number; readonly dilation: number },
): Tensor {
  const inputs = input.shape[2];
  const padding = (dilation * (kernel - 1)) / 2;
  const window = { channels: inputs, groups: inputs, kernel, stride, dilation, padding };
  const depthwise = builder.conv2d('op.1', builder.relu(input), window);
  return builder.batchNorm('op.3', builder.conv2d('op.2', depthwise, { channels, kernel: 1 }), { affine });
}
