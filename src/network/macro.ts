import { anInteger, check, notNegative } from '../checks.ts';
import { invalid } from '../errors.ts';
import { type CellKey, type CellType, cellKey } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import { LayerSizeError } from '../operation/layer_size.ts';
import { factorizedReduce, reluConvBn } from '../operation/operations.ts';

/** What the cells are stacked into; the same for supernets and derived networks. */
export interface MacroOptions {
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes. */
  readonly initChannels: number;
  /** Number of cells. */
  readonly layers: number;
  /** The stem's channels divided by `initChannels`. */
  readonly stemMultiplier: number;
  /** Whether batch normalisations of the cells have an affine part. */
  readonly affine: boolean;
  /** `small` images keep their size in the stem (CIFAR), `large` ones are reduced eightfold (ImageNet); `small` when absent. */
  readonly stem?: StemForm;
  /** An auxiliary head in training: the weight of its loss; none when absent. */
  readonly auxiliaryWeight?: number;
  /** Label smoothing of the loss; 0 when absent. */
  readonly labelSmoothing?: number;
}

/** What else descriptions of a network hold, which are spread into a builder's options: of these it takes its part. */
export const descriptionNames = [
  ...['genotype', 'space', 'stem', 'stemMultiplier', 'auxiliary', 'auxiliaryWeight', 'labelSmoothing'],
  ...['dropPath', 'dropPathUnit', 'operations', 'imageChannels', 'supernet', 'nodes', 'normalisePooling', 'keepNone'],
];

/** The forms of a network's stem. */
export const stemForms = ['small', 'large'] as const;

/** One of {@link stemForms}. */
export type StemForm = (typeof stemForms)[number];

/** Where a cell stands in a network. */
export interface CellPlace {
  readonly type: CellType;
  /** Its name, such as `cells.2`: the key of the cell of a genotype that has one for each place. */
  readonly layer: CellKey;
  /** Channels of each node. */
  readonly channels: number;
}

/** Builds a cell from its two inputs, both of `channels` channels and of one size, under the prefix `cells.INDEX`. */
export type CellBuilder = (builder: GraphBuilder, inputs: readonly [Tensor, Tensor], place: CellPlace) => Tensor;

/** A network that ends in the mean cross-entropy loss, and the node id of its logits [classes]. */
export interface Network {
  readonly graph: Graph;
  readonly logits: number;
}

/**
 * The macro structure (arXiv:1806.09055, section 3.1): stem, cells of which those at 1/3 and 2/3 of the depth reduce, global
 * average pooling, linear classifier; an auxiliary head behind the second reduction where one is asked for. The images are the
 * input `images`.
 */
export function buildNetwork(builder: GraphBuilder, options: MacroOptions, buildCell: CellBuilder): Network {
  checkMacroOptions(options);
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
    [twoBack, oneBack] = [oneBack, buildCell(cell, inputs, { type, layer, channels })];
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

function smallStem(builder: GraphBuilder, images: Tensor, { initChannels, stemMultiplier }: MacroOptions): Stem {
  const stem = builder.conv2d('stem.0', images, { channels: initChannels * stemMultiplier, kernel: 3, padding: 1 });
  const norm = builder.batchNorm('stem.1', stem, { affine: true });
  return { twoBack: norm, oneBack: norm, previousType: 'normal' };
}

/** Three convolutions of stride 2; the first cell takes the second's output, twice as large, and the third's. */
function largeStem(builder: GraphBuilder, images: Tensor, { initChannels }: MacroOptions): Stem {
  const down = (name: string, input: Tensor, channels: number) =>
    builder.conv2d(name, input, { channels, kernel: 3, stride: 2, padding: 1 });
  const first = builder.batchNorm('stem0.1', down('stem0.0', images, initChannels / 2), { affine: true });
  const twoBack = builder.batchNorm('stem0.4', down('stem0.3', builder.relu(first), initChannels), { affine: true });
  const oneBack = builder.batchNorm('stem1.2', down('stem1.1', builder.relu(twoBack), initChannels), { affine: true });
  return { twoBack, oneBack, previousType: 'reduce' };
}

/** Pooled to 2x2 pixels where the image is 6 to 8 pixels wide, as on all published sizes. */
function auxiliaryHead(builder: GraphBuilder, input: Tensor, { classes, stem }: MacroOptions): Tensor {
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

/** Throws ArgumentError for a number of cells that no network has. */
export function checkDepth(layers: number): void {
  check('layers', layers, depths);
}

function checkMacroOptions({ inputShape, stem = 'small', auxiliaryWeight = 0, ...sizes }: MacroOptions): void {
  if (!stemForms.includes(stem)) throw invalid('stem', `one of ${stemForms.join(', ')}`, stem);
  if (stem === 'large' && sizes.initChannels % 2 !== 0) {
    throw invalid('initChannels', 'an even number for a large stem', sizes.initChannels);
  }
  check('auxiliaryWeight', auxiliaryWeight, notNegative);
  if (!Array.isArray(inputShape) || inputShape.length !== 3 || !inputShape.every(positiveInteger.holds)) {
    throw invalid('inputShape', 'three positive integers [height, width, channels]', inputShape);
  }
  for (const name of ['classes', 'initChannels', 'stemMultiplier'] as const) check(name, sizes[name], positiveInteger);
  checkDepth(sizes.layers);
}

const positiveInteger = anInteger(1);
/** Every layer takes memory of its own before anyone can refuse the graph. */
const depths = anInteger(1, 1000);
