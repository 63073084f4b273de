import { anInteger, check, checkRecord, isRecord } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { NoiseDistribution } from '../graph/graph.ts';
import { LayerSizeError } from './layer_size.ts';

/** What an operation is to be: its output is [ceil(H / stride), ceil(W / stride), channels]. */
export interface OperationContext {
  /** Where it stands, for messages, such as `cells.2._ops.0`. */
  readonly layer: string;
  /** Channels of its input and of its output. */
  readonly channels: number;
  readonly stride: 1 | 2;
  /** Whether batch normalisations have an affine part: not in the supernet's cells, everywhere in derived networks. */
  readonly affine: boolean;
  /** Whether batch normalisation follows poolings: in the supernet, where it makes candidates comparable, and in derived networks of StacNAS. */
  readonly normalisePooling: boolean;
}

/** Builds an operation on one edge of a cell; its parameters are named under the builder's prefix. */
export type Operation = (builder: GraphBuilder, input: Tensor, context: OperationContext) => Tensor;

/** An operation with the name that genotypes give it. */
export interface NamedOperation {
  readonly name: string;
  readonly build: Operation;
}

/** The operation that stands for the absence of an edge; a genotype of cells by type never holds it. */
export const noneName = 'none';

/** The identity, and at stride 2 what stands for it. */
export const skipName = 'skip_connect';

/** Standard normal numbers, new ones in every pass, whatever the input: what no selection should take (arXiv:1909.09656, space S4). */
export const noiseName = 'noise';

/** What parameters are called within the operations of a family of cells, whose codes may differ in nothing else. */
export interface PartNames {
  readonly reluConvBn: readonly [conv: string, norm: string];
  readonly factorizedReduce: readonly [even: string, odd: string, norm: string];
  /** Of each half. */
  readonly separable: readonly [first: SeparatedNames, second: SeparatedNames];
  readonly dilated: SeparatedNames;
}

type SeparatedNames = readonly [depthwise: string, pointwise: string, norm: string];

/** Those of DARTS' code. */
export const dartsParts: PartNames = {
  reluConvBn: ['op.1', 'op.2'],
  factorizedReduce: ['conv_1', 'conv_2', 'bn'],
  separable: [
    ['op.1', 'op.2', 'op.3'],
    ['op.5', 'op.6', 'op.7'],
  ],
  dilated: ['op.1', 'op.2', 'op.3'],
};

/** The candidate operations of DARTS and of the cells it is compared with (arXiv:1806.09055, section 3.1), by name. */
export const operations: Readonly<Record<string, Operation>> = checkedOperations({
  [noneName]: (builder, input, context) => builder.zero(outputShape(input, context)),
  max_pool_3x3: normalisedPooling('maxPool'),
  avg_pool_3x3: normalisedPooling('avgPool'),
  [skipName]: skip(),
  sep_conv_3x3: separableConv(3),
  sep_conv_5x5: separableConv(5),
  sep_conv_7x7: separableConv(7),
  dil_conv_3x3: dilatedConv(3),
  dil_conv_5x5: dilatedConv(5),
  conv_7x1_1x7: factorizedConv,
  [noiseName]: (builder, input, context) => builder.noise(builder.zero(outputShape(input, context)), { always: true }),
});

/** A skip connection that at stride 1 adds noise in training. */
export function noisySkip(distribution: NoiseDistribution, skip: Operation): Operation {
  return (builder, input, context) => {
    const output = skip(builder, input, context);
    return context.stride === 1 ? builder.noise(output, { distribution }) : output;
  };
}

/** Operations that refuse what no cell gives them. */
export function checkedOperations(table: Readonly<Record<string, Operation>>): Readonly<Record<string, Operation>> {
  const checked = (build: Operation): Operation => {
    return (builder, input, context) => {
      if (!(builder instanceof GraphBuilder)) throw invalid('builder', 'a GraphBuilder', builder);
      checkRecord('context', context, 'layer, channels, stride, affine and normalisePooling');
      check('channels', context.channels, anInteger(1));
      if (context.stride !== 1 && context.stride !== 2) throw invalid('stride', '1 or 2', context.stride);
      if (!isRecord(input) || input.shape?.length !== 3) throw invalid('input', 'a Tensor of [H, W, C]', input);
      return build(builder, input, context);
    };
  };
  return Object.fromEntries(Object.entries(table).map(([name, build]) => [name, checked(build)]));
}

