// One table of cases per op: what every backend's kernels are checked on, forward and backward. Channels around the vector
// widths 4, 8 and 16, odd sizes, and the shapes that the search spaces use.

import type { DropoutDraw } from '../../src/backend/device.ts';
import type { BranchBuilder, Conv2dOptions, GraphBuilder, PoolOptions, Tensor } from '../../src/graph/builder.ts';
import type { MixingActivation, Node, Shape } from '../../src/graph/graph.ts';
import {
  dartsCandidates,
  depthwiseSeparable,
  factorizedReduce,
  identity,
  none,
  pooling,
} from '../helpers/candidates.ts';
import type { InputData, KernelCase } from '../helpers/kernel_case.ts';
import { embedding, meanSquare, recurrentCell, slowness, tiedLinear, variationalDropout } from './recurrent_cases.ts';
import {
  sharedConvolutions,
  sharedLinear,
  sharedMixed,
  sharedNetworks,
  sharedNorms,
  sharedSoftmaxScales,
} from './shared_cases.ts';

/** Begins the name of a case: batch and image, such as `2x7x9x17`. */
function sizeName(batchSize: number, shape: Shape): string {
  return [batchSize, ...shape].join('x');
}

/** A case whose graph is one op on one input `x`. */
function single(
  name: string,
  batchSize: number,
  shape: Shape,
  build: (builder: GraphBuilder, x: Tensor) => Tensor,
  data?: InputData,
): KernelCase {
  return {
    name: `${sizeName(batchSize, shape)} ${name}`,
    batchSize,
    build: (builder) => build(builder, builder.input('x', shape)),
    data,
  };
}

function convolution(batchSize: number, shape: Shape, options: Conv2dOptions): KernelCase {
  const settings = Object.entries(options).map(([name, value]) => `${name} ${value}`);
  return single(settings.join(', '), batchSize, shape, (builder, x) => builder.conv2d('conv', x, options));
}

/** A convolution with as many groups as channels. */
function depthwise(batchSize: number, shape: Shape, options: Omit<Conv2dOptions, 'channels' | 'groups'>): KernelCase {
  return convolution(batchSize, shape, { ...options, channels: shape[2], groups: shape[2] });
}

function maxPool(batchSize: number, shape: Shape, options: PoolOptions, data?: InputData): KernelCase {
  const name = `kernel ${options.kernel}, stride ${options.stride ?? 1}, padding ${options.padding ?? 0}, ${data ?? 'normal'}`;
  return single(name, batchSize, shape, (builder, x) => builder.maxPool(x, options), data);
}

/** An average pooling in both padding modes. */
function avgPool(batchSize: number, shape: Shape, options: PoolOptions): KernelCase[] {
  return [false, true].map((countIncludePad) => {
    const mode = countIncludePad ? 'padding counted' : 'padding left out';
    const name = `kernel ${options.kernel}, stride ${options.stride ?? 1}, padding ${options.padding ?? 0}, ${mode}`;
    return single(name, batchSize, shape, (builder, x) => builder.avgPool(x, { ...options, countIncludePad }));
  });
}

function batchNorm(batchSize: number, shape: Shape, affine: boolean, data?: InputData): KernelCase {
  const name = `${affine ? 'affine' : 'plain'}, ${data ?? 'normal'}`;
  return single(name, batchSize, shape, (builder, x) => builder.batchNorm('bn', x, { affine }), data);
}

function linear(batchSize: number, inputs: number, outputs: number): KernelCase {
  return single(`to ${outputs}`, batchSize, [inputs], (builder, x) => builder.linear('linear', x, outputs));
}

function loss(batchSize: number, inputs: number, classes: number, data?: InputData): KernelCase {
  return single(
    `${classes} classes, ${data ?? 'normal'}`,
    batchSize,
    [inputs],
    (builder, x) => builder.softmaxCrossEntropy(builder.linear('classifier', x, classes)),
    data,
  );
}

/** A case of one mixed operation on `x` with a table of its own. */
function mixed(
  name: string,
  batchSize: number,
  shape: Shape,
  branches: readonly BranchBuilder[],
  options: { activation?: MixingActivation; runsAll?: boolean; weights?: readonly number[] } = {},
): KernelCase {
  const { activation, runsAll, weights } = options;
  const kernelCase = single(name, batchSize, shape, (builder, x) => {
    const alpha = builder.alpha('alphas', [branches.length]);
    return builder.mixed(x, branches, { alpha, row: 0, activation, runsAll });
  });
  return weights === undefined ? kernelCase : { ...kernelCase, mixing: { alphas: weights } };
}

