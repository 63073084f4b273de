import { check, checkOptions, checkRecord, finite, listOfLength } from '../checks.ts';
import { invalid } from '../errors.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import { type ResolvedEdge, type ResolvedSpace, resolveSpace, type SearchSpace } from '../space/space.ts';
import type { Genotype, GenotypeCell, GenotypeEdge } from './genotype.ts';
import { buildForSize } from './image_size.ts';
import {
  buildNetwork,
  type CellBuilder,
  type CellPlace,
  type CellType,
  descriptionNames,
  type Network,
} from './macro.ts';
import { applyOperation, noneName } from './operations.ts';

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
}

/** The architecture parameters that all cells of a type share. */
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
  readonly tables: Readonly<Record<CellType, AlphaTable>>;
}

const optionNames = ['space', 'inputShape', 'classes', 'initChannels', 'layers', 'stemMultiplier'];

/** A cell keeps this many edges into each node. */
const keptEdges = 2;

/**
 * Builds the search network of DARTS (arXiv:1806.09055, section 3.1). The graph's input is `images`, its output the loss;
 * parameters are named as in the published code. Both tables, `alphas_normal` and `alphas_reduce`, always exist: below 3
 * layers every cell reduces, and the normal cell's table gets no gradient. Throws ArgumentError for a faulty option.
 */
export function buildSupernet(options: SupernetOptions): Supernet {
  checkOptions('options', options, optionNames, descriptionNames);
  const { inputShape, classes, initChannels = 16, layers = 8, stemMultiplier = 3 } = options;
  const space = resolveSpace(options.space ?? 'darts');
  const macro = { classes, initChannels, layers, stemMultiplier, affine: false };
  return buildForSize(inputShape, (shape) => {
    const builder = new GraphBuilder();
    const tables = { normal: declareTable(builder, space, 'normal'), reduce: declareTable(builder, space, 'reduce') };
    const network = buildNetwork(builder, { ...macro, inputShape: shape }, cellBuilder(space, tables));
    return { ...network, space, tables };
  });
}

/**
 * The genotype that mixing weights stand for (arXiv:1806.09055, section 2.4): each node keeps the two edges with the largest
 * weight of a candidate other than `none`, strongest first, and that candidate on each; ties go to the lower index.
 * `mixing` holds by table name one row an edge. Throws ArgumentError for rows that do not fit.
 */
export function genotypeOf(
  supernet: Pick<Supernet, 'space' | 'tables'>,
  mixing: Readonly<Record<string, readonly (readonly number[])[]>>,
): Genotype {
  checkRecord('supernet', supernet, 'space and tables');
  checkRecord('mixing', mixing, 'rows by table');
  const { space, tables } = supernet;
  checkRecord('supernet.space', space, 'nodes');
  checkRecord('supernet.tables', tables, 'normal and reduce');
  for (const type of ['normal', 'reduce'] as const) {
    checkRecord(`supernet.tables.${type}`, tables[type], 'name, rowLengths and edges');
  }
  const cell = (table: AlphaTable): GenotypeCell => {
    const rows = mixing[table.name];
    checkMixing(table, rows);
    const nodes = Array.from({ length: space.nodes }, (_, node) =>
      table.edges
        .filter((edge) => edge.node === node)
        .map((edge) => strongestCandidate(edge, rows[edge.row]))
        .sort((a, b) => b.weight - a.weight)
        .slice(0, keptEdges)
        .map(({ edge }) => edge),
    );
    return { nodes, concat: nodes.map((_, node) => node + 2) };
  };
  return { normal: cell(tables.normal), reduce: cell(tables.reduce) };
}

function declareTable(builder: GraphBuilder, space: ResolvedSpace, type: CellType): AlphaTable {
  const edges = space.edges[type];
  const rowLengths = edges.map(({ candidates }) => candidates.length);
  return { name: builder.alpha(`alphas_${type}`, rowLengths), rowLengths, edges };
}

function cellBuilder(space: ResolvedSpace, tables: Supernet['tables']): CellBuilder {
  return (builder, inputs, place) => {
    const table = tables[place.type];
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

function strongestCandidate(
  { candidates, input }: ResolvedEdge,
  weights: readonly number[],
): { edge: GenotypeEdge; weight: number } {
  let best = -1;
  candidates.forEach(({ name }, index) => {
    if (name !== noneName && (best < 0 || weights[index] > weights[best])) best = index;
  });
  return { edge: { operation: candidates[best].name, input }, weight: weights[best] };
}

function checkMixing({ name, rowLengths }: AlphaTable, rows: readonly (readonly number[])[] | undefined): void {
  if (!Array.isArray(rows) || rows.length !== rowLengths.length) {
    throw invalid(`mixing.${name}`, `${rowLengths.length} rows, one an edge`, rows);
  }
  for (const [index, row] of rows.entries()) {
    const length = rowLengths[index];
    check(`mixing.${name}[${index}]`, row, listOfLength(length, finite, `${length} finite numbers, one a candidate`));
  }
}
