import { check, checkOptions, oneOf } from '../checks.ts';
import type { CellKey } from '../genotype/genotype.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import { applyOperation } from '../operation/operations.ts';
import { type CellBuilder, type CellPlace, descriptionNames, type Network } from '../skeleton/skeleton.ts';
import { skeletonOf } from '../skeleton/skeletons.ts';
import { type ResolvedEdge, type ResolvedSpace, resolveSpace, type SearchSpace, spaceOf } from '../space/space.ts';
import { buildForSize } from './image_size.ts';

/** Options of {@link buildSupernet}; the defaults are those of the published search on CIFAR-10. */
export interface SupernetOptions {
  /** `darts` when absent. */
  readonly space?: string | SearchSpace;
  /** [height, width, channels] of an image. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** Channels of the first cell's nodes; as published when absent: 16. */
  readonly initChannels?: number;
  /** Number of cells; as published when absent: 8 of DARTS, 15 of NAS-Bench-201, where they are as many in each of three stages. */
  readonly layers?: number;
  /** The stem's channels divided by `initChannels`; 3 when absent, of CDARTS 1, and always 1 of NAS-Bench-201. */
  readonly stemMultiplier?: number;
  /** The weight of an auxiliary head's loss; no such head when absent, and none of NAS-Bench-201. */
  readonly auxiliaryWeight?: number;
  /** What a node makes of its edges; `sum` when absent. */
  readonly nodeForm?: NodeForm;
}

/** The architecture parameters that all cells of a kind share, or those of one cell. */
export interface AlphaTable {
  /** Name of the parameter. */
  readonly name: string;
  /** Number of candidates of each row. */
  readonly rowLengths: readonly number[];
  /** The edge that each row belongs to. */
  readonly edges: readonly ResolvedEdge[];
  /** Name of the parameter whose softmax, a row a node, says how much each of the node's edges counts; absent where none learns that. */
  readonly betas?: string;
}

/** A search network: every edge computes all of its candidates and mixes them. */
export interface Supernet extends Network {
  readonly space: ResolvedSpace;
  /** By kind of cell or, where those do not share alpha, by the cell's place in the network. */
  readonly tables: Readonly<Record<CellKey, AlphaTable>>;
  readonly nodeForm: NodeForm;
}

const optionNames = [
  ...['space', 'inputShape', 'classes', 'initChannels', 'layers', 'stemMultiplier', 'auxiliaryWeight', 'nodeForm'],
];

/**
 * Builds the search network of a space, stacked as its skeleton says: that of DARTS (arXiv:1806.09055, section 3.1) or of NAS-Bench-201
 * (arXiv:2001.00326). The graph's input is `images`, its output the loss; parameters are named as in the published code. Both tables of
 * DARTS, `alphas_normal` and `alphas_reduce`, always exist: below 3 layers every cell reduces, and the normal cell's table gets no gradient.
 * Where cells do not share alpha, each has a table of its own, `cells.INDEX.alphas`; the one of cells all alike is `alphas_cell`. Throws
 * ArgumentError for a faulty option.
 */
export function buildSupernet(options: SupernetOptions): Supernet {
  checkOptions('options', options, optionNames, descriptionNames);
  const given = spaceOf(options.space ?? 'darts');
  const skeleton = skeletonOf(given?.skeleton ?? 'darts');
  const { supernet: usual } = skeleton.usual;
  const { inputShape, classes, initChannels = usual.initChannels, layers = usual.layers } = options;
  const { stemMultiplier, auxiliaryWeight, nodeForm = 'sum' } = options;
  check('nodeForm', nodeForm, oneOf(nodeForms));
  const space = resolveSpace(given, skeleton.kindsOf(layers));
  const macro = { classes, initChannels, layers, stemMultiplier, affine: false, auxiliaryWeight };
  return buildForSize(inputShape, (shape) => {
    const builder = new GraphBuilder();
    const tables = declareTables(builder, space, nodeForm);
    const tableOf = ({ kind, layer }: CellPlace) => tables[space.sharedAlpha ? kind : layer];
    const network = skeleton.build(builder, { ...macro, inputShape: shape }, supernetCells(space, tableOf, nodeForm));
    return { ...network, space, tables, nodeForm };
  });
}

