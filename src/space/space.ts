import { aBoolean, check, checkOptional, notNegative, oneOf } from '../checks.ts';
import { invalid } from '../errors.ts';
import {
  type CellKey,
  type CellKind,
  type CellType,
  cellKey,
  cellTypes,
  inputsOf,
  oneCell,
} from '../genotype/genotype.ts';
import { isOperationName, operationNameExpectation } from '../genotype/rules.ts';
import { type MixingActivation, type NoiseDistribution, noiseDistributions } from '../graph/graph.ts';
import {
  type NamedOperation,
  noiseName,
  noisySkip,
  noneName,
  type Operation,
  skipName,
} from '../operation/operations.ts';
import type { Skeleton } from '../skeleton/skeleton.ts';
import { type SkeletonName, skeletonOf } from '../skeleton/skeletons.ts';

/** A candidate operation: the name of a known one, or one of your own built from primitive nodes. */
export type Candidate = string | { readonly name: string; readonly build: Operation };

/** An edge of a cell: from state `input` (first the cell's inputs, two or, in a `cell` of one skeleton, one; then node 0) to node `node`. */
export interface EdgePlace {
  readonly cell: CellKind;
  /** Of the cell in the network, from 0; where cells of a type do not share alpha. */
  readonly index?: number;
  /** From 0. */
  readonly node: number;
  readonly input: number;
}

/** What a search chooses from: every node has an edge from each earlier state, every edge its candidate operations. */
export interface SearchSpace {
  readonly name: string;
  /** What lies around the cells, and what the names of operations mean: a known one's name or one of your own; `darts` when absent. */
  readonly skeleton?: SkeletonName | Skeleton;
  /** Nodes of a cell, its inputs and its output not counted. */
  readonly nodes: number;
  /** The same on every edge, or by edge. One may come several times on an edge, each time with weights and a mixing weight of its own. */
  readonly candidates: readonly Candidate[] | ((edge: EdgePlace) => readonly Candidate[]);
  /** Whether all cells of a type share architecture parameters, and so become one cell of the genotype; true when absent. */
  readonly sharedAlpha?: boolean;
  /** How architecture parameters become mixing weights; `softmax` when absent. */
  readonly activation?: MixingActivation;
  /** Of the normal distribution that architecture parameters begin with, around 0: 0 for all of them 0; 1e-3 when absent. */
  readonly alphaDeviation?: number;
  /** Noise that skip connections of stride 1 add in training, scaled by a batch's `dropout.noiseScale`; none when absent. */
  readonly skipNoise?: NoiseDistribution;
}

/** An edge with its candidates: row `row` of the architecture parameters of its cell. */
export interface ResolvedEdge extends EdgePlace {
  readonly row: number;
  readonly candidates: readonly NamedOperation[];
}

/** A search space that was checked, with every edge written out. */
export interface ResolvedSpace {
  readonly name: string;
  readonly skeleton: Skeleton;
  readonly nodes: number;
  readonly activation: MixingActivation;
  readonly alphaDeviation: number;
  readonly sharedAlpha: boolean;
  /** By kind of cell or, where those do not share alpha, by the cell's place in the network; ordered by node, then by input. */
  readonly edges: Readonly<Record<CellKey, readonly ResolvedEdge[]>>;
}

/** How architecture parameters may become mixing weights. */
export const mixingActivations = ['softmax', 'sigmoid'] as const satisfies readonly MixingActivation[];

const withoutNone = [
  'max_pool_3x3',
  'avg_pool_3x3',
  skipName,
  'sep_conv_3x3',
  'sep_conv_5x5',
  'dil_conv_3x3',
  'dil_conv_5x5',
];

/** s1 of Zela et al. (arXiv:1909.09656): two candidates an edge, edges by node, then by input. */
const s1Candidates: Readonly<Record<CellType, readonly (readonly [string, string])[]>> = {
  normal: [
    [skipName, 'dil_conv_3x3'],
    [skipName, 'dil_conv_5x5'],
    [skipName, 'dil_conv_5x5'],
    [skipName, 'sep_conv_3x3'],
    [skipName, 'dil_conv_3x3'],
    ['max_pool_3x3', skipName],
    [skipName, 'sep_conv_3x3'],
    [skipName, 'sep_conv_3x3'],
    [skipName, 'dil_conv_3x3'],
    [skipName, 'sep_conv_3x3'],
    ['max_pool_3x3', skipName],
    [skipName, 'dil_conv_3x3'],
    ['dil_conv_3x3', 'dil_conv_5x5'],
    ['dil_conv_3x3', 'dil_conv_5x5'],
  ],
  reduce: [
    ['max_pool_3x3', 'avg_pool_3x3'],
    ['max_pool_3x3', 'dil_conv_3x3'],
    ['max_pool_3x3', 'avg_pool_3x3'],
    ['max_pool_3x3', 'avg_pool_3x3'],
    [skipName, 'dil_conv_5x5'],
    ['max_pool_3x3', 'avg_pool_3x3'],
    ['max_pool_3x3', 'sep_conv_3x3'],
    [skipName, 'dil_conv_3x3'],
    [skipName, 'dil_conv_5x5'],
    ['max_pool_3x3', 'avg_pool_3x3'],
    ['max_pool_3x3', 'avg_pool_3x3'],
    [skipName, 'dil_conv_5x5'],
    [skipName, 'dil_conv_5x5'],
    [skipName, 'dil_conv_5x5'],
  ],
};
const nasbench201 = { nodes: 3, skeleton: 'nasbench201' } as const;

