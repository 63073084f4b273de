import {
  aBoolean,
  aFunction,
  aShareBelowOne,
  check,
  checkOptional,
  checkOptions,
  checkRecord,
  oneOf,
} from '../checks.ts';
import { invalid } from '../errors.ts';
import { checkLive } from '../genotype/dead_nodes.ts';
import { cellName, cellsOf, type Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import { GraphBuilder } from '../graph/builder.ts';
import type { Operation } from '../operation/operations.ts';
import {
  type CellBuilder,
  descriptionNames,
  type Network,
  type Skeleton,
  type StemForm,
} from '../skeleton/skeleton.ts';
import { type SkeletonName, skeletonOf, usualSkeleton } from '../skeleton/skeletons.ts';
import { buildEdgeCell } from './edge_cell.ts';
import { type CellSettings, type DropPathUnit, dropPathUnits, publishedDropPathUnit } from './genotype_operation.ts';
import { buildForSize } from './image_size.ts';
import { buildPairCell } from './pair_cell.ts';
import { buildTripleCell } from './triple_cell.ts';

/** Options of {@link buildDerivedNetwork}; the defaults are those of the published evaluation on CIFAR-10. */
export interface DerivedNetworkOptions {
  readonly genotype: Genotype;
  /** What lies around the cells; by the genotype when absent: `nasbench201` of one cell, `darts` of any other, never `cdarts`. */
  readonly skeleton?: SkeletonName | Skeleton;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes; as published when absent: 36, of NAS-Bench-201 16. */
  readonly initChannels?: number;
  /** Number of cells; when absent as many as the genotype has, if it has one for each place, else 20, of NAS-Bench-201 15. */
  readonly layers?: number;
  /** `small` images keep their size in the stem (CIFAR), `large` ones are reduced eightfold (ImageNet); `small` when absent. */
  readonly stem?: StemForm;
  /** The channels of a small stem divided by `initChannels`; the skeleton's own when absent: 3, of NAS-Bench-201 and CDARTS 1. */
  readonly stemMultiplier?: number;
  /** Whether batch normalisations of the cells have an affine part; as the skeleton's do when absent: those of CDARTS do not. */
  readonly affineNorms?: boolean;
  /** For training: the weight of the auxiliary head's loss (0.4 as published); no such head when absent. */
  readonly auxiliaryWeight?: number;
  /**
   * For training: the largest probability with which what `dropPathUnit` names is dropped from a sample; a batch's `dropout.pathFactor`
   * scales it. No drop path when absent or 0.
   */
  readonly dropPath?: number;
  /**
   * What drop path drops: the output of each `operation` but identities, that of each `edge`, identities included, or the sum of each `node`.
   * As published when absent: operations of a genotype of pairs (arXiv:1806.09055), nodes of one of triples (arXiv:1911.12126).
   */
  readonly dropPathUnit?: DropPathUnit;
  /** Whether a batch normalisation with an affine part follows each pooling, as in StacNAS (arXiv:1909.11926); false when absent. */
  readonly normalisePooling?: boolean;
  /**
   * Whether each operation is weighed against none by a softmax over two architecture parameters of its own, `_ops.POSITION.beta`, as
   * StacNAS may train; false when absent.
   */
  readonly keepNone?: boolean;
  /** For training: share of a label's probability that is spread over all classes; 0 when absent. */
  readonly labelSmoothing?: number;
  /** Operations of your own that the genotype names, by name. */
  readonly operations?: Readonly<Record<string, Operation>>;
}

const optionNames = [
  'genotype',
  'skeleton',
  'inputShape',
  'classes',
  'initChannels',
  'layers',
  'stem',
  'stemMultiplier',
  'affineNorms',
  'auxiliaryWeight',
  'dropPath',
  'dropPathUnit',
  'normalisePooling',
  'keepNone',
  'labelSmoothing',
  'operations',
];

/**
 * Builds the evaluation network of a genotype (arXiv:1806.09055, section 3.2). The graph's input is `images`, its output the
 * loss; parameters are named as in the published code. What only training needs (auxiliary head, drop path, smoothing) is left out
 * unless asked for; a program of the plain network runs on the parameters of the other. Cells of triples are those of arXiv:1911.12126,
 * one cell for all those of NAS-Bench-201 (arXiv:2001.00326), whose network has no auxiliary head, no large stem, no normalised poolings
 * and nothing that is weighed against none; the skeleton `cdarts` is of pairs alone, one operation an edge. Throws ArgumentError for a faulty option, an operation that nobody defines, and of triples for a cell without entries or a node without
 * a live source, which `withoutDeadNodes` leaves out; of a genotype by cell for another number of layers.
 *
 * One deviation from the published code, in training with an auxiliary head and at most 3 layers: that code's head begins with a ReLU
 * that works in place, on the output of cell floor(2 · layers / 3). Cells behind it begin with a ReLU themselves, so nothing changes;
 * but where that cell is the last one, the classifier learns from its rectified output and is scored on the other. Here it
 * learns from what it is scored on. No published network is that shallow.
 */
export function buildDerivedNetwork(options: DerivedNetworkOptions): Network {
  checkOptions('options', options, optionNames, descriptionNames);
  const { genotype, inputShape, classes } = options;
  checkGenotype(genotype);
  checkLive(genotype);
  const skeleton = skeletonFor(genotype, options.skeleton);
  const { derived: usual } = skeleton.usual;
  const { initChannels = usual.initChannels, layers = genotype.cells?.length ?? usual.layers } = options;
  checkCellCount(genotype, layers);
  const { stem, stemMultiplier, auxiliaryWeight, labelSmoothing, dropPath = 0, operations = {} } = options;
  const { dropPathUnit = publishedDropPathUnit(genotype), normalisePooling = false, keepNone = false } = options;
  const { affineNorms = skeleton.affineNorms } = options;
  check('dropPath', dropPath, aShareBelowOne);
  check('dropPathUnit', dropPathUnit, oneOf(dropPathUnits));
  check('normalisePooling', normalisePooling, aBoolean);
  check('keepNone', keepNone, aBoolean);
  check('affineNorms', affineNorms, aBoolean);
  checkOptional('labelSmoothing', labelSmoothing, aShareBelowOne);
  checkRecord('operations', operations, 'functions by name');
  for (const [name, build] of Object.entries(operations)) check(`operations.${name}`, build, aFunction);
  const training = { stem, auxiliaryWeight, labelSmoothing };
  const stack = { classes, initChannels, layers, stemMultiplier, affine: affineNorms, ...training };
  const settings = { skeleton, operations, dropPath, dropPathUnit, normalisePooling, keepNone, affineNorms };
  checkVariants(genotype, settings);
  const buildCell = cellBuilder(genotype, settings);
  return buildForSize(inputShape, (shape) =>
    skeleton.build(new GraphBuilder(), { ...stack, inputShape: shape }, buildCell),
  );
}

/** The skeleton that is given, or that of the genotype's form. Throws ArgumentError where a genotype's cells are not those of the skeleton. */
function skeletonFor(genotype: Genotype, given: DerivedNetworkOptions['skeleton']): Skeleton {
  const cells = genotype.recurrent !== undefined ? 'recurrent' : genotype.cell === undefined ? 'types' : 'one';
  const skeleton = skeletonOf(given ?? usualSkeleton(genotype));
  if (skeleton.cells === cells) return skeleton;
  const words = {
    types: 'one of normal and reduction cells',
    one: 'one of a single cell, such as |nor_conv_3x3~0|+...,',
    recurrent: 'one of a recurrent cell, which reads text and no images',
  };
  throw invalid(`the genotype of a ${skeleton.name} network`, words[skeleton.cells], words[cells]);
}

/** What not every skeleton knows. */
function checkVariants(genotype: Genotype, settings: CellSettings): void {
  const { name: skeleton, variants } = settings.skeleton;
  for (const name of ['normalisePooling', 'keepNone'] as const) {
    if (settings[name] && !variants.includes(name)) throw invalid(name, `false in a ${skeleton} network`, true);
  }
  const of = `the genotype of a ${skeleton} network`;
  if (genotype.entries === 'triples' && !variants.includes('triples')) throw invalid(of, 'one of pairs', 'triples');
  if (variants.includes('doubleEdges')) return;
  for (const [key, { nodes }] of cellsOf(genotype)) {
    const node = nodes.findIndex((edges) => new Set(edges.map(({ input }) => input)).size < edges.length);
    if (node < 0) continue;
    throw invalid(of, 'one operation an edge', `several on an edge into node ${node} of the ${cellName(key)}`);
  }
}

function cellBuilder(genotype: Genotype, settings: CellSettings): CellBuilder {
  const byEntries = genotype.entries === 'triples' ? buildTripleCell : buildPairCell;
  const build = genotype.cell === undefined ? byEntries : buildEdgeCell;
  const cells = Object.fromEntries(cellsOf(genotype));
  return (builder, inputs, place) => {
    const cell = cells[genotype.cells === undefined ? place.kind : place.layer];
    return build(builder, inputs, place, cell, settings);
  };
}

/** A genotype of all cells of a network fits no other. */
function checkCellCount({ cells }: Genotype, layers: number): void {
  if (cells === undefined || cells.length === layers) return;
  throw invalid('layers', `${cells.length}, as many cells as the genotype has`, layers);
}