/** What a node makes of its edges: their sum, their mean, or a mean of weights that learn with alpha and begin alike. */
export const nodeForms = ['sum', 'mean', 'learnt'] as const;

/** One of {@link nodeForms}. */
export type NodeForm = (typeof nodeForms)[number];

/** Declares the architecture parameters of a space. */
function declareTables(builder: GraphBuilder, space: ResolvedSpace, nodes: NodeForm): Supernet['tables'] {
  const nameOf = (key: CellKey) => (what: 'alphas' | 'betas') =>
    space.sharedAlpha ? `${what}_${key}` : `${key}.${what}`;
  const tables = Object.keys(space.edges).map(
    (key) => [key, declareTable(builder, space, key, nameOf(key), nodes)] as const,
  );
  return Object.fromEntries(tables);
}

/** Declares those of some cells, whose edges the space has under a key. */
export function declareTable(
  builder: GraphBuilder,
  space: ResolvedSpace,
  key: CellKey,
  nameOf: (what: 'alphas' | 'betas') => string,
  nodes: NodeForm,
): AlphaTable {
  const edges = space.edges[key];
  const rowLengths = edges.map(({ candidates }) => candidates.length);
  const table = { name: builder.alpha(nameOf('alphas'), rowLengths, space.alphaDeviation), rowLengths, edges };
  if (nodes !== 'learnt') return table;
  const counts = Array.from({ length: space.nodes }, (_, node) => edges.filter((edge) => edge.node === node).length);
  return { ...table, betas: builder.alpha(nameOf('betas'), counts, 0) };
}

/** Builds cells whose every edge computes all of its candidates and mixes them. */
export function supernetCells(
  space: ResolvedSpace,
  tableOf: (place: CellPlace) => AlphaTable,
  nodes: NodeForm,
): CellBuilder {
  return (builder, inputs, place) => {
    const table = tableOf(place);
    const states: Tensor[] = [...inputs];
    for (let node = 0; node < space.nodes; node++) {
      const edges = table.edges.filter((edge) => edge.node === node);
      const outputs = edges.map((edge) => mixedEdge(builder, states[edge.input], edge, table, space, place));
      states.push(nodeOf(builder, outputs, node, table, nodes));
    }
    return outputOf(builder, states, inputs.length, space);
  };
}

function nodeOf(
  builder: GraphBuilder,
  outputs: readonly Tensor[],
  node: number,
  { betas }: Pick<AlphaTable, 'betas'>,
  nodes: NodeForm,
): Tensor {
  if (betas === undefined) {
    return builder.add(outputs, { weights: nodes === 'mean' ? outputs.map(() => 1 / outputs.length) : undefined });
  }
  const edges = outputs.map((output, index) => ({ name: `${index}`, build: () => output }));
  return builder.mixed(outputs[0], edges, { alpha: betas, row: node });
}

/** What a cell of a space gives, of its states, the first of which are its inputs. */
export function outputOf(
  builder: GraphBuilder,
  states: readonly Tensor[],
  inputs: number,
  { skeleton }: Pick<ResolvedSpace, 'skeleton'>,
): Tensor {
  return skeleton.cells === 'one' ? states[states.length - 1] : builder.concat(states.slice(inputs));
}

function mixedEdge(
  builder: GraphBuilder,
  input: Tensor,
  edge: ResolvedEdge,
  table: AlphaTable,
  { activation, skeleton }: ResolvedSpace,
  { kind, layer, channels }: CellPlace,
): Tensor {
  const stride = skeleton.strideOf(kind, edge.input);
  const context = { channels, stride, affine: false, normalisePooling: skeleton.variants.includes('normalisePooling') };
  const branches = edge.candidates.map((candidate, index) => ({
    name: candidate.name,
    // Not by the builder that the branch is given: the skeleton names its parameters.
    build: (_branch: GraphBuilder, tensor: Tensor) => {
      const name = skeleton.candidateName(edge, index);
      return applyOperation(candidate, builder.within(name), tensor, { layer: `${layer}.${name}`, ...context });
    },
  }));
  return builder.mixed(input, branches, { alpha: table.name, row: edge.row, activation, runsAll: skeleton.runsAll });
}