/** Builds an operation and checks the shape of what it gave. Throws ArgumentError naming operation and layer. */
export function applyOperation(
  { name, build }: NamedOperation,
  builder: GraphBuilder,
  input: Tensor,
  context: OperationContext,
): Tensor {
  const output = build(builder, input, context);
  const expected = outputShape(input, context);
  if (output?.shape?.length !== expected.length || expected.some((size, axis) => size !== output.shape[axis])) {
    const actual = output?.shape === undefined ? 'no tensor' : `[${output.shape}]`;
    throw new ArgumentError(
      `${context.layer}: expected operation ${name} to give shape [${expected}] at stride ${context.stride} but got ${actual}`,
    );
  }
  return output;
}

/**
 * Halves height and width without losing pixels: two 1x1 convolutions of stride 2, the second one pixel further on.
 * [H, W, any] to [H/2, W/2, channels]. Throws ArgumentError when height, width or channels are odd.
 */
export function factorizedReduce(
  builder: GraphBuilder,
  input: Tensor,
  { layer, channels, affine }: Pick<OperationContext, 'layer' | 'channels' | 'affine'>,
  [evenName, oddName, norm] = dartsParts.factorizedReduce,
): Tensor {
  const [height, width] = input.shape;
  if (height % 2 !== 0 || width % 2 !== 0) {
    throw new LayerSizeError(
      `${layer}: factorized reduce expected an even height and width but got ${height}x${width}`,
    );
  }
  if (channels % 2 !== 0) throw invalid(`the channels of ${layer} (factorized reduce)`, 'an even number', channels);
  const active = builder.relu(input);
  const half = { channels: channels / 2, kernel: 1, stride: 2 };
  const even = builder.conv2d(evenName, active, half);
  const odd = builder.conv2d(oddName, builder.crop(active, 1, 1), half);
  return builder.batchNorm(norm, builder.concat([even, odd]), { affine });
}

/** ReLU, 1x1 convolution, batch normalisation: [H, W, any] to [H, W, channels]. */
export function reluConvBn(
  builder: GraphBuilder,
  input: Tensor,
  { channels, affine }: Pick<OperationContext, 'channels' | 'affine'>,
  [conv, norm] = dartsParts.reluConvBn,
): Tensor {
  const output = builder.conv2d(conv, builder.relu(input), { channels, kernel: 1 });
  return builder.batchNorm(norm, output, { affine });
}

function outputShape(input: Tensor, { stride, channels }: OperationContext): [number, number, number] {
  return [Math.ceil(input.shape[0] / stride), Math.ceil(input.shape[1] / stride), channels];
}

/** The identity, and at stride 2 what halves in its place. */
export function skip({ factorizedReduce: names } = dartsParts): Operation {
  return (builder, input, context) => (context.stride === 1 ? input : factorizedReduce(builder, input, context, names));
}

/** Of 3x3 pixels, padding not counted, without batch normalisation. */
export function pooling(op: 'maxPool' | 'avgPool'): Operation {
  return (builder, input, { stride }) => builder[op](input, { kernel: 3, stride, padding: 1 });
}

function normalisedPooling(op: 'maxPool' | 'avgPool'): Operation {
  const pool = pooling(op);
  return (builder, input, context) => {
    const output = pool(builder, input, context);
    return context.normalisePooling ? builder.batchNorm('1', output, { affine: context.affine }) : output;
  };
}

/** Twice ReLU, depthwise and pointwise convolution and batch normalisation; the first halves where the stride is 2. */
export function separableConv(kernel: number, { separable: [first, second] } = dartsParts): Operation {
  return (builder, input, context) => {
    const window = { kernel, dilation: 1 };
    const half = separated(builder, input, context, window, first);
    return separated(builder, half, { ...context, stride: 1 }, window, second);
  };
}

/** The same once, with every other pixel of a window. */
export function dilatedConv(kernel: number, { dilated: names } = dartsParts): Operation {
  return (builder, input, context) => separated(builder, input, context, { kernel, dilation: 2 }, names);
}

function separated(
  builder: GraphBuilder,
  input: Tensor,
  { channels, stride, affine }: OperationContext,
  { kernel, dilation }: { readonly kernel: number; readonly dilation: number },
  [depthwise, pointwise, norm]: SeparatedNames,
): Tensor {
  const window = { channels, groups: channels, kernel, stride, dilation, padding: (dilation * (kernel - 1)) / 2 };
  const each = builder.conv2d(depthwise, builder.relu(input), window);
  return builder.batchNorm(norm, builder.conv2d(pointwise, each, { channels, kernel: 1 }), { affine });
}

function factorizedConv(builder: GraphBuilder, input: Tensor, { channels, stride, affine }: OperationContext): Tensor {
  const row = builder.conv2d('1', builder.relu(input), {
    channels,
    kernel: [1, 7],
    stride: [1, stride],
    padding: [0, 3],
  });
  const column = builder.conv2d('2', row, { channels, kernel: [7, 1], stride: [stride, 1], padding: [3, 0] });
  return builder.batchNorm('3', column, { affine });
}