const conv2d: readonly KernelCase[] = [
  convolution(2, [5, 5, 4], { channels: 4, kernel: 3, stride: 1_000_000, padding: 1, groups: 4 }),
  convolution(1, [1, 1, 1], { channels: 1, kernel: 1 }),
  convolution(1, [5, 5, 3], { channels: 8, kernel: 1 }),
  convolution(2, [8, 8, 16], { channels: 16, kernel: 1 }),
  convolution(3, [7, 9, 17], { channels: 31, kernel: 1 }),
  convolution(2, [6, 6, 48], { channels: 64, kernel: 1 }),
  convolution(1, [6, 5, 64], { channels: 5, kernel: 1 }),
  convolution(2, [7, 7, 16], { channels: 8, kernel: 1, stride: 2 }),
  convolution(2, [8, 8, 31], { channels: 17, kernel: 1, stride: 3 }),
  convolution(2, [3, 3, 8], { channels: 8, kernel: 1, padding: 1 }),
  convolution(2, [7, 6, 5], { channels: 8, kernel: 1, stride: 2, padding: 1 }),
  convolution(4, [16, 16, 64], { channels: 64, kernel: 1 }),
  // In chunks of as many channels as there are outputs: pixels that fill batches and that do not, strided, of several pieces.
  convolution(2, [9, 7, 64], { channels: 16, kernel: 1 }),
  convolution(2, [13, 10, 48], { channels: 16, kernel: 1, stride: 2 }),
  convolution(5, [33, 32, 32], { channels: 16, kernel: 1 }),
  convolution(2, [9, 9, 96], { channels: 32, kernel: 1 }),
  convolution(1, [12, 11, 64], { channels: 32, kernel: 1, stride: 2 }),
  convolution(1, [7, 9, 256], { channels: 64, kernel: 1 }),
  convolution(2, [8, 6, 128], { channels: 64, kernel: 1, stride: 3 }),
  convolution(3, [1, 1, 32], { channels: 32, kernel: 1 }),
  ...([16, 32, 64] as const).map((channels) =>
    single(`a reduced image and what it was, behind a convolution, to ${channels}`, 2, [10, 12, 3], (builder, x) => {
      const y = builder.relu(builder.conv2d('wide', x, { channels: 2 * channels, kernel: 1 }));
      const own = { channels, kernel: 1 };
      const whole = builder.add(['a', 'b'].map((name) => builder.conv2d(name, y, own)));
      const halves = [y, builder.crop(y, 1, 1)].map((part, i) =>
        builder.conv2d(`half${i}`, part, { ...own, stride: 2 }),
      );
      return builder.add([builder.conv2d('behind', whole, { ...own, stride: 2 }), ...halves]);
    }),
  ),
  ...(
    [
      [2, [7, 6, 5], { channels: 8, kernel: 3, padding: 1, stride: 2 }],
      [1, [6, 6, 8], { channels: 8, kernel: 3, padding: 1, groups: 8 }],
      [3, [5, 5, 17], { channels: 31, kernel: 1 }],
      [2, [6, 5, 32], { channels: 16, kernel: 1, stride: 2 }],
      [2, [6, 5, 48], { channels: 32, kernel: 3, groups: 2, padding: 1 }],
    ] as const
  ).map(([batchSize, shape, own]) =>
    single(`twice behind a relu of what others read, ${JSON.stringify(own)}`, batchSize, shape, (builder, x) => {
      const y = builder.conv2d('before', x, { channels: shape[2], kernel: 1 });
      const relu = builder.relu(y);
      return builder.add([relu, relu, y].map((input, i) => builder.conv2d(`conv${i}`, input, own)));
    }),
  ),
  // Of what lies side by side: chunks of several parts, of one and across them; with and without a relu, strided, behind
  // a crop; a part that others read, too.
  ...(
    [
      [16, 4, 16],
      [16, 4, 32],
      [8, 4, 16],
      [12, 4, 16],
      [32, 2, 16],
      [64, 4, 64],
      [5, 3, 7],
      [132, 8, 4],
    ] as const
  ).map(([part, count, channels]) =>
    single(`behind a concatenation of ${count} times ${part}, to ${channels}`, 2, [6, 8, 3], (builder, x) => {
      const parts = Array.from({ length: count }, (_, i) =>
        builder.conv2d(`part${i}`, x, { channels: part, kernel: 1 }),
      );
      const joined = builder.concat(parts);
      const y = builder.relu(joined);
      const own = { channels, kernel: 1 };
      const whole = [joined, y, parts[0]].map((input, i) => builder.conv2d(`whole${i}`, input, own));
      const halves = [y, builder.crop(y, 1, 1)].map((input, i) =>
        builder.conv2d(`half${i}`, input, { ...own, stride: 2 }),
      );
      return builder.add([builder.conv2d('behind', builder.add(whole), { ...own, stride: 2 }), ...halves]);
    }),
  ),
  convolution(1, [32, 32, 36], { channels: 36, kernel: 3, padding: 1, groups: 36 }),
  convolution(1, [5, 7, 1], { channels: 5, kernel: 3, padding: 1 }),
  convolution(2, [9, 9, 3], { channels: 48, kernel: 3, padding: 1 }),
  convolution(2, [7, 7, 8], { channels: 16, kernel: 3, stride: 2, padding: 1 }),
  convolution(1, [11, 10, 16], { channels: 17, kernel: 3, stride: 3 }),
  convolution(4, [12, 12, 16], { channels: 31, kernel: 3, padding: 1 }),
  convolution(1, [3, 67, 16], { channels: 16, kernel: 3, padding: 1 }),
  convolution(2, [8, 9, 5], { channels: 8, kernel: 5, padding: 2 }),
  convolution(1, [15, 13, 3], { channels: 16, kernel: 7, stride: 2, padding: 3 }),
  convolution(2, [8, 8, 8], { channels: 8, kernel: [1, 7], stride: [1, 2], padding: [0, 3] }),
  convolution(2, [8, 8, 8], { channels: 8, kernel: [7, 1], stride: [2, 1], padding: [3, 0] }),
  convolution(3, [5, 5, 8], { channels: 16, kernel: 2 }),
  convolution(2, [6, 7, 17], { channels: 5, kernel: 2, stride: 2 }),
  convolution(1, [4, 4, 3], { channels: 3, kernel: 2, padding: 1 }),
  convolution(2, [7, 6, 5], { channels: 8, kernel: 3, dilation: 2, padding: 2 }),
  convolution(2, [9, 8, 8], { channels: 5, kernel: 3, stride: 2, dilation: 2, padding: 2 }),
  convolution(1, [8, 11, 3], { channels: 4, kernel: 3, dilation: [1, 3], padding: [0, 2] }),
  convolution(1, [5, 4, 3], { channels: 8, kernel: 3, padding: 4 }),
  convolution(2, [2, 3, 5], { channels: 8, kernel: 5, padding: 2 }),
  convolution(2, [1, 1, 16], { channels: 16, kernel: 3, padding: 1 }),
  convolution(1, [1, 2, 4], { channels: 4, kernel: 5, dilation: 2, padding: 4 }),
  convolution(2, [6, 6, 8], { channels: 16, kernel: 3, padding: 1, groups: 2 }),
  convolution(1, [5, 6, 6], { channels: 10, kernel: 3, stride: 2, padding: 1, groups: 2 }),
  convolution(2, [4, 4, 48], { channels: 48, kernel: 1, groups: 3 }),
  convolution(2, [5, 5, 8], { channels: 16, kernel: 3, padding: 1, groups: 8 }),
  ...[1, 3, 5, 8, 16, 17, 31, 48, 64].map((channels) => depthwise(2, [7, 6, channels], { kernel: 3, padding: 1 })),
  depthwise(1, [9, 7, 17], { kernel: 3, stride: 2, padding: 1 }),
  depthwise(2, [8, 8, 16], { kernel: 5, stride: 2, padding: 2 }),
  depthwise(2, [9, 9, 31], { kernel: 5, padding: 2 }),
  depthwise(1, [9, 8, 8], { kernel: 7, padding: 3 }),
  depthwise(2, [7, 9, 5], { kernel: 3, stride: 2, dilation: 2, padding: 2 }),
  depthwise(2, [8, 8, 16], { kernel: 5, stride: 2, dilation: 2, padding: 4 }),
  depthwise(2, [9, 7, 48], { kernel: 5, dilation: 2, padding: 4 }),
  depthwise(1, [2, 2, 16], { kernel: 5, dilation: 2, padding: 4 }),
  depthwise(1, [10, 11, 8], { kernel: 3, stride: 3, padding: 0 }),
  depthwise(2, [5, 6, 8], { kernel: [1, 7], padding: [0, 3] }),
  depthwise(2, [6, 5, 3], { kernel: 2, stride: 2 }),
  depthwise(4, [16, 16, 64], { kernel: 5, padding: 2 }),
];

const batchNormCases: readonly KernelCase[] = [
  ...[1, 3, 5, 8, 16, 17, 31, 48, 64].map((channels) => batchNorm(3, [5, 7, channels], channels % 2 === 1)),
  batchNorm(1, [4, 3, 8], true),
  batchNorm(1, [9, 9, 5], false),
  batchNorm(16, [17], true),
  batchNorm(64, [16, 16, 5], true, 'offset'),
  batchNorm(64, [16, 16, 5], false, 'offset'),
  batchNorm(16, [16, 16, 16], true),
  batchNorm(4, [6, 6, 8], true, 'deadChannel'),
  single('epsilon 1e-3, momentum 0.3', 4, [5, 5, 8], (builder, x) =>
    builder.batchNorm('bn', x, { affine: true, epsilon: 1e-3, momentum: 0.3 }),
  ),
  single('twice, plus its input', 4, [6, 5, 17], (builder, x) => {
    const first = builder.batchNorm('bn1', x, { affine: true });
    return builder.add([builder.batchNorm('bn2', first, { affine: false }), x, first]);
  }),
];

const relu: readonly KernelCase[] = [
  single('one pixel', 1, [1, 1, 1], (builder, x) => builder.relu(x)),
  single('exact zeros', 3, [5, 7, 17], (builder, x) => builder.relu(x), 'integers'),
  single('a vector', 5, [31], (builder, x) => builder.relu(x)),
  single('many elements', 8, [16, 16, 16], (builder, x) => builder.relu(x)),
  single('several consumers', 2, [6, 6, 8], (builder, x) => {
    const active = builder.relu(x);
    const wide = builder.conv2d('wide', active, { channels: 8, kernel: 3, padding: 1 });
    return builder.add([wide, active, builder.conv2d('narrow', active, { channels: 8, kernel: 1 })]);
  }),
  single('its input used again', 2, [5, 5, 8], (builder, x) => builder.add([x, builder.relu(x), builder.relu(x)])),
  single('of a convolution that others read', 2, [5, 6, 5], (builder, x) => {
    const y = builder.conv2d('conv', x, { channels: 5, kernel: 3, padding: 1 });
    return builder.concat([builder.relu(y), y, builder.avgPool(builder.relu(y), { kernel: 3, padding: 1 })]);
  }),
];

const maxPoolCases: readonly KernelCase[] = [
  maxPool(1, [5, 5, 1], { kernel: 3, padding: 1 }),
  ...[3, 5, 8, 16, 17, 31, 48].map((channels) => maxPool(2, [7, 6, channels], { kernel: 3, padding: 1 })),
  maxPool(2, [8, 8, 16], { kernel: 3, stride: 2, padding: 1 }),
  maxPool(2, [7, 9, 17], { kernel: 3, stride: 2, padding: 1 }),
  maxPool(3, [9, 8, 5], { kernel: 3, padding: 1 }, 'integers'),
  maxPool(2, [7, 10, 32], { kernel: 3, stride: 2, padding: 1 }, 'integers'),
  maxPool(1, [13, 6, 64], { kernel: 3, stride: 2, padding: 1 }),
  maxPool(2, [70, 5, 16], { kernel: 3, stride: 2, padding: 1 }),
  // So many images that the strips of sliding warps are longer.
  maxPool(400, [40, 1, 16], { kernel: 3, stride: 2, padding: 1 }),
  maxPool(2, [11, 9, 32], { kernel: 3, padding: 1 }, 'integers'),
  maxPool(2, [9, 9, 16], { kernel: 3, stride: 2, padding: 1 }, 'integers'),
  maxPool(2, [6, 6, 8], { kernel: 3, padding: 1 }, 'negative'),
  maxPool(1, [6, 7, 8], { kernel: 2, stride: 2 }),
  maxPool(1, [4, 4, 3], { kernel: 2, padding: 1 }),
  maxPool(2, [11, 11, 8], { kernel: 5, stride: 3 }),
  maxPool(1, [6, 8, 5], { kernel: [1, 3], stride: [1, 2], padding: [0, 1] }),
  maxPool(1, [1, 1, 16], { kernel: 3, padding: 1 }),
  maxPool(4, [16, 16, 64], { kernel: 3, padding: 1 }),
];