/** The known search spaces by name. */
export const spaces: Readonly<Record<string, SearchSpace>> = {
  /** The 8 candidates of DARTS (arXiv:1806.09055, section 3.1). */
  darts: { name: 'darts', nodes: 4, candidates: [noneName, ...withoutNone] },
  /** The 7 of FairDARTS (arXiv:1911.12126), each weighed by itself: all begin with a weight of 0.5. */
  fairdarts: { name: 'fairdarts', nodes: 4, candidates: withoutNone, activation: 'sigmoid', alphaDeviation: 0 },
  /** The same 7, competing as those of DARTS do. */
  darts_without_none: { name: 'darts_without_none', nodes: 4, candidates: withoutNone },
  /** Spaces in which DARTS is known to fail (Zela et al., arXiv:1909.09656), and the seven candidates as DARTS-PT calls them. */
  s1: {
    name: 's1',
    nodes: 4,
    candidates: ({ cell, node, input }) => s1Candidates[cell === 'reduce' ? cell : 'normal'][rowOf(node, input)],
  },
  s2: { name: 's2', nodes: 4, candidates: [skipName, 'sep_conv_3x3'] },
  s3: { name: 's3', nodes: 4, candidates: [noneName, skipName, 'sep_conv_3x3'] },
  s4: { name: 's4', nodes: 4, candidates: [noiseName, 'sep_conv_3x3'] },
  s5: { name: 's5', nodes: 4, candidates: withoutNone },
  /** One of each group of StacNAS (arXiv:1909.11926), and none. */
  stacnas: {
    name: 'stacnas',
    nodes: 4,
    candidates: ['max_pool_3x3', skipName, 'sep_conv_3x3', 'dil_conv_3x3', noneName],
  },
  /** All of those that StacNAS groups, and none: what its clustering of features looks at. */
  stacnas_all: {
    name: 'stacnas_all',
    nodes: 4,
    candidates: [
      ...['avg_pool_3x3', 'max_pool_3x3', skipName, 'sep_conv_3x3', 'sep_conv_5x5'],
      ...['dil_conv_3x3', 'dil_conv_5x5', noneName],
    ],
  },
  /** The 5 of NAS-Bench-201 (arXiv:2001.00326). */
  nasbench201: {
    ...{ name: 'nasbench201', ...nasbench201 },
    candidates: [noneName, skipName, 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'],
  },
  /** The subsets that its search code names, as it spells them. */
  'nas-bench-201-simple': {
    ...{ name: 'nas-bench-201-simple', ...nasbench201 },
    candidates: [skipName, 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'],
  },
  'nas-bench-201-s2': { name: 'nas-bench-201-s2', ...nasbench201, candidates: [skipName, 'nor_conv_3x3'] },
  'nas-bench-201-s4': { name: 'nas-bench-201-s4', ...nasbench201, candidates: [noiseName, 'nor_conv_3x3'] },
  'nas-bench-201-s10': { name: 'nas-bench-201-s10', ...nasbench201, candidates: [noneName, 'nor_conv_3x3'] },
  'connect-nas': { name: 'connect-nas', ...nasbench201, candidates: [noneName, skipName, 'nor_conv_3x3'] },
  /** The 7 of CDARTS (arXiv:2006.10724), and its logit "no op", which only takes a share. */
  cdarts: { name: 'cdarts', nodes: 4, candidates: [...withoutNone, noneName], skeleton: 'cdarts' },
};

/** The row of an edge: they lie by node, then by input; node n has n more than the cell has inputs. */
export function rowOf(node: number, input: number, inputs = 2): number {
  return (node * (node - 1)) / 2 + node * inputs + input;
}

/** A search space that is given whole or by name, as it is. Throws ArgumentError for a name that there is not. */
export function spaceOf(space: string | SearchSpace): SearchSpace {
  if (typeof space !== 'string') return space;
  if (Object.hasOwn(spaces, space)) return spaces[space];
  throw invalid('space', `one of ${Object.keys(spaces).join(', ')}`, space);
}

/** Name of the skeleton of a search space, given whole or by name. Throws ArgumentError for a name that there is not. */
export function skeletonNameOf(space: string | SearchSpace): string {
  const { skeleton = 'darts' } = spaceOf(space) ?? {};
  return typeof skeleton === 'object' ? skeleton?.name : skeleton;
}

/**
 * Checks a search space, given whole or by name, and writes its edges out; `kinds` are those of the network's cells, which matter where
 * they do not share alpha. Throws ArgumentError for a faulty one.
 */
export function resolveSpace(space: string | SearchSpace, kinds: readonly CellKind[] = cellTypes): ResolvedSpace {
  if (typeof space === 'string') return resolveSpace(spaceOf(space), kinds);
  if (typeof space !== 'object' || space === null) throw invalid('space', 'a name or a search space', space);
  const { name, nodes, sharedAlpha = true, activation = 'softmax', alphaDeviation = 1e-3 } = space;
  if (typeof name !== 'string' || name === '') throw invalid('space.name', 'a name', name);
  if (!(Number.isInteger(nodes) && nodes >= 1 && nodes <= 100)) {
    throw invalid('space.nodes', 'an integer from 1 to 100', nodes);
  }
  check('space.activation', activation, oneOf(mixingActivations));
  check('space.alphaDeviation', alphaDeviation, notNegative);
  checkOptional('space.skipNoise', space.skipNoise, oneOf(noiseDistributions));
  check('space.sharedAlpha', sharedAlpha, aBoolean);
  const skeleton = skeletonOf(space.skeleton ?? 'darts');
  if (skeleton.cells === 'one' && !sharedAlpha) {
    throw invalid(
      'space.sharedAlpha',
      `true, as all cells of a ${skeleton.name} network are one of its genotype`,
      false,
    );
  }
  const shared: readonly CellKind[] = skeleton.cells === 'one' ? [oneCell] : cellTypes;
  const edges = sharedAlpha
    ? shared.map((cell) => [cell, resolveEdges(space, skeleton, { cell })] as const)
    : kinds.map((cell, index) => [cellKey(index), resolveEdges(space, skeleton, { cell, index })] as const);
  return { name, skeleton, nodes, sharedAlpha, activation, alphaDeviation, edges: Object.fromEntries(edges) };
}

function resolveEdges(
  { nodes, candidates, skipNoise }: SearchSpace,
  { operations }: Skeleton,
  cell: Pick<EdgePlace, 'cell' | 'index'>,
): ResolvedEdge[] {
  const skip = operations[skipName];
  const noisy = (candidate: NamedOperation) =>
    skipNoise !== undefined && candidate.build === skip
      ? { ...candidate, build: noisySkip(skipNoise, skip) }
      : candidate;
  const edges: ResolvedEdge[] = [];
  for (let node = 0; node < nodes; node++) {
    for (let input = 0; input < node + inputsOf(cell.cell); input++) {
      const place = { ...cell, node, input };
      const list: unknown = typeof candidates === 'function' ? candidates(place) : candidates;
      edges.push({ ...place, row: edges.length, candidates: resolveCandidates(list, place, operations).map(noisy) });
    }
  }
  return edges;
}

function resolveCandidates(
  list: unknown,
  { cell, index, node, input }: EdgePlace,
  operations: Skeleton['operations'],
): NamedOperation[] {
  const kind = cell === oneCell ? 'the cell' : `the ${cell} cell`;
  const of = index === undefined ? kind : `cell ${index}`;
  const edge = `the edge from state ${input} to node ${node} of ${of}`;
  if (!Array.isArray(list)) throw invalid(`the candidates of ${edge}`, 'a list', list);
  const resolved = list.map((candidate) => resolveCandidate(candidate, edge, operations));
  const names = resolved.map(({ name }) => name);
  if (!names.some((name) => name !== noneName)) {
    throw invalid(`the candidates of ${edge}`, `at least one other than ${noneName}`, names);
  }
  return resolved;
}

function resolveCandidate(candidate: unknown, edge: string, operations: Skeleton['operations']): NamedOperation {
  const known = Object.keys(operations).join(', ');
  if (typeof candidate === 'string') {
    if (Object.hasOwn(operations, candidate)) return { name: candidate, build: operations[candidate] };
    throw invalid(`a candidate of ${edge}`, `one of ${known}, or an operation { name, build }`, candidate);
  }
  const { name, build } = (candidate ?? {}) as Partial<NamedOperation>;
  if (!isOperationName(name)) throw invalid(`the name of a candidate of ${edge}`, operationNameExpectation, name);
  if (Object.hasOwn(operations, name)) {
    throw invalid(`the name of an operation of your own on ${edge}`, `a name other than ${known}`, name);
  }
  if (typeof build !== 'function') throw invalid(`the build of candidate ${name} of ${edge}`, 'a function', build);
  return { name, build };
}
