// Parameters that several nodes of a graph use: cases that belong to the tables of the ops that have parameters.
import type { BranchBuilder, GraphBuilder, Tensor } from '../../src/graph/builder.ts';
import type { Shape } from '../../src/graph/graph.ts';
import { dartsCandidates, depthwiseSeparable, identity, pooling } from '../helpers/candidates.ts';
import type { KernelCase } from '../helpers/kernel_case.ts';

/** A case on one input `x`, whose builder uses parameters that there are. */
function shared(
  name: string,
  batchSize: number,
  shape: Shape,
  build: (builder: GraphBuilder, x: Tensor) => Tensor,
): KernelCase {
  return {
    name: `${[batchSize, ...shape].join('x')} shared: ${name}`,
    batchSize,
    build: (builder) => build(builder.reusing(), builder.input('x', shape)),
  };
}

/** Relu, depthwise and pointwise convolution and a batch norm: always the same ones. */
function separable(builder: GraphBuilder, x: Tensor, affine: boolean): Tensor {
  const [, , channels] = x.shape;
  const deep = builder.conv2d('depthwise', builder.relu(x), { channels, kernel: 3, padding: 1, groups: channels });
  return builder.batchNorm('bn', builder.conv2d('pointwise', deep, { channels, kernel: 1 }), { affine, momentum: 0.4 });
}

/** A batch norm whose statistics move so fast that their order shows. */
function norm(builder: GraphBuilder, x: Tensor, affine = true): Tensor {
  return builder.batchNorm('norm', x, { affine, momentum: 0.5 });
}

export const sharedConvolutions: readonly KernelCase[] = [
  shared('one after another and beside one another', 2, [6, 7, 5], (builder, x) => {
    const conv = (y: Tensor) => builder.conv2d('conv', y, { channels: 5, kernel: 3, padding: 1 });
    return builder.add([conv(x), builder.scale(conv(x), -0.5), conv(builder.relu(conv(x)))]);
  }),
  shared('pointwise, at two sizes', 3, [6, 6, 16], (builder, x) => {
    const conv = (y: Tensor) => builder.globalAvgPool(builder.conv2d('conv', y, { channels: 33, kernel: 1 }));
    return builder.add([conv(x), conv(builder.maxPool(x, { kernel: 2, stride: 2 }))]);
  }),
  shared('depthwise, groups 9', 2, [7, 5, 9], (builder, x) => {
    const conv = (y: Tensor) => builder.conv2d('conv', y, { channels: 9, kernel: 3, padding: 1, groups: 9 });
    return builder.add([conv(x), conv(conv(x))]);
  }),
];

export const sharedLinear: readonly KernelCase[] = [
  shared('one after another and beside one another', 5, [17], (builder, x) => {
    const linear = (y: Tensor) => builder.linear('linear', y, 17);
    return builder.add([linear(x), linear(builder.tanh(linear(x))), builder.scale(linear(x), 2)]);
  }),
];

export const sharedNorms: readonly KernelCase[] = [
  shared('of three tensors', 3, [5, 7, 9], (builder, x) => {
    const first = norm(builder, x);
    return builder.add([first, norm(builder, builder.maxPool(x, { kernel: 3, padding: 1 })), norm(builder, first)]);
  }),
  shared('without affine, as terms of sums', 2, [5, 6, 8], (builder, x) => {
    const pooled = builder.avgPool(x, { kernel: 3, padding: 1 });
    const convolved = builder.conv2d('conv', builder.scale(x, 3), { channels: 8, kernel: 1 });
    return builder.add([norm(builder, pooled, false), norm(builder, convolved, false), x]);
  }),
  shared('first where least depends on it', 2, [6, 6, 8], (builder, x) => {
    const first = norm(builder, builder.conv2d('short', builder.scale(x, 5), { channels: 8, kernel: 1 }));
    let deep = norm(builder, builder.conv2d('long', x, { channels: 8, kernel: 1 }));
    for (const layer of [0, 1, 2]) deep = builder.conv2d(layer, builder.relu(deep), { channels: 8, kernel: 1 });
    return builder.add([first, deep]);
  }),
  shared('separables one after another, with affine', 3, [6, 7, 12], (builder, x) =>
    separable(builder, separable(builder, separable(builder, x, true), true), true),
  ),
  shared('separables of one input, read by a sum and by themselves', 2, [5, 6, 8], (builder, x) => {
    const terms = [separable(builder, x, true), separable(builder, x, true)];
    return builder.concat([builder.add([...terms, x]), separable(builder, x, true)]);
  }),
  // Kernels take separables of one input together: here another node's statistics come between.
  shared('separables of one input and a norm between them', 2, [5, 6, 8], (builder, x) => {
    const own = separable(builder.within('own'), x, false);
    const norms = builder.conv2d('between', builder.scale(x, 4), { channels: 8, kernel: 1 });
    const between = builder.batchNorm('bn', norms, { affine: false, momentum: 0.4 });
    return builder.add([own, builder.relu(between), separable(builder, x, false)]);
  }),
];