const avgPoolCases: readonly KernelCase[] = [
  ...avgPool(1, [5, 5, 1], { kernel: 3, padding: 1 }),
  ...[3, 5, 8, 16, 17, 31, 48].flatMap((channels) => avgPool(2, [7, 6, channels], { kernel: 3, padding: 1 })),
  ...avgPool(2, [8, 8, 16], { kernel: 3, stride: 2, padding: 1 }),
  ...avgPool(2, [7, 9, 17], { kernel: 3, stride: 2, padding: 1 }),
  ...avgPool(1, [13, 6, 64], { kernel: 3, stride: 2, padding: 1 }),
  ...avgPool(2, [70, 5, 32], { kernel: 3, stride: 2, padding: 1 }),
  ...avgPool(1, [8, 8, 64], { kernel: 5, stride: 3 }),
  ...avgPool(2, [6, 7, 8], { kernel: 2, stride: 2, padding: 1 }),
  ...avgPool(1, [6, 8, 5], { kernel: [3, 1], stride: [2, 1], padding: [1, 0] }),
  ...avgPool(1, [1, 1, 16], { kernel: 3, padding: 1 }),
  ...avgPool(4, [16, 16, 64], { kernel: 3, padding: 1 }),
];

/** Both poolings of what a convolution leaves, which in bfloat16 is stored in half the memory. */
const sharedPoolings: readonly KernelCase[] = [1, 2].flatMap((stride) =>
  [16, 32, 64].map((channels) =>
    single(`both poolings behind a convolution, stride ${stride}, of ${channels}`, 2, [9, 10, 3], (builder, x) => {
      const y = builder.relu(builder.conv2d('conv', x, { channels, kernel: 1 }));
      const window = { kernel: 3, stride, padding: 1 };
      return builder.concat([
        builder.maxPool(y, window),
        builder.avgPool(y, { ...window, countIncludePad: false }),
        builder.maxPool(builder.relu(y), window),
      ]);
    }),
  ),
);

const globalAvgPool: readonly KernelCase[] = [
  single('one pixel', 1, [1, 1, 1], (builder, x) => builder.globalAvgPool(x)),
  single('odd', 3, [5, 7, 17], (builder, x) => builder.globalAvgPool(x)),
  single('row', 2, [1, 9, 31], (builder, x) => builder.globalAvgPool(x)),
  single('even', 4, [8, 8, 256], (builder, x) => builder.globalAvgPool(x)),
  single('large', 2, [32, 32, 16], (builder, x) => builder.globalAvgPool(x)),
];

const linearCases: readonly KernelCase[] = [
  linear(1, 1, 5),
  linear(1, 17, 10),
  linear(3, 64, 31),
  linear(64, 256, 10),
  linear(5, 48, 1),
  linear(32, 31, 100),
];

const add: readonly KernelCase[] = [
  {
    name: 'four inputs 2x5x7x17',
    batchSize: 2,
    build: (builder) => builder.add(['a', 'b', 'c', 'd'].map((name) => builder.input(name, [5, 7, 17]))),
  },
  single('the same tensor twice', 2, [5, 5, 3], (builder, x) => builder.add([x, x])),
  single('a computed tensor twice', 2, [6, 6, 8], (builder, x) => {
    const y = builder.conv2d('conv', x, { channels: 8, kernel: 1 });
    return builder.add([y, builder.relu(y), y]);
  }),
  single('vectors', 3, [31], (builder, x) => builder.add([x, builder.linear('linear', x, 31)])),
  single('many elements', 8, [16, 16, 16], (builder, x) => builder.add([x, builder.relu(x)])),
];

const concat: readonly KernelCase[] = [
  {
    name: 'unequal channels 2x5x6x(3+5+17)',
    batchSize: 2,
    build: (builder) => builder.concat([3, 5, 17].map((channels) => builder.input(`x${channels}`, [5, 6, channels]))),
  },
  single('the same tensor twice', 2, [5, 5, 3], (builder, x) => builder.concat([x, builder.relu(x), x])),
  single('four of 16', 4, [8, 8, 16], (builder, x) =>
    builder.concat([x, builder.relu(x), builder.add([x, x]), builder.maxPool(x, { kernel: 3, padding: 1 })]),
  ),
  single('single channels into a convolution', 1, [3, 4, 1], (builder, x) =>
    builder.conv2d('conv', builder.concat([x, builder.relu(x)]), { channels: 5, kernel: 1 }),
  ),
];

const crop: readonly KernelCase[] = [
  single('a row and a column', 2, [6, 7, 5], (builder, x) => builder.crop(x, 1, 1)),
  single('columns', 1, [4, 5, 17], (builder, x) => builder.crop(x, 0, 2)),
  single('rows', 3, [5, 3, 8], (builder, x) => builder.crop(x, 4, 0)),
  single('nothing', 2, [3, 3, 3], (builder, x) => builder.crop(x, 0, 0)),
  single('and the whole', 2, [5, 5, 8], (builder, x) =>
    builder.add([builder.crop(x, 2, 2), builder.maxPool(x, { kernel: 3 })]),
  ),
  single('before a convolution of 3x3', 2, [7, 9, 6], (builder, x) =>
    builder.conv2d('conv', builder.crop(x, 1, 1), { channels: 5, kernel: 3 }),
  ),
  ...[1, 2, 3].flatMap((stride) =>
    [16, 32].map((channels) =>
      single(`cropped, stride ${stride}, to ${channels}`, 2, [12, 11, 32], (builder, x) =>
        builder.conv2d('conv', builder.crop(x, 2, 1), { channels, kernel: 1, stride }),
      ),
    ),
  ),
  single('before a strided convolution', 2, [7, 9, 6], (builder, x) =>
    builder.conv2d('conv', builder.crop(x, 2, 1), { channels: 18, kernel: 3, stride: 2 }),
  ),
  single('before a convolution of one channel', 2, [6, 5, 1], (builder, x) =>
    builder.conv2d('conv', builder.crop(x, 2, 0), { channels: 1, kernel: 1 }),
  ),
  single('of a crop before a convolution', 2, [7, 6, 4], (builder, x) =>
    builder.conv2d('conv', builder.crop(builder.crop(x, 1, 2), 2, 1), { channels: 3, kernel: 1, stride: 2 }),
  ),
  single('before a convolution and another reader', 2, [5, 5, 4], (builder, x) => {
    const inner = builder.crop(x, 1, 1);
    return builder.add([builder.conv2d('conv', inner, { channels: 4, kernel: 1 }), inner]);
  }),
  single('before a padded convolution', 2, [6, 6, 4], (builder, x) =>
    builder.conv2d('conv', builder.crop(x, 1, 1), { channels: 4, kernel: 3, padding: 1 }),
  ),
  single('factorized reduce to 16', 2, [8, 8, 16], (builder, x) => factorizedReduce(builder, x, 16)),
  single('factorized reduce to 34', 2, [6, 4, 17], (builder, x) => factorizedReduce(builder, x, 34)),
];

const zero: readonly KernelCase[] = [
  single('added', 2, [4, 5, 3], (builder, x) => builder.add([x, builder.zero([4, 5, 3])])),
  single('between', 1, [3, 3, 17], (builder, x) => builder.concat([x, builder.zero([3, 3, 5]), x])),
  single('through a convolution', 2, [5, 5, 8], (builder, x) => {
    const y = builder.conv2d('conv', builder.zero([5, 5, 3]), { channels: 8, kernel: 3, padding: 1 });
    return builder.add([x, y]);
  }),
];

const draw: DropoutDraw = { seed: 2 ** 40 + 17, epoch: 3, step: 5 };

/** The same with something to draw from. */
const drawing = (kernelCase: KernelCase, dropout = draw): KernelCase => ({ ...kernelCase, dropout });

