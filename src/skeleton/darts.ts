import { type CellType, cellKey } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import { LayerSizeError } from '../operation/layer_size.ts';
import { factorizedReduce, operations, reluConvBn } from '../operation/operations.ts';
import {
  type CellBuilder,
  checkDepth,
  checkStack,
  type Network,
  type Skeleton,
  type StackOptions,
} from './skeleton.ts';

/** The network of DARTS: normal cells, and two that reduce; each takes what the two before it gave. */
export const dartsSkeleton: Skeleton = {
  name: 'darts',
  cells: 'types',
  operations,
  runsAll: false,
  hasAuxiliaryHead: true,
  usual: { supernet: { initChannels: 16, layers: 8 }, derived: { initChannels: 36, layers: 20 } },
  kindsOf: (layers) => {
    checkDepth(layers);
    return cellTypesOf(layers);
  },
  strideOf: (kind, input) => (kind === 'reduce' && input < 2 ? 2 : 1),
  candidateName: ({ row }, candidate) => `_ops.${row}._ops.${candidate}`,
  build: buildNetwork,
};

/** Of the stem, by the published searches and trainings. */
const usualStemMultiplier = 3;

/**
 * The macro structure (arXiv:1806.09055, section 3.1): stem, cells of which those at 1/3 and 2/3 of the depth reduce, global
 * average pooling, linear classifier; an auxiliary head behind the second reduction where one is asked for. The images are the
 * input `images`.
 */
function buildNetwork(builder: GraphBuilder, options: StackOptions, buildCell: CellBuilder): Network {
  checkStack(options);
  let channels = options.initChannels;
  const images = builder.input('images', options.inputShape);
  let { twoBack, oneBack, previousType } =
    options.stem === 'large' ? largeStem(builder, images, options) : smallStem(builder, images, options);
  let auxiliary: Tensor | undefined;
  for (let index = 0; index < options.layers; index++) {
    const type = cellType(index, options.layers);
    if (type === 'reduce') channels *= 2;
    const layer = cellKey(index);
    const cell = builder.within(layer);
    const make = { layer: `${layer}.preprocess0`, channels, affine: options.affine };
    const preprocess0 = previousType === 'reduce' ? factorizedReduce : reluConvBn;
    const inputs = [
      preprocess0(cell.within('preprocess0'), twoBack, make),
      reluConvBn(cell.within('preprocess1'), oneBack, make),
    ] as const;
    [twoBack, oneBack] = [oneBack, buildCell(cell, inputs, { kind: type, layer, channels })];
    previousType = type;
    if (options.auxiliaryWeight !== undefined && index === Math.floor((2 * options.layers) / 3)) {
      auxiliary = auxiliaryHead(builder.within('auxiliary_head'), oneBack, options);
    }
  }
  const logits = builder.linear('classifier', builder.globalAvgPool(oneBack), options.classes);
  const loss = builder.softmaxCrossEntropy(logits, {
    smoothing: options.labelSmoothing,
    auxiliary: auxiliary && [{ logits: auxiliary, weight: options.auxiliaryWeight ?? 0 }],
  });
  return { graph: builder.finish(loss), logits: logits.id };
}

/** What the first cell takes. */
interface Stem {
  readonly twoBack: Tensor;
  readonly oneBack: Tensor;
  readonly previousType: CellType;
}

function smallStem(builder: GraphBuilder, images: Tensor, options: StackOptions): Stem {
  const { initChannels, stemMultiplier = usualStemMultiplier } = options;
  const stem = builder.conv2d('stem.0', images, { channels: initChannels * stemMultiplier, kernel: 3, padding: 1 });
  const norm = builder.batchNorm('stem.1', stem, { affine: true });
  return { twoBack: norm, oneBack: norm, previousType: 'normal' };
}

/** Three convolutions of stride 2; the first cell takes the second's output, twice as large, and the third's. */
function largeStem(builder: GraphBuilder, images: Tensor, { initChannels }: StackOptions): Stem {
  const down = (name: string, input: Tensor, channels: number) =>
    builder.conv2d(name, input, { channels, kernel: 3, stride: 2, padding: 1 });
  const first = builder.batchNorm('stem0.1', down('stem0.0', images, initChannels / 2), { affine: true });
  const twoBack = builder.batchNorm('stem0.4', down('stem0.3', builder.relu(first), initChannels), { affine: true });
  const oneBack = builder.batchNorm('stem1.2', down('stem1.1', builder.relu(twoBack), initChannels), { affine: true });
  return { twoBack, oneBack, previousType: 'reduce' };
}

/** Pooled to 2x2 pixels where the image is 6 to 8 pixels wide, as on all published sizes. */
function auxiliaryHead(builder: GraphBuilder, input: Tensor, { classes, stem }: StackOptions): Tensor {
  const [height, width] = input.shape;
  const least = Math.min(height, width);
  if (least < 6) {
    throw new LayerSizeError(
      `the auxiliary head expected at least 6x6 pixels but got ${height}x${width}: larger images, or no auxiliary head`,
    );
  }
  const features = builder.within('features');
  const stride = Math.min(3, least - 5);
  const pooled = features.avgPool(features.relu(input), { kernel: 5, stride });
  const narrow = features.batchNorm(3, features.conv2d(2, pooled, { channels: 128, kernel: 1 }), { affine: true });
  const wide = features.conv2d(5, features.relu(narrow), { channels: 768, kernel: 2 });
  // The published network for ImageNet leaves the second batch-norm out.
  const last = stem === 'large' ? wide : features.batchNorm(6, wide, { affine: true });
  return builder.linear('classifier', builder.globalAvgPool(features.relu(last)), classes);
}

/** The type of the cell at a depth: reduction at floor(layers / 3) and floor(2 · layers / 3), so both types only from 3 layers. */
export function cellType(index: number, layers: number): CellType {
  return index === Math.floor(layers / 3) || index === Math.floor((2 * layers) / 3) ? 'reduce' : 'normal';
}

/** The types of a network's cells, in its order. */
export function cellTypesOf(layers: number): CellType[] {
  return Array.from({ length: layers }, (_, index) => cellType(index, layers));
}