/** Edges that share all of their candidates, in one node and one after another. */
function sharedEdges(name: string, branches: readonly BranchBuilder[], weights?: readonly number[]): KernelCase {
  const edges = shared(name, 2, [6, 5, 8], (builder, x) => {
    const alpha = builder.alpha('alphas', [branches.length, branches.length]);
    const edge = (y: Tensor, row: number) => builder.within('edge').mixed(y, branches, { alpha, row });
    const node = builder.add([edge(x, 0), edge(builder.scale(x, 2), 1)]);
    return builder.add([edge(node, 0), edge(x, 1)]);
  });
  return weights === undefined ? edges : { ...edges, mixing: { alphas: weights } };
}

const few = [depthwiseSeparable(3), pooling('maxPool'), identity, depthwiseSeparable(5)];

export const sharedMixed: readonly KernelCase[] = [
  sharedEdges('all candidates', dartsCandidates(1)),
  // Each row leaves out candidates that the other has: the first use of a weight may not run.
  sharedEdges('candidates of weight 0 here and there', few, [0, 0.5, 0.25, 0.25, 0.5, 0, 0.25, 0]),
  sharedEdges('candidates of weight 0 the other way round', few, [0.5, 0, 0.25, 0, 0, 0.5, 0.25, 0.25]),
];

/** An ensemble of three outputs, weighed by the entries of one softmax, of vectors and of images. */
export const sharedSoftmaxScales: readonly KernelCase[] = [
  shared('the entries of one softmax, of vectors', 7, [13], (builder, x) => {
    const own = (y: Tensor, index: number) => builder.softmaxScale('ensemble', y, { count: 3, index });
    return builder.add([own(x, 0), own(builder.tanh(x), 1), own(builder.linear('linear', x, 13), 2)]);
  }),
  shared('two entries of one softmax and one twice, of images', 2, [6, 5, 8], (builder, x) => {
    const own = (y: Tensor, index: number) => builder.softmaxScale('ensemble', y, { count: 4, index });
    return builder.add([own(x, 3), own(builder.relu(own(x, 1)), 3)]);
  }),
];

/** Two networks of one stem and one head, taught by each other: as CDARTS has them. */
export const sharedNetworks: readonly KernelCase[] = [
  shared('two networks of one stem and one head', 4, [8, 8, 3], (builder, x) => {
    const image = (y: Tensor) => norm(builder.within('stem'), builder.conv2d('stem', y, { channels: 8, kernel: 3 }));
    const head = (y: Tensor) => {
      const inner = builder.within('head');
      const seen = norm(inner, inner.conv2d('conv', builder.tanh(y), { channels: 12, kernel: 2 }), false);
      return inner.linear('classifier', builder.globalAvgPool(builder.tanh(seen)), 5);
    };
    const [first, second] = ['first', 'second'].map((name, i) =>
      head(builder.within(name).conv2d('cell', image(x), { channels: 8, kernel: 1 + 2 * i, padding: i })),
    );
    return builder.lossSum([
      { loss: builder.distillation(first, second, { temperature: 2 }), weight: 0.25 },
      { loss: builder.softmaxCrossEntropy(first), weight: 1 },
      { loss: builder.softmaxCrossEntropy(second), weight: 0.5 },
    ]);
  }),
];