/**
 * Drop path between a node's operations and their sum: of separables, poolings, a plain convolution, a bare tensor and twice one. Large
 * images have one pooling: with two, kinks lie within the differences that the reference's gradients are checked by.
 */
const dropPath = (
  name: string,
  batchSize: number,
  shape: readonly [number, number, number],
  { affine, poolsTwice = true }: { affine: boolean; poolsTwice?: boolean },
) =>
  single(name, batchSize, shape, (builder, x) => {
    const [, , channels] = shape;
    const norm = (term: string, y: Tensor) => builder.batchNorm(term, y, { affine });
    const dropped = (y: Tensor) => builder.dropout(y, { rate: 0.4, drops: 'samples' });
    const chain = (term: string, dilation: number) => {
      const shared = { kernel: 3, padding: dilation, dilation, channels, groups: channels };
      const depthwise = builder.conv2d(`${term}.depthwise`, builder.relu(x), shared);
      return norm(`${term}.norm`, builder.conv2d(`${term}.pointwise`, depthwise, { channels, kernel: 1 }));
    };
    const window = { kernel: 3, padding: 1 };
    const poolings = [dropped(norm('pool', builder.maxPool(x, window)))];
    if (poolsTwice) poolings.push(dropped(norm('average', builder.avgPool(x, window))));
    const convolved = builder.conv2d('conv', x, { channels, kernel: 1 });
    const node = builder.add([dropped(chain('a', 1)), dropped(chain('b', 2)), x, ...poolings]);
    const bare = builder.avgPool(x, { kernel: 3, padding: 1, countIncludePad: false });
    return builder.add([dropped(norm('conv.norm', convolved)), dropped(bare), dropped(builder.relu(node)), node]);
  });
const tanh: readonly KernelCase[] = [
  single('alone', 2, [5, 7, 16], (builder, x) => builder.tanh(x)),
  single('of odd channels', 3, [3, 5, 7], (builder, x) => builder.tanh(x)),
  single('of a vector, far out', 5, [33], (builder, x) => builder.tanh(x), 'large'),
  single('whose input is used again', 2, [4, 4, 8], (builder, x) => {
    const y = builder.batchNorm('norm', x, { affine: true });
    return builder.add([builder.tanh(y), builder.tanh(builder.tanh(y)), y]);
  }),
];

const sigmoid: readonly KernelCase[] = [
  single('alone', 2, [5, 7, 16], (builder, x) => builder.sigmoid(x)),
  single('of odd channels', 3, [3, 5, 7], (builder, x) => builder.sigmoid(x)),
  single('of a vector, far out', 5, [33], (builder, x) => builder.sigmoid(x), 'large'),
  single('in place of its input', 2, [4, 4, 8], (builder, x) => {
    const y = builder.conv2d('conv', x, { channels: 12, kernel: 1 });
    return builder.relu(builder.sigmoid(builder.tanh(y)));
  }),
];

const scale: readonly KernelCase[] = [
  single('by a half', 2, [5, 7, 16], (builder, x) => builder.scale(x, 0.5)),
  single('of odd channels, by a negative', 3, [3, 5, 7], (builder, x) => builder.scale(x, -1.7)),
  single('by nothing', 2, [4, 4, 8], (builder, x) => builder.scale(x, 0)),
  single('in a weighted sum', 2, [5, 5, 6], (builder, x) => {
    const terms = [separable.build(builder.within('a'), x), builder.relu(x), x];
    return builder.add(terms, { weights: [0.24, -3, 1] });
  }),
];

function softmaxScaled(name: string, batchSize: number, shape: Shape, count: number, index: number): KernelCase {
  return single(`${name}, entry ${index} of ${count}`, batchSize, shape, (builder, x) =>
    builder.softmaxScale('entries', x, { count, index, initialiser: { kind: 'uniform', bound: 1 } }),
  );
}

const softmaxScale: readonly KernelCase[] = [
  softmaxScaled('a vector', 5, [10], 3, 1),
  softmaxScaled('an image', 2, [5, 7, 16], 3, 0),
  softmaxScaled('odd channels', 3, [3, 5, 7], 2, 1),
  softmaxScaled('one weight, which is 1 always', 2, [4, 4, 3], 1, 0),
  softmaxScaled('many weights', 2, [3, 3, 4], 300, 299),
  softmaxScaled('many elements', 6, [16, 15, 17], 3, 2),
  single('in place of what nobody else reads, and beside what others read', 2, [5, 5, 6], (builder, x) => {
    const options = { count: 3, index: 2 };
    const convolved = builder.conv2d('conv', x, { channels: 6, kernel: 1 });
    const weighed = builder.softmaxScale('first', convolved, options);
    return builder.add([builder.relu(weighed), builder.softmaxScale('second', builder.scale(x, 2), options)]);
  }),
];

/** The candidate: noise alone. */
const pureNoise: BranchBuilder = {
  name: 'noise',
  build: (builder, { shape }) => builder.noise(builder.zero(shape), { always: true }),
};

const noise: readonly KernelCase[] = [
  drawing(
    single('that is always there, whatever the scale', 2, [3, 5, 7], (builder, x) =>
      builder.noise(x, { always: true }),
    ),
    { ...draw, noiseScale: 0 },
  ),
  drawing(
    single('of both kinds where nothing is dropped', 3, [4, 5, 8], (builder, x) => {
      const dropped = builder.dropout(builder.dropout(x, { rate: 0.5 }), { rate: 0.5, drops: 'samples' });
      return builder.add([builder.noise(builder.relu(dropped)), builder.noise(dropped, { always: true })]);
    }),
    { ...draw, noiseScale: 0.5, drops: false },
  ),
  drawing(
    single('alone, of samples that drop path drops', 6, [5, 4, 8], (builder, x) =>
      builder.add([builder.dropout(pureNoise.build(builder, x), { rate: 0.5, drops: 'samples' }), builder.relu(x)]),
    ),
  ),
  drawing(mixed('as a candidate', 2, [5, 5, 8], [pureNoise, depthwiseSeparable(3)])),
  drawing(
    mixed('as a candidate of a given weight', 3, [3, 5, 7], [depthwiseSeparable(3), pureNoise, identity], {
      weights: [0.3, 0.6, 0.1],
    }),
  ),
  drawing(mixed('as a candidate of weight 0', 2, [5, 5, 8], [pureNoise, depthwiseSeparable(3)], { weights: [0, 1] })),
  drawing(
    mixed('as a candidate that runs with weight 0', 2, [5, 5, 8], [pureNoise, depthwiseSeparable(3)], {
      weights: [0, 1],
      runsAll: true,
    }),
  ),
  {
    ...drawing(
      mixed('as a candidate, in evaluation', 2, [5, 5, 8], [pureNoise, depthwiseSeparable(3)], { weights: [0.7, 0.3] }),
    ),
    statistics: 'running',
  },
  single('without anything to draw from', 2, [3, 5, 7], (builder, x) => builder.noise(x)),
  drawing(single('normal', 3, [5, 7, 16], (builder, x) => builder.noise(x))),
  drawing(single('of odd channels', 2, [3, 5, 7], (builder, x) => builder.noise(x))),
  drawing(
    single('of integers', 2, [3, 5, 7], (builder, x) => builder.noise(x, { distribution: 'integers' })),
    { ...draw, noiseScale: 0.3 },
  ),
  drawing(single('a vector', 5, [33], (builder, x) => builder.noise(x, { distribution: 'integers' }))),
  drawing(
    single('beside dropouts and other noise', 2, [4, 5, 8], (builder, x) => {
      const first = builder.noise(builder.dropout(x, { rate: 0.5 }));
      return builder.add([builder.noise(builder.relu(first)), x, first]);
    }),
    { ...draw, noiseScale: -0.7 },
  ),
  drawing(
    single('on the skip connection of a mixed operation', 2, [5, 5, 8], (builder, x) => {
      const alpha = builder.alpha('alphas', [3]);
      const noisy = { name: 'skip_connect', build: (inner: GraphBuilder, y: Tensor) => inner.noise(y) };
      return builder.mixed(builder.relu(x), [noisy, separable, pooling('maxPool')], {
        alpha,
        row: 0,
        activation: 'sigmoid',
      });
    }),
  ),
];

