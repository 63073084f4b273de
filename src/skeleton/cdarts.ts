// The networks of CDARTS (Yu et al., arXiv:2006.10724), as NNI has them.
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import { cdartsOperations, cdartsParts } from '../operation/cdarts.ts';
import { LayerSizeError } from '../operation/layer_size.ts';
import { cellStack, cellTypesOf, reducingCells } from './cell_stack.ts';
import { type Skeleton, stackedNetworks, strideOfTypes } from './skeleton.ts';

/** A stem of the first cell's channels, and names of its own. */
const stack = cellStack({
  stemMultiplier: 1,
  preprocessing: 'preproc',
  parts: cdartsParts,
  auxiliaryHead: headName,
  classifier: 'linear',
});

/** As DARTS' network; batch normalisations of its cells have no affine part, and none follows poolings. */
export const cdartsSkeleton: Skeleton = {
  name: 'cdarts',
  cells: 'types',
  operations: cdartsOperations,
  runsAll: false,
  affineNorms: false,
  hasAuxiliaryHead: true,
  variants: [],
  usual: { supernet: { initChannels: 16, layers: 8 }, derived: { initChannels: 36, layers: 20 } },
  kindsOf: cellTypesOf,
  strideOf: strideOfTypes,
  candidateName: ({ node, input }, candidate) => `${edgeName(node, input)}.${candidate}`,
  operationName: ({ node, input }) => edgeName(node, input),
  paired: { stack, reductionsOf: reducingCells },
  build: stackedNetworks(stack),
};

/** Prefix of a head behind the cell of an index, one to learn from alone or one that is distilled. */
export function headName(index: number): string {
  return `aux_head.${index}`;
}

function edgeName(node: number, input: number): string {
  return `mutable_ops.${node}.ops.${input}`;
}

/** Largest window of a head's pooling: that of all published sizes but ImageNet's last, which has 7x7 pixels and 5. */
const widestPool = 6;

/** What a head's first convolution needs behind a pooling by two. */
const leastPixels = 3;

/**
 * A head for distillation, named under the builder's prefix: [H, W, C] to [classes]. Throws LayerSizeError for less than 3x3 pixels.
 */
export function distillationHead(builder: GraphBuilder, input: Tensor, classes: number): Tensor {
  const [height, width] = input.shape;
  const least = Math.min(height, width);
  if (least < leastPixels) {
    throw new LayerSizeError(`a distillation head expected at least 3x3 pixels but got ${height}x${width}`);
  }
  const features = builder.within('features');
  const pool = { kernel: Math.min(widestPool, least - 2), stride: 2 };
  const pooled = features.avgPool(features.relu(input), pool);
  const narrow = features.batchNorm(3, features.conv2d(2, pooled, { channels: 128, kernel: 1 }), { affine: false });
  const wide = features.conv2d(5, features.relu(narrow), { channels: 768, kernel: 2 });
  const active = features.relu(features.batchNorm(6, wide, { affine: false }));
  return builder.linear('classifier', builder.globalAvgPool(active), classes);
}
