// What lies around the cells of a network: each family of search spaces brings its own.
import { anInteger, check, notNegative } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { CellKey, CellKind } from '../genotype/genotype.ts';
import type { GraphBuilder, Tensor } from '../graph/builder.ts';
import type { Graph } from '../graph/graph.ts';
import type { Operation } from '../operation/operations.ts';

/** What cells are stacked into; the same for supernets and derived networks. A skeleton refuses what it does not have. */
export interface StackOptions {
  /** [height, width, channels] */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes. */
  readonly initChannels: number;
  /** Number of cells. */
  readonly layers: number;
  /** The stem's channels divided by `initChannels`; the skeleton's own when absent. */
  readonly stemMultiplier?: number;
  /** Whether batch normalisations of the cells have an affine part. */
  readonly affine: boolean;
  /** `small` images keep their size in the stem (CIFAR), `large` ones are reduced eightfold (ImageNet); `small` when absent. */
  readonly stem?: StemForm;
  /** An auxiliary head in training: the weight of its loss; none when absent. */
  readonly auxiliaryWeight?: number;
  /** Label smoothing of the loss; 0 when absent. */
  readonly labelSmoothing?: number;
}

/** The forms of a network's stem. */
export const stemForms = ['small', 'large'] as const;

/** One of {@link stemForms}. */
export type StemForm = (typeof stemForms)[number];

/** Where a cell stands in a network. */
export interface CellPlace {
  readonly kind: CellKind;
  /** Its name, such as `cells.2`: the key of the cell of a genotype that has one for each place. */
  readonly layer: CellKey;
  /** Channels of each node. */
  readonly channels: number;
}

/** Builds a cell from its inputs, all of `channels` channels and of one size, under the prefix `cells.INDEX`. */
export type CellBuilder = (builder: GraphBuilder, inputs: readonly Tensor[], place: CellPlace) => Tensor;

/** A network that ends in the mean cross-entropy loss, and the node id of its logits [classes]. */
export interface Network {
  readonly graph: Graph;
  readonly logits: number;
}

/** What several networks of a graph may share, and what is built among the cells of one beside them. */
export interface StackExtras {
  /** Names the stem; the network's own builder when absent. */
  readonly stem?: GraphBuilder;
  /** The same of the classifier. */
  readonly classifier?: GraphBuilder;
  /** Told the output of everything that halves height and width behind the stem, in order. */
  readonly behindReduction?: (output: Tensor) => void;
}

/** What a network ends in. */
export interface StackEnds {
  /** [classes] */
  readonly logits: Tensor;
  /** [classes] */
  readonly auxiliary?: Tensor;
}

/** Stacks cells on images. Options were checked as those of any stack; throws ArgumentError for what this one does not have. */
export type Stack = (
  builder: GraphBuilder,
  images: Tensor,
  options: StackOptions,
  buildCell: CellBuilder,
  extras?: StackExtras,
) => StackEnds;

/** How networks of a skeleton learn in pairs, and from one another (CDARTS, arXiv:2006.10724). */
export interface PairedStack {
  readonly stack: Stack;
  /** Numbers, as parameters are named by, of what halves height and width in a network of so many cells. */
  reductionsOf(layers: number): readonly number[];
}

/** Sizes of a network where nobody says otherwise. */
interface UsualSizes {
  readonly initChannels: number;
  readonly layers: number;
}

/** An edge of a cell: from state `input`, of which the cell's inputs are the first, to node `node`, which is `row` of the table. */
interface EdgeOfCell {
  readonly node: number;
  readonly input: number;
  readonly row: number;
}

/**
 * What derived networks of some families know: genotypes of triples, several operations between two states, batch normalisation behind
 * poolings, operations weighed against none.
 */
export const networkVariants = ['triples', 'doubleEdges', 'normalisePooling', 'keepNone'] as const;

/** One of {@link networkVariants}. */
export type NetworkVariant = (typeof networkVariants)[number];