const dropout: readonly KernelCase[] = [
  single('without anything to draw from', 2, [3, 5, 7], (builder, x) => builder.dropout(x, { rate: 0.5 })),
  drawing(single('a tenth', 3, [5, 7, 16], (builder, x) => builder.dropout(x, { rate: 0.1 }))),
  drawing(single('of odd channels', 2, [3, 5, 7], (builder, x) => builder.dropout(x, { rate: 0.4 }))),
  drawing(single('none', 2, [3, 4, 8], (builder, x) => builder.dropout(x, { rate: 0 }))),
  drawing(single('nearly all', 2, [6, 6, 20], (builder, x) => builder.dropout(x, { rate: 0.97 }))),
  drawing(single('a vector', 5, [33], (builder, x) => builder.dropout(x, { rate: 0.4 }))),
  drawing(single('of samples', 9, [3, 3, 6], (builder, x) => builder.dropout(x, { rate: 0.3, drops: 'samples' }))),
  drawing(
    single('of samples, at a third of the rate', 17, [2, 3, 8], (builder, x) =>
      builder.dropout(x, { rate: 0.9, drops: 'samples' }),
    ),
    { ...draw, pathFactor: 1 / 3 },
  ),
  drawing(
    single('two that differ, one after another and beside their input', 4, [5, 6, 12], (builder, x) => {
      const first = builder.dropout(x, { rate: 0.5, drops: 'samples' });
      return builder.add([builder.dropout(builder.relu(first), { rate: 0.25 }), x, first]);
    }),
  ),
  drawing(
    single('between a convolution and a batch norm', 4, [5, 4, 6], (builder, x) => {
      const y = builder.conv2d('conv', x, { channels: 12, kernel: 3, padding: 1 });
      return builder.batchNorm('norm', builder.dropout(y, { rate: 0.3 }), { affine: true });
    }),
  ),

  drawing(dropPath('drop path before a sum, affine', 6, [9, 8, 20], { affine: true })),
  drawing(dropPath('drop path before a sum of many images', 33, [3, 3, 8], { affine: false })),
  drawing(dropPath('drop path before a sum of more images than a piece has pixels', 150, [1, 1, 4], { affine: true })),
  drawing(
    dropPath('drop path before a sum, several strips and pieces an image', 3, [20, 21, 16], {
      affine: false,
      poolsTwice: false,
    }),
  ),
  ...(
    [
      [6, [5, 4, 16], true],
      [5, [4, 5, 32], false],
      [3, [3, 4, 64], true],
      [4, [4, 3, 36], true],
    ] as const
  ).map(([batchSize, shape, affine]) =>
    drawing(dropPath('drop path before a sum of sliding warps', batchSize, shape, { affine })),
  ),
  // One separable of an input is dropped, the other not: both add to its gradient.
  ...[0, 1].map((dropped) =>
    drawing(
      single(
        `of one of two separables of 16 channels, the ${dropped === 0 ? 'first' : 'second'}`,
        5,
        [5, 4, 3],
        (builder, x) => {
          const y = builder.conv2d('conv', x, { channels: 16, kernel: 1 });
          const terms = [3, 5].map((kernel) => depthwiseSeparable(kernel).build(builder.within(`k${kernel}`), y));
          return builder.add(
            terms.map((term, i) => (i === dropped ? builder.dropout(term, { rate: 0.4, drops: 'samples' }) : term)),
          );
        },
      ),
    ),
  ),
  dropPath('drop path with nothing to draw from', 4, [5, 5, 8], { affine: true }),
  drawing(
    single('of samples of mixed operations before a sum', 6, [6, 5, 8], (builder, x) => {
      const alpha = builder.alpha('alphas', [2]);
      const mixed = builder.mixed(x, [depthwiseSeparable(3), identity], { alpha, row: 0 });
      return builder.add([builder.dropout(mixed, { rate: 0.4, drops: 'samples' }), builder.relu(x)]);
    }),
  ),
];

const separable = depthwiseSeparable(3);

/** A branch that is only a relu: the same node as the relu that other branches begin with. */
const activated: BranchBuilder = { name: 'relu', build: (builder, input) => builder.relu(input) };

/** A relu, then a separable branch on its result: its relu of a relu. */
const activatedSeparable: BranchBuilder = {
  name: 'relu_separable',
  build: (builder, input) => separable.build(builder.within('inner'), builder.relu(input)),
};

/** A branch that is a mixed operation itself. */
const nested = (alpha: string): BranchBuilder => ({
  name: 'nested',
  build: (builder, input) => builder.mixed(builder.relu(input), [separable, pooling('avgPool')], { alpha, row: 0 }),
});

/** Relu, depthwise and pointwise convolution and a batch norm with affine, as derived networks have them. */
function affineSeparable(builder: GraphBuilder, input: Tensor, kernel: number, stride = 1): Tensor {
  const channels = input.shape[2];
  const window = { kernel, stride, padding: (kernel - 1) / 2, groups: channels, channels };
  const depthwise = builder.conv2d('depthwise', builder.relu(input), window);
  return builder.batchNorm('bn', builder.conv2d('pointwise', depthwise, { channels, kernel: 1 }), { affine: true });
}

/** A pooling of any window with a batch norm, as a branch. */
function pooled(kind: 'maxPool' | 'avgPool', kernel: number, countIncludePad = false): BranchBuilder {
  return {
    name: `${kind}_${kernel}`,
    build: (builder, input) => {
      const window = { kernel, padding: (kernel - 1) / 2 };
      const y =
        kind === 'maxPool' ? builder.maxPool(input, window) : builder.avgPool(input, { ...window, countIncludePad });
      return builder.batchNorm('bn', y, { affine: false });
    },
  };
}

/** Two edges (or `names`) of `branches` from one state into one node: what fused kernels take together. */
function twoEdges(
  batchSize: number,
  shape: Shape,
  name: string,
  branches: readonly BranchBuilder[],
  options: {
    readonly data?: InputData;
    readonly weights?: readonly number[];
    readonly names?: readonly string[];
  } = {},
): KernelCase {
  const { data, weights, names = ['a', 'b'] } = options;
  const edges = single(
    name,
    batchSize,
    shape,
    (builder, x) => {
      const alpha = builder.alpha(
        'alphas',
        names.map(() => branches.length),
      );
      const mixes = names.map((edge, row) => builder.within(edge).mixed(x, branches, { alpha, row }));
      return builder.add(mixes);
    },
    data,
  );
  return weights === undefined ? edges : { ...edges, mixing: { alphas: weights } };
}

/** Fused forms at sizes below, at and beyond those that kernels are cut into. */
const fusedEdges: readonly KernelCase[] = [
  twoEdges(3, [1, 1, 16], 'two edges of one pixel', dartsCandidates(1)),
  twoEdges(2, [20, 20, 5], 'two edges of images of several pieces', dartsCandidates(1)),
  twoEdges(1, [33, 17, 16], 'two edges with a last strip cut short', dartsCandidates(1)),
  twoEdges(2, [6, 5, 8], 'two edges with ties', [pooling('maxPool'), pooling('avgPool'), separable], {
    data: 'integers',
  }),
  // Separables and poolings of both edges run together; each of these takes out the first or the last of a group.
  ...[
    [0, 0.5, 0.5, 0.25, 0, 0.5, 0.25, 0.5],
    [0.5, 0.5, 0.25, 0, 0.5, 0.5, 0.25, 0],
    [0.5, 0.25, 0.5, 0.5, 0, 0, 0, 0],
    [0, 0, 0, 0, 0.5, 0.25, 0.5, 0.5],
  ].map((weights) =>
    twoEdges(
      2,
      [5, 6, 8],
      `two edges, weights ${weights}`,
      [separable, pooling('maxPool'), depthwiseSeparable(5), identity],
      {
        weights,
      },
    ),
  ),
  twoEdges(2, [2, 3, 17], 'two edges smaller than the windows', dartsCandidates(1)),
  twoEdges(1, [9, 19, 33], 'two edges of one image', dartsCandidates(1)),
  twoEdges(2, [7, 5, 6], 'two strided edges of odd sizes', [
    depthwiseSeparable(5, { stride: 2 }),
    depthwiseSeparable(3, { stride: 2, dilation: 2 }),
  ]),
  twoEdges(35, [3, 3, 4], 'two edges of many images', [separable, depthwiseSeparable(5)]),
  twoEdges(2, [70, 3, 16], 'two edges of tall images', [separable, pooling('maxPool'), identity]),
  twoEdges(1, [3, 70, 36], 'two edges of wide images', [separable, pooling('avgPool'), identity]),
  twoEdges(2, [6, 5, 20], 'two edges of kernels of one and seven', [depthwiseSeparable(1), depthwiseSeparable(7)]),
  twoEdges(2, [6, 7, 9], 'two edges of wide poolings', [
    pooled('maxPool', 5),
    pooled('avgPool', 5),
    pooled('maxPool', 1),
  ]),
  twoEdges(2, [4, 5, 3], 'two edges of averages with padding', [pooled('avgPool', 3, true), pooled('avgPool', 3)]),
];

