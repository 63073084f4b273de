import { type BranchBuilder, GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { dartsCandidates, depthwiseSeparable, identity, none, pooling } from './candidates.ts';

/**
 * A supernet in small: images `[8, 8, 3]`, stem, a mixed edge, a mixed reduction edge, two edges that share a row and a
 * sigmoid one, five classes. Tables `alphas_normal` (two rows of 8) and `alphas_sigmoid` (rows of 3 and 2).
 */
export function tinySupernet(): Graph {
  const builder = new GraphBuilder();
  const normal = builder.alpha('alphas_normal', [8, 8]);
  const sigmoid = builder.alpha('alphas_sigmoid', [3, 2]);
  const small = [none(), identity, depthwiseSeparable(3)];

  const image = builder.input('images', [8, 8, 3]);
  const stem = builder.conv2d('stem.0', image, { channels: 6, kernel: 3, padding: 1 });
  const s0 = builder.batchNorm('stem.1', stem, { affine: true });
  const a = builder.within('a').mixed(s0, dartsCandidates(1), { alpha: normal, row: 0 });
  const b = builder.within('b').mixed(builder.add([s0, a]), dartsCandidates(2), { alpha: normal, row: 1 });
  const c = builder.within('c').mixed(b, small, { alpha: sigmoid, row: 0, activation: 'sigmoid' });
  const d = builder.within('d').mixed(b, small, { alpha: sigmoid, row: 0, activation: 'sigmoid' });
  const rest = [identity, depthwiseSeparable(5)];
  const e = builder.within('e').mixed(c, rest, { alpha: sigmoid, row: 1, activation: 'sigmoid' });
  const features = builder.globalAvgPool(builder.concat([b, builder.add([d, e])]));
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 5)));
}

/**
 * A supernet without ReLU and max pooling, so that its loss has derivatives of every order: images `[6, 6, 3]`, two mixed
 * edges one after the other, three classes. Table `alphas` of two rows of 4. With `shared` the edges have the same operations.
 */
export function smoothSupernet({ shared = false } = {}): Graph {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [4, 4]);
  const image = builder.input('images', [6, 6, 3]);
  const stem = builder.conv2d('stem.0', image, { channels: 4, kernel: 3, padding: 1 });
  const s0 = builder.batchNorm('stem.1', stem, { affine: true });
  const branches = [smoothConvolution(3), identity, pooling('avgPool'), smoothConvolution(5)];
  const [first, second] = ['a', 'b'].map((edge) => (shared ? builder.reusing().within('edge') : builder.within(edge)));
  const a = first.mixed(s0, branches, { alpha, row: 0 });
  const b = second.mixed(a, branches, { alpha, row: 1 });
  const c = builder.conv2d('last.0', builder.concat([a, b]), { channels: 6, kernel: 3, stride: 2 });
  const features = builder.globalAvgPool(builder.batchNorm('last.1', c, { affine: true }));
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 3)));
}

/** Convolution of all channels and batch-norm. */
function smoothConvolution(kernel: number): BranchBuilder {
  return {
    name: `conv_${kernel}x${kernel}`,
    build: (builder, input) => {
      const padding = (kernel - 1) / 2;
      const y = builder.conv2d('conv', input, { channels: input.shape[2], kernel, padding });
      return builder.batchNorm('bn', y, { affine: false });
    },
  };
}
