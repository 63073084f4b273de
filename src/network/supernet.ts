import { checkOptions } from '../checks.ts';
import type { CellKey } from '../genotype/genotype.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import { applyOperation } from '../operation/operations.ts';
import { type ResolvedEdge, type ResolvedSpace, resolveSpace, type SearchSpace } from '../space/space.ts';
import { buildForSize } from './image_size.ts';
import {
  buildNetwork,
  type CellBuilder,
  type CellPlace,
  cellTypesOf,
  checkDepth,
  descriptionNames,
  type Network,
} from './macro.ts';

/** Options of {@link buildSupernet}; the defaults are those of the published search on CIFAR-10. */
export interface SupernetOptions {
  /** `darts` when absent. */
  readonly space?: string | SearchSpace;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes; 16 when absent. */
  readonly initChannels?: number;
  /** Number of cells; 8 when absent. */
  readonly layers?: number;
  /** The stem's channels divided by `initChannels`; 3 when absent. */
  readonly stemMultiplier?: number;
  /** The weight of an auxiliary head's loss; no such head when absent. */
  readonly auxiliaryWeight?: number;
}

/** The architecture parameters that all cells of a type share, or those of one cell. */
export interface AlphaTable {
  /** Name of the parameter. */
  readonly name: string;
  /** Number of candidates of each row. */
  readonly rowLengths: readonly number[];
  /** The edge that each row belongs to. */
  readonly edges: readonly ResolvedEdge[];
}

/** A search network: every edge computes all of its candidates and mixes them. */
export interface Supernet extends Network {
  readonly space: ResolvedSpace;
  /** By cell type or, where those do not share alpha, by the cell's place in the network. */
  readonly tables: Readonly<Record<CellKey, AlphaTable>>;
}

const optionNames = ['space', 'inputShape', 'classes', 'initChannels', 'layers', 'stemMultiplier', 'auxiliaryWeight'];

/**
 * Builds the search network of DARTS (arXiv:1806.09055, section 3.1). The graph's input is `images`, its output the loss;
 * parameters are named as in the published code. Both tables, `alphas_normal` and `alphas_reduce`, always exist: below 3
 * layers every cell reduces, and the normal cell's table gets no gradient. Where cells do not share alpha, each has a table of its own,
 * `cells.INDEX.alphas`. Throws ArgumentError for a faulty option.
 */
export function buildSupernet(options: SupernetOptions): Supernet {
  checkOptions('options', options, optionNames, descriptionNames);
  const { inputShape, classes, initChannels = 16, layers = 8, stemMultiplier = 3, auxiliaryWeight } = options;
  checkDepth(layers);
  const space = resolveSpace(options.space ?? 'darts', cellTypesOf(layers));
  const macro = { classes, initChannels, layers, stemMultiplier, affine: false, auxiliaryWeight };
  return buildForSize(inputShape, (shape) => {
    const builder = new GraphBuilder();
    const tables = Object.fromEntries(Object.keys(space.edges).map((key) => [key, declareTable(builder, space, key)]));
    const network = buildNetwork(builder, { ...macro, inputShape: shape }, cellBuilder(space, tables));
    return { ...network, space, tables };
  });
}

function declareTable(builder: GraphBuilder, space: ResolvedSpace, key: CellKey): AlphaTable {
  const edges = space.edges[key];
  const rowLengths = edges.map(({ candidates }) => candidates.length);
  const name = space.sharedAlpha ? `alphas_${key}` : `${key}.alphas`;
  return { name: builder.alpha(name, rowLengths, space.alphaDeviation), rowLengths, edges };
}

function cellBuilder(space: ResolvedSpace, tables: Supernet['tables']): CellBuilder {
  return (builder, inputs, place) => {
    const table = tables[space.sharedAlpha ? place.type : place.layer];
    const states: Tensor[] = [...inputs];
    for (let node = 0; node < space.nodes; node++) {
      const edges = table.edges.filter((edge) => edge.node === node);
      states.push(builder.add(edges.map((edge) => mixedEdge(builder, states[edge.input], edge, table, space, place))));
    }
    return builder.concat(states.slice(2));
  };
}

function mixedEdge(
  builder: GraphBuilder,
  input: Tensor,
  edge: ResolvedEdge,
  table: AlphaTable,
  { activation }: ResolvedSpace,
  { type, layer, channels }: CellPlace,
): Tensor {
  const name = `_ops.${edge.row}`;
  const stride = type === 'reduce' && edge.input < 2 ? 2 : 1;
  const branches = edge.candidates.map((candidate, index) => ({
    name: candidate.name,
    build: (branch: GraphBuilder, tensor: Tensor) =>
      applyOperation(candidate, branch, tensor, {
        layer: `${layer}.${name}._ops.${index}`,
        channels,
        stride,
        affine: false,
        normalisePooling: true,
      }),
  }));
  return builder.within(name).mixed(input, branches, { alpha: table.name, row: edge.row, activation });
}