/**
 * The channels that kernels of sliding warps are compiled for: several strips and groups of columns, rows and columns that
 * fill neither, every window at both strides.
 */
const stridedBranches: readonly BranchBuilder[] = [
  pooling('maxPool', 2),
  pooling('avgPool', 2),
  ...dartsCandidates(2).slice(4),
];
/** Two edges behind a convolution and a batch norm: in bfloat16 only what a node leaves is stored in half the memory. */
const behindConvolution = (
  name: string,
  batchSize: number,
  [height, width, channels]: readonly [number, number, number],
  stride: 1 | 2,
) =>
  single(
    `${name} behind a convolution, stride ${stride}, to ${channels}`,
    batchSize,
    [height, width, 3],
    (builder, x) => {
      const y = builder.batchNorm('bn', builder.conv2d('conv', x, { channels, kernel: 1 }), { affine: false });
      const branches = stride === 1 ? dartsCandidates(1) : stridedBranches;
      const alpha = builder.alpha('alphas', [branches.length, branches.length]);
      return builder.add(['a', 'b'].map((edge, row) => builder.within(edge).mixed(y, branches, { alpha, row })));
    },
  );
const slidingEdges: readonly KernelCase[] = [
  twoEdges(2, [18, 21, 16], 'two strided edges of sliding warps', stridedBranches),
  twoEdges(2, [9, 11, 32], 'two edges of sliding warps', dartsCandidates(1)),
  twoEdges(1, [13, 10, 32], 'two strided edges of sliding warps', stridedBranches),
  twoEdges(2, [8, 8, 64], 'two edges of sliding warps', dartsCandidates(1)),
  twoEdges(1, [11, 7, 64], 'two strided edges of sliding warps', stridedBranches),
  twoEdges(3, [2, 1, 32], 'two edges of sliding warps on two pixels', dartsCandidates(1)),
  ...(
    [
      [2, [18, 21, 16], 1],
      [2, [17, 20, 16], 2],
      [2, [9, 11, 32], 1],
      [1, [13, 10, 32], 2],
      [2, [8, 8, 64], 1],
      [1, [11, 7, 64], 2],
    ] as const
  ).map(([batchSize, [height, width, channels], stride]) =>
    behindConvolution('sliding warps', batchSize, [height, width, channels], stride),
  ),
  // More members than a launch takes.
  twoEdges(2, [5, 6, 16], 'five edges of sliding warps', dartsCandidates(1).slice(4), {
    names: ['a', 'b', 'c', 'd', 'e'],
  }),
  twoEdges(2, [6, 5, 16], 'two edges of sliding warps with ties', [pooling('maxPool'), pooling('avgPool'), separable], {
    data: 'integers',
  }),
  twoEdges(2, [9, 10, 64], 'two edges of averages of sliding warps', [
    pooled('avgPool', 3, true),
    pooled('maxPool', 3),
  ]),
  twoEdges(2, [9, 5, 32], 'two edges of averages of two kinds', [pooled('avgPool', 3, true), pooled('avgPool', 3)]),
  // Some windows have no kernel of sliding warps: the tensor's gradient is summed by both kinds.
  twoEdges(2, [6, 7, 16], 'two edges, half of it by sliding warps', [
    depthwiseSeparable(7),
    separable,
    pooled('maxPool', 5),
    pooled('avgPool', 3),
    pooled('maxPool', 3),
  ]),
  // So many images that strips are longer than what a product takes at once.
  mixed('long strips of sliding warps', 400, [11, 2, 16], [separable, depthwiseSeparable(3, { dilation: 2 })]),
];

/**
 * Channels whose windows slide, but whose products are kernels apart: as evaluation networks have them, an odd number of
 * pairs, more than a warp and than a tile of the product.
 */
const apartEdges: readonly KernelCase[] = [
  twoEdges(2, [9, 11, 36], 'two edges of windows apart', dartsCandidates(1)),
  twoEdges(1, [13, 10, 36], 'two strided edges of windows apart', stridedBranches),
  twoEdges(2, [5, 6, 72], 'two edges of windows apart', dartsCandidates(1)),
  twoEdges(2, [7, 5, 26], 'two edges of windows apart', dartsCandidates(1).slice(4)),
  twoEdges(1, [3, 5, 144], 'two edges of windows apart', [separable, depthwiseSeparable(5, { dilation: 2 })]),
  twoEdges(3, [2, 1, 48], 'two edges of windows apart on two pixels', dartsCandidates(1).slice(4)),
  ...(
    [
      [[9, 11, 36], 1],
      [[7, 8, 36], 2],
      [[6, 7, 72], 1],
    ] as const
  ).map(([[height, width, channels], stride]) =>
    behindConvolution('windows apart', 2, [height, width, channels], stride),
  ),
  // More members than a launch takes.
  twoEdges(2, [5, 6, 24], 'five edges of windows apart', dartsCandidates(1).slice(4), {
    names: ['a', 'b', 'c', 'd', 'e'],
  }),
  // Some windows do not slide: the tensor's gradient is summed by both kinds.
  twoEdges(2, [6, 7, 36], 'two edges, half of it by windows apart', [depthwiseSeparable(7), separable]),
  mixed('long strips of windows apart', 200, [11, 2, 26], [separable, depthwiseSeparable(3, { dilation: 2 })]),
];

/** Batch norms with affine in the fused forms. */
const fusedAffine: readonly KernelCase[] = [
  // One tensor is read as it is and normalised.
  single('a separable of a tensor and one of its batch norm, to 16', 2, [9, 8, 3], (builder, x) => {
    const y = builder.conv2d('conv', x, { channels: 16, kernel: 1 });
    const normalised = builder.batchNorm('bn', y, { affine: true });
    const of = (name: string, input: Tensor) => separable.build(builder.within(name), input);
    return builder.add([of('a', y), of('b', normalised), of('c', y)]);
  }),
  ...(
    [
      [6, 7, 20],
      [5, 4, 36],
    ] as const
  ).map((shape) =>
    single('separables with affine one after another', 3, shape, (builder, x) => {
      const first = affineSeparable(builder.within('a'), x, 3);
      const second = affineSeparable(builder.within('b'), first, 5, 2);
      return affineSeparable(builder.within('c'), second, 3);
    }),
  ),
  single(
    'a sum of separables with affine, a skip and a batch norm, as a derived cell has it',
    2,
    [5, 6, 12],
    (builder, x) => {
      const norm = builder.batchNorm('norm', builder.avgPool(x, { kernel: 3, padding: 1 }), { affine: true });
      const terms = [affineSeparable(builder.within('a'), x, 3), x, norm, affineSeparable(builder.within('b'), x, 5)];
      return builder.add([builder.add(terms), x]);
    },
  ),
];

/** Batch norms without affine, which work in place where nobody else looks. */
const inPlaceNorms: readonly KernelCase[] = [
  single('norms one after another, then a relu', 3, [5, 6, 9], (builder, x) => {
    const convolved = builder.conv2d('conv', x, { channels: 7, kernel: 1 });
    const first = builder.batchNorm('first', convolved, { affine: false });
    return builder.relu(builder.batchNorm('second', first, { affine: false }));
  }),
  single('a norm whose input is read again', 3, [5, 6, 9], (builder, x) => {
    const convolved = builder.conv2d('conv', x, { channels: 7, kernel: 3 });
    const norm = builder.relu(builder.batchNorm('norm', convolved, { affine: false }));
    return builder.concat([norm, convolved]);
  }),
  single('a norm that is two terms of sums', 3, [5, 6, 9], (builder, x) => {
    const norm = builder.batchNorm('norm', builder.conv2d('conv', x, { channels: 9, kernel: 1 }), { affine: false });
    return builder.add([builder.add([norm, x]), norm]);
  }),
  single('two separables of one input that end in norms of their own', 3, [5, 6, 8], (builder, x) => {
    const branches = [3, 5].map((kernel) => affineSeparable(builder.within(`k${kernel}`), x, kernel));
    return builder.concat(branches);
  }),
];

