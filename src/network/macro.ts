import { invalid } from '../errors.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import { factorizedReduce, reluConvBn } from './operations.ts';

/** The two types of cell; a `reduce` cell halves height and width and doubles the channels. */
export type CellType = 'normal' | 'reduce';

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
}

/** Where a cell stands in a network. */
export interface CellPlace {
  readonly type: CellType;
  /** Its name, such as `cells.2`. */
  readonly layer: string;
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
 * The macro structure for small images (arXiv:1806.09055, section 3.1): stem, cells of which those at 1/3 and 2/3 of the
 * depth reduce, global average pooling, linear classifier. The images are the input `images`.
 */
export function buildNetwork(builder: GraphBuilder, options: MacroOptions, buildCell: CellBuilder): Network {
  checkOptions(options);
  let channels = options.initChannels;
  const images = builder.input('images', options.inputShape);
  const stem = builder.conv2d('stem.0', images, { channels: channels * options.stemMultiplier, kernel: 3, padding: 1 });
  let twoBack = builder.batchNorm('stem.1', stem, { affine: true });
  let oneBack = twoBack;
  let previousType: CellType = 'normal';
  for (let index = 0; index < options.layers; index++) {
    const type = cellType(index, options.layers);
    if (type === 'reduce') channels *= 2;
    const layer = `cells.${index}`;
    const cell = builder.within(layer);
    const make = { layer: `${layer}.preprocess0`, channels, affine: options.affine };
    const preprocess0 = previousType === 'reduce' ? factorizedReduce : reluConvBn;
    const inputs = [
      preprocess0(cell.within('preprocess0'), twoBack, make),
      reluConvBn(cell.within('preprocess1'), oneBack, make),
    ] as const;
    [twoBack, oneBack] = [oneBack, buildCell(cell, inputs, { type, layer, channels })];
    previousType = type;
  }
  const logits = builder.linear('classifier', builder.globalAvgPool(oneBack), options.classes);
  return { graph: builder.finish(builder.softmaxCrossEntropy(logits)), logits: logits.id };
}

/** The type of the cell at a depth: reduction at floor(layers / 3) and floor(2 · layers / 3), so both types only from 3 layers. */
export function cellType(index: number, layers: number): CellType {
  return index === Math.floor(layers / 3) || index === Math.floor((2 * layers) / 3) ? 'reduce' : 'normal';
}

function checkOptions({ inputShape, ...sizes }: MacroOptions): void {
  if (!Array.isArray(inputShape) || inputShape.length !== 3 || !inputShape.every(isPositiveInteger)) {
    throw invalid('inputShape', 'three positive integers [height, width, channels]', inputShape);
  }
  for (const name of ['classes', 'initChannels', 'layers', 'stemMultiplier'] as const) {
    if (!isPositiveInteger(sizes[name])) throw invalid(name, 'a positive integer', sizes[name]);
  }
}

function isPositiveInteger(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