/** A kind of network: how its cells hang together, what they are made of and what lies around them. */
export interface Skeleton {
  /** Files of runs tell it: no two skeletons share a name. */
  readonly name: string;
  /**
   * `types`: normal and reduction cells of two inputs, whose nodes are concatenated. `one`: cells that are all alike, of one input, whose
   * last node is the output. Genotypes follow: of `one` cell each edge keeps an operation, `none` perhaps.
   */
  readonly cells: 'types' | 'one';
  /** What the names of operations mean in it. */
  readonly operations: Readonly<Record<string, Operation>>;
  /** Whether a supernet's edge runs candidates of weight 0 as well, as the published code does, so that their statistics move. */
  readonly runsAll: boolean;
  /** Whether batch normalisations in the cells of derived networks have an affine part where nobody says otherwise. */
  readonly affineNorms: boolean;
  readonly hasAuxiliaryHead: boolean;
  readonly variants: readonly NetworkVariant[];
  /** Of supernets and of derived networks. */
  readonly usual: { readonly supernet: UsualSizes; readonly derived: UsualSizes };
  /** The kinds of a network's cells, in its order. Throws ArgumentError for a number of cells that it cannot have. */
  kindsOf(layers: number): readonly CellKind[];
  /** Stride of an edge from a state. */
  strideOf(kind: CellKind, input: number): 1 | 2;
  /** Prefix of the parameters of a supernet's candidate, within its cell. */
  candidateName(edge: EdgeOfCell, candidate: number): string;
  /** The same of a derived network's operation, which is the one of a number from 0 in its cell. */
  operationName(edge: Pick<EdgeOfCell, 'node' | 'input'>, position: number): string;
  /** Absent where they do not. */
  readonly paired?: PairedStack;
  /** Stacks cells into a network whose images are the input `images`. Throws ArgumentError for what it does not have. */
  build(builder: GraphBuilder, options: StackOptions, buildCell: CellBuilder): Network;
}

/** What else descriptions of a network hold, which are spread into a builder's options: of these it takes its part. */
export const descriptionNames = [
  ...['genotype', 'space', 'stem', 'stemMultiplier', 'auxiliary', 'auxiliaryWeight', 'labelSmoothing', 'skeleton'],
  ...['dropPath', 'dropPathUnit', 'operations', 'imageChannels', 'supernet', 'nodes', 'affineNorms'],
  ...['normalisePooling', 'keepNone'],
];

/** Stride of an edge where cells of two inputs reduce by their inputs' edges. */
export function strideOfTypes(kind: CellKind, input: number): 1 | 2 {
  return kind === 'reduce' && input < 2 ? 2 : 1;
}

/** Networks of a stack by themselves, their loss the cross-entropy, that of an auxiliary head included. */
export function stackedNetworks(stack: Stack): Skeleton['build'] {
  return (builder, options, buildCell) => {
    checkStack(options);
    const { logits, auxiliary } = stack(builder, builder.input('images', options.inputShape), options, buildCell);
    const loss = builder.softmaxCrossEntropy(logits, {
      smoothing: options.labelSmoothing,
      auxiliary: auxiliary && [{ logits: auxiliary, weight: options.auxiliaryWeight ?? 0 }],
    });
    return { graph: builder.finish(loss), logits: logits.id };
  };
}

/** Throws ArgumentError for sizes that no network has. */
export function checkStack({ inputShape, stem = 'small', auxiliaryWeight = 0, ...sizes }: StackOptions): void {
  if (!stemForms.includes(stem)) throw invalid('stem', `one of ${stemForms.join(', ')}`, stem);
  if (stem === 'large' && sizes.initChannels % 2 !== 0) {
    throw invalid('initChannels', 'an even number for a large stem', sizes.initChannels);
  }
  check('auxiliaryWeight', auxiliaryWeight, notNegative);
  if (!Array.isArray(inputShape) || inputShape.length !== 3 || !inputShape.every(positiveInteger.holds)) {
    throw invalid('inputShape', 'three positive integers [height, width, channels]', inputShape);
  }
  for (const name of ['classes', 'initChannels'] as const) check(name, sizes[name], positiveInteger);
  if (sizes.stemMultiplier !== undefined) check('stemMultiplier', sizes.stemMultiplier, positiveInteger);
  checkDepth(sizes.layers);
}

/** Throws ArgumentError for a number of cells that no network has. */
export function checkDepth(layers: number): void {
  check('layers', layers, depths);
}

const positiveInteger = anInteger(1);
/** Every layer takes memory of its own before anyone can refuse the graph. */
const depths = anInteger(1, 1000);