/** A mixed operation of branches that end in batch norms with affine. */
const mixedAffine: readonly KernelCase[] = [
  single('branches with affine', 2, [5, 5, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [2]);
    const branches = [3, 5].map((kernel) => ({
      name: `separable_${kernel}`,
      build: (inner: GraphBuilder, input: Tensor) => affineSeparable(inner, input, kernel),
    }));
    return builder.mixed(x, branches, { alpha, row: 0 });
  }),
];

/** Graphs in which fused nodes meet readers that keep them from fusing, or weights of zero that must not starve others. */
const fusionCases: readonly KernelCase[] = [
  ...fusedEdges,
  ...slidingEdges,
  ...apartEdges,
  ...mixedAffine,
  single('a branch that is the relu of its neighbours', 3, [6, 6, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [2, 2]);
    const first = builder.within('a').mixed(x, [activated, separable], { alpha, row: 0 });
    const second = builder.within('b').mixed(x, [separable, activated], { alpha, row: 1 });
    return builder.add([first, second]);
  }),
  single('skip connections of a relu', 3, [6, 6, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [2, 2]);
    const active = builder.relu(x);
    const first = builder.within('a').mixed(active, [identity, separable], { alpha, row: 0 });
    const second = builder.within('b').mixed(active, [separable, identity], { alpha, row: 1 });
    return builder.add([first, second]);
  }),
  single('a separable on the relu of a relu', 2, [5, 6, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [2]);
    return builder.mixed(builder.relu(x), [separable, activatedSeparable], { alpha, row: 0 });
  }),
  ...[
    [1, 0],
    [0, 1],
    [0, 0],
  ].map((weights) => ({
    ...single(`a mixed operation within a branch, weights ${weights}`, 2, [5, 5, 8], (builder, x) => {
      const outer = builder.alpha('outer', [2]);
      const inner = builder.alpha('inner', [2]);
      return builder.mixed(x, [nested(inner), separable], { alpha: outer, row: 0 });
    }),
    mixing: { outer: weights },
  })),
  {
    ...single('a branch whose inner node is read outside, weight 0', 2, [5, 5, 8], (builder, x) => {
      const alpha = builder.alpha('alphas', [2]);
      let captured = x;
      const capturing: BranchBuilder = {
        name: 'capturing',
        build: (inner, input) => {
          captured = inner.conv2d('captured', input, { channels: 8, kernel: 1 });
          return inner.batchNorm('bn', captured, { affine: false });
        },
      };
      return builder.add([builder.mixed(x, [capturing, identity], { alpha, row: 0 }), captured]);
    }),
    mixing: { alphas: [0, 1] },
  },
];

/** Mixed operations whose candidates of weight 0 run. */
const runsAll: readonly KernelCase[] = [
  mixed('all candidates run, most with weight 0', 2, [6, 6, 8], dartsCandidates(1), {
    runsAll: true,
    weights: [0, 0, 0.3, 0, 0.4, 0, 0, 0.3],
  }),
  mixed('all candidates run with weight 0', 3, [8, 8, 6], dartsCandidates(2), {
    runsAll: true,
    weights: [0, 0, 0, 0, 0, 0, 0, 0],
  }),
  mixed('all candidates run, weights from alpha', 2, [4, 5, 3], [separable, none(), identity], { runsAll: true }),
];

const mixedCases: readonly KernelCase[] = [
  mixed('the eight candidates', 2, [6, 6, 5], dartsCandidates(1)),
  mixed('the eight candidates', 4, [8, 8, 16], dartsCandidates(1)),
  mixed('the eight candidates, stride 2', 3, [8, 8, 8], dartsCandidates(2)),
  mixed('the eight candidates, sigmoid', 2, [6, 5, 17], dartsCandidates(1), { activation: 'sigmoid' }),
  mixed('given weights', 2, [6, 6, 5], dartsCandidates(1), {
    weights: [0.05, 0.1, 0.15, 0.2, 0.1, 0.2, 0.15, 0.05],
  }),
  mixed('candidates skipped by zero weight', 2, [6, 6, 8], dartsCandidates(1), {
    weights: [0.1, 0, 0.5, 0, 0.3, 0, -0.4, 0],
  }),
  mixed('all but one skipped', 2, [8, 8, 8], dartsCandidates(2), { weights: [0, 0, 0, 0, 0, 1, 0, 0] }),
  mixed('all skipped', 2, [4, 4, 3], [identity, separable], { weights: [0, 0] }),
  mixed('all but the skip connection skipped', 1, [4, 5, 3], [separable, identity], { weights: [0, 0.75] }),
  mixed('none and skip connection', 1, [3, 5, 1], [none(), identity]),
  mixed('two skip connections', 2, [4, 4, 3], [identity, separable, identity], { activation: 'sigmoid' }),
  mixed('poolings', 2, [7, 7, 31], [pooling('maxPool'), pooling('avgPool')]),
  single('its input used again', 2, [5, 5, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [3]);
    const y = builder.relu(x);
    return builder.add([y, builder.mixed(y, [identity, none(), separable], { alpha, row: 0 }), x]);
  }),
  single('one after another', 2, [5, 5, 5], (builder, x) => {
    const alpha = builder.alpha('alphas', [2, 3]);
    const first = builder.within('a').mixed(x, [identity, separable], { alpha, row: 0 });
    return builder.within('b').mixed(first, [separable, identity, none()], { alpha, row: 1 });
  }),
  single('two that share a row', 2, [5, 5, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [2, 2]);
    const first = builder.within('a').mixed(x, [identity, separable], { alpha, row: 1 });
    const second = builder.within('b').mixed(x, [identity, separable], { alpha, row: 1 });
    return builder.add([first, second, builder.within('c').mixed(x, [none(), separable], { alpha, row: 0 })]);
  }),
  {
    ...single('two that share a row of given weights', 2, [5, 5, 8], (builder, x) => {
      const alpha = builder.alpha('alphas', [3]);
      const branches = [identity, separable, pooling('avgPool')];
      const first = builder.within('a').mixed(x, branches, { alpha, row: 0 });
      return builder.within('b').mixed(first, branches, { alpha, row: 0 });
    }),
    mixing: { alphas: [0.5, 0, 0.5] },
  },
  {
    ...single('some rows given, others from alpha', 2, [5, 5, 8], (builder, x) => {
      const alpha = builder.alpha('alphas', [2, 3, 2]);
      const branches = [identity, separable, pooling('avgPool')];
      const first = builder.within('a').mixed(x, branches.slice(0, 2), { alpha, row: 0 });
      const second = builder.within('b').mixed(first, branches, { alpha, row: 1 });
      const third = builder.within('c').mixed(x, branches.slice(0, 2), { alpha, row: 2 });
      return builder.add([second, third]);
    }),
    mixing: { alphas: [undefined, [0.5, 0, 0.25], undefined] },
  },
  {
    ...single('one table given, one from alpha', 2, [5, 5, 8], (builder, x) => {
      const given = builder.alpha('given', [2]);
      const first = builder.within('a').mixed(x, [identity, separable], { alpha: given, row: 0 });
      const free = builder.alpha('free', [2]);
      return builder.within('b').mixed(first, [identity, separable], { alpha: free, row: 0 });
    }),
    mixing: { given: [0.25, 0.75] },
  },
  {
    // Running statistics of its batch-norm, which nobody computes, must stay as they are.
    ...single('of zeros, which alone reads a node', 2, [5, 5, 8], (builder, x) => {
      const convolved = builder.conv2d('alone.conv', x, { channels: 8, kernel: 1 });
      const alone = builder.batchNorm('alone.bn', convolved, { affine: true });
      const mixing = { alpha: builder.alpha('alphas', [2]), row: 0 };
      return builder.add([builder.mixed(alone, [identity, separable], mixing), x]);
    }),
    mixing: { alphas: [0, 0] },
  },
];

