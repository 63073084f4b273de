// Cells of two inputs, each taking what the two before it gave: the macro structure of DARTS and of those that follow it.
import { type CellType, cellKey } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import { LayerSizeError } from '../operation/layer_size.ts';
import { factorizedReduce, type PartNames, reluConvBn } from '../operation/operations.ts';
import { type CellPlace, checkDepth, type Stack, type StackOptions } from './skeleton.ts';

/** What the codes of such networks have of their own, most of it names. */
export interface StackStyle {
  /** The stem's channels divided by those of the first cell, where nobody says otherwise. */
  readonly stemMultiplier: number;
  /** Prefix of what brings an input of a cell to the cell's channels; its number follows. */
  readonly preprocessing: string;
  readonly parts: PartNames;
  /** Prefix of the auxiliary head behind the cell of an index. */
  readonly auxiliaryHead: (index: number) => string;
  readonly classifier: string;
}

/**
 * Stem, cells of which those at 1/3 and 2/3 of the depth reduce, global average pooling, linear classifier (arXiv:1806.09055,
 * section 3.1); an auxiliary head behind the second reduction where one is asked for.
 */
export function cellStack(style: StackStyle): Stack {
  return (builder, images, options, buildCell, { stem = builder, classifier = builder, behindReduction } = {}) => {
    let channels = options.initChannels;
    let { twoBack, oneBack, previousType } =
      options.stem === 'large' ? largeStem(stem, images, options) : smallStem(stem, images, options, style);
    let auxiliary: Tensor | undefined;
    for (let index = 0; index < options.layers; index++) {
      const kind = cellType(index, options.layers);
      if (kind === 'reduce') channels *= 2;
      const layer = cellKey(index);
      const cell = builder.within(layer);
      const inputs = preprocessed(cell, [twoBack, oneBack], previousType, { layer, channels }, options, style);
      [twoBack, oneBack] = [oneBack, buildCell(cell, inputs, { kind, layer, channels })];
      previousType = kind;
      if (kind === 'reduce') behindReduction?.(oneBack);
      if (options.auxiliaryWeight !== undefined && index === Math.floor((2 * options.layers) / 3)) {
        auxiliary = auxiliaryHead(builder.within(style.auxiliaryHead(index)), oneBack, options);
      }
    }
    const logits = classifier.linear(style.classifier, builder.globalAvgPool(oneBack), options.classes);
    return { logits, auxiliary };
  };
}

/** The inputs of a cell at its channels; the first of them at its size, too, behind a reduction. */
function preprocessed(
  cell: GraphBuilder,
  [twoBack, oneBack]: readonly [Tensor, Tensor],
  previousType: CellType,
  { layer, channels }: Pick<CellPlace, 'layer' | 'channels'>,
  { affine }: StackOptions,
  { preprocessing, parts }: StackStyle,
): readonly [Tensor, Tensor] {
  const [first, second] = [0, 1].map((input) => `${preprocessing}${input}`);
  const make = { layer: `${layer}.${first}`, channels, affine };
  const one = cell.within(first);
  return [
    previousType === 'reduce'
      ? factorizedReduce(one, twoBack, make, parts.factorizedReduce)
      : reluConvBn(one, twoBack, make, parts.reluConvBn),
    reluConvBn(cell.within(second), oneBack, make, parts.reluConvBn),
  ];
}

/** What the first cell takes. */
interface Stem {
  readonly twoBack: Tensor;
  readonly oneBack: Tensor;
  readonly previousType: CellType;
}

function smallStem(builder: GraphBuilder, images: Tensor, options: StackOptions, style: StackStyle): Stem {
  const { initChannels, stemMultiplier = style.stemMultiplier } = options;
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

/** The types of a network's cells, in its order. Throws ArgumentError for a number that no network has. */
export function cellTypesOf(layers: number): CellType[] {
  checkDepth(layers);
  return Array.from({ length: layers }, (_, index) => cellType(index, layers));
}

/** Numbers of the cells that reduce. */
export function reducingCells(layers: number): number[] {
  return cellTypesOf(layers).flatMap((type, index) => (type === 'reduce' ? [index] : []));
}