const softmaxCrossEntropy: readonly KernelCase[] = [
  loss(1, 5, 2),
  loss(7, 16, 10),
  loss(8, 17, 17),
  loss(64, 64, 100),
  loss(3, 8, 1000),
  loss(8, 16, 10, 'large'),
  single('smoothed', 6, [9], (builder, x) =>
    builder.softmaxCrossEntropy(builder.linear('a', x, 7), { smoothing: 0.1 }),
  ),
  single('of three heads, smoothed', 5, [8], (builder, x) =>
    builder.softmaxCrossEntropy(builder.linear('a', x, 6), {
      smoothing: 0.2,
      auxiliary: [
        { logits: builder.linear('b', x, 6), weight: 0.4 },
        { logits: builder.linear('c', x, 6), weight: -2 },
      ],
    }),
  ),
  single('whose logits two heads share', 5, [8], (builder, x) => {
    const logits = builder.linear('a', x, 6);
    return builder.softmaxCrossEntropy(logits, { auxiliary: [{ logits, weight: 0.4 }] });
  }),
  single('beside another loss', 4, [8], (builder, x) => {
    const logits = builder.linear('a', x, 6);
    builder.softmaxCrossEntropy(builder.linear('b', x, 6));
    const loss = builder.softmaxCrossEntropy(logits);
    builder.softmaxCrossEntropy(builder.linear('c', x, 6));
    return loss;
  }),
];

/** A loss between two outputs of one input. */
function pairLoss(
  name: string,
  batchSize: number,
  sizes: readonly [inputs: number, outputs: number],
  loss: (builder: GraphBuilder, first: Tensor, second: Tensor) => Tensor,
  data?: InputData,
): KernelCase {
  const build = (builder: GraphBuilder, x: Tensor) =>
    loss(builder, builder.linear('first', x, sizes[1]), builder.linear('second', x, sizes[1]));
  return single(name, batchSize, [sizes[0]], build, data);
}

const distillation: readonly KernelCase[] = [
  pairLoss('plain', 7, [16, 10], (builder, s, t) => builder.distillation(s, t)),
  pairLoss('at a temperature', 64, [17, 100], (builder, s, t) => builder.distillation(s, t, { temperature: 2.5 })),
  pairLoss('of two classes', 1, [5, 2], (builder, s, t) => builder.distillation(t, s, { temperature: 0.5 })),
  pairLoss('of logits rather far apart', 8, [16, 10], (builder, s, t) =>
    builder.distillation(builder.scale(s, 3), builder.scale(t, -3)),
  ),
  pairLoss('of logits that share a layer', 5, [8, 6], (builder, s, t) =>
    builder.distillation(builder.add([s, t]), builder.scale(s, -0.5)),
  ),
  pairLoss('of one output with itself', 3, [8, 6], (builder, s) => builder.distillation(s, s)),
];

const smoothL1: readonly KernelCase[] = [
  pairLoss('near', 7, [16, 10], (builder, a, b) => builder.smoothL1(a, b)),
  pairLoss('far apart', 9, [17, 33], (builder, a, b) => builder.smoothL1(a, b), 'large'),
  pairLoss('of one element', 1, [5, 1], (builder, a, b) => builder.smoothL1(b, a)),
];

const meanSquaredError: readonly KernelCase[] = [
  pairLoss('near', 7, [16, 10], (builder, a, b) => builder.meanSquaredError(a, b)),
  pairLoss('far apart', 9, [17, 33], (builder, a, b) => builder.meanSquaredError(a, b), 'large'),
  pairLoss('of one output with itself', 3, [8, 6], (builder, a) => builder.meanSquaredError(a, a)),
];

const cosineDistance: readonly KernelCase[] = [
  pairLoss('plain', 7, [16, 10], (builder, a, b) => builder.cosineDistance(a, b)),
  pairLoss('of a large batch', 300, [17, 33], (builder, a, b) => builder.cosineDistance(a, b)),
  pairLoss('of two elements', 3, [5, 2], (builder, a, b) => builder.cosineDistance(b, a)),
  pairLoss('of opposite vectors that share a layer', 5, [8, 6], (builder, a, b) =>
    builder.cosineDistance(builder.add([a, b]), builder.scale(a, -0.5)),
  ),
  // Lengths whose product is below what it counts as at least.
  pairLoss('of tiny vectors', 4, [8, 6], (builder, a, b) =>
    builder.cosineDistance(builder.scale(a, 1e-4), builder.scale(b, 1e-4)),
  ),
  pairLoss('of a vector of zeros', 4, [8, 6], (builder, a, b) => builder.cosineDistance(builder.scale(a, 0), b)),
];

const lossSum: readonly KernelCase[] = [
  pairLoss('of every loss', 6, [12, 7], (builder, s, t) => {
    const terms = [
      { loss: builder.distillation(s, t, { temperature: 2 }), weight: 4 },
      { loss: builder.softmaxCrossEntropy(t, { smoothing: 0.1 }), weight: 0.5 },
      { loss: builder.softmaxCrossEntropy(s, { auxiliary: [{ logits: t, weight: 0.4 }] }), weight: 1 },
      { loss: builder.smoothL1(s, t), weight: -0.3 },
      { loss: builder.meanSquaredError(s, t), weight: 0.2 },
      { loss: builder.cosineDistance(s, t), weight: 0.7 },
    ];
    return builder.lossSum(terms);
  }),
  pairLoss('of one', 3, [8, 5], (builder, s) => builder.lossSum([{ loss: builder.softmaxCrossEntropy(s), weight: 2 }])),
  pairLoss('of losses of different classes, one of them weighing nothing', 5, [8, 6], (builder, s, t) =>
    builder.lossSum([
      { loss: builder.softmaxCrossEntropy(builder.linear('third', s, 4)), weight: 1 },
      { loss: builder.softmaxCrossEntropy(t), weight: 0 },
    ]),
  ),
];

const detach: readonly KernelCase[] = [
  single('beside what it is of', 2, [5, 7, 16], (builder, x) => builder.add([builder.detach(builder.relu(x)), x])),
  single('of odd channels, alone', 3, [3, 5, 7], (builder, x) => builder.detach(x)),
  single('behind weights', 2, [4, 4, 8], (builder, x) => {
    const y = builder.batchNorm('norm', builder.conv2d('conv', x, { channels: 6, kernel: 1 }), { affine: true });
    return builder.add([builder.detach(y), builder.scale(y, 0.5)]);
  }),
  pairLoss('a teacher that does not learn', 6, [12, 7], (builder, s, t) =>
    builder.lossSum([
      { loss: builder.distillation(s, builder.detach(t), { temperature: 2 }), weight: 4 },
      { loss: builder.softmaxCrossEntropy(t), weight: 1 },
    ]),
  ),
];

const input: readonly KernelCase[] = [
  {
    name: 'two of different shapes',
    batchSize: 2,
    build: (builder) => {
      const image = builder.globalAvgPool(builder.input('image', [4, 5, 7]));
      return builder.add([image, builder.input('vector', [7])]);
    },
  },
];

/** The same cases with running statistics, through which no gradient flows. */
function evaluated(cases: readonly KernelCase[]): KernelCase[] {
  return cases.map((one) => ({ ...one, name: `${one.name}, running statistics`, statistics: 'running' }));
}

/** The cases of every op; the type leaves none out. */
export const caseTables: Readonly<Record<Node['op'], readonly KernelCase[]>> = {
  input,
  conv2d: [...conv2d, ...sharedConvolutions],
  batchNorm: [
    ...batchNormCases,
    ...fusedAffine,
    ...inPlaceNorms,
    ...sharedNorms,
    ...evaluated([
      ...batchNormCases.slice(2, 8),
      ...batchNormCases.slice(-2),
      ...fusedAffine,
      ...inPlaceNorms,
      ...sharedNorms,
    ]),
  ],
  relu,
  tanh,
  sigmoid,
  scale,
  softmaxScale: [...softmaxScale, ...sharedSoftmaxScales],
  noise,
  maxPool: maxPoolCases,
  avgPool: [...avgPoolCases, ...sharedPoolings],
  globalAvgPool,
  linear: [...linearCases, ...sharedLinear],
  add,
  concat,
  crop,
  dropout,
  zero,
  mixed: [
    ...mixedCases,
    ...fusionCases,
    ...runsAll,
    ...sharedMixed,
    ...evaluated([...mixedCases.slice(0, 7), ...fusionCases, ...runsAll, ...sharedMixed]),
  ],
  softmaxCrossEntropy,
  distillation,
  smoothL1,
  meanSquaredError,
  cosineDistance,
  lossSum: [...lossSum, ...sharedNetworks],
  detach,
  embedding,
  variationalDropout,
  recurrentCell,
  tiedLinear,
  meanSquare,
  slowness,
};

/** Every op of the Node type, in the tables' order. */
export const ops = Object.keys(caseTables) as readonly Node['op'][];
