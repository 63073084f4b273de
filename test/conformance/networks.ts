// Supernets of several spaces, sizes and strides, and derived networks: small enough for the float64 reference, which says how
// errors grow in them.

import { parseGenotype } from '../../src/genotype/text.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { type SearchSpace, spaces } from '../../src/space/space.ts';

/** A supernet and its batch. */
export interface NetworkCase {
  readonly name: string;
  readonly space: SearchSpace | 'darts';
  readonly batchSize: number;
  /** [height, width, channels] */
  readonly image: readonly [number, number, number];
  readonly channels: number;
  readonly layers: number;
}

/** Gates that do not compete, as FairDARTS has them (arXiv:1911.12126). */
const sigmoidSpace: SearchSpace = {
  name: 'sigmoid',
  nodes: 2,
  activation: 'sigmoid',
  candidates: ['none', 'avg_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_5x5'],
};

/** Edges with candidate sets of their own, as the spaces of RobustDARTS have them (arXiv:1909.09656), and the rarer operations. */
const unevenSpace: SearchSpace = {
  name: 'uneven',
  nodes: 2,
  candidates: ({ node, input }) =>
    (node + input) % 2 === 0
      ? ['skip_connect', 'sep_conv_7x7']
      : ['max_pool_3x3', 'conv_7x1_1x7', 'dil_conv_3x3', 'sep_conv_5x5'],
};

/** The candidates of DARTS in cells of two nodes. */
const smallSpace: SearchSpace = { ...spaces['darts'], name: 'small', nodes: 2 };

/** What ten steps of a search are taken with. */
export const searchedCase: NetworkCase = {
  name: 'small',
  space: smallSpace,
  batchSize: 4,
  image: [8, 8, 3],
  channels: 4,
  layers: 3,
};

/** Networks whose gradients are compared. */
export const networkCases: readonly NetworkCase[] = [
  { name: 'darts', space: 'darts', batchSize: 4, image: [8, 8, 3], channels: 4, layers: 3 },
  { name: 'sigmoid', space: sigmoidSpace, batchSize: 6, image: [12, 8, 1], channels: 6, layers: 4 },
  { name: 'nasbench201', space: spaces['nasbench201'], batchSize: 4, image: [12, 8, 3], channels: 4, layers: 6 },
  { name: 'uneven', space: unevenSpace, batchSize: 5, image: [16, 12, 3], channels: 8, layers: 2 },
];

/** A network's graph, with five classes. */
export function graphOf({ space, image, channels, layers }: NetworkCase): Graph {
  return buildSupernet({ space, inputShape: image, classes: 5, initChannels: channels, layers }).graph;
}

/** Derived networks as they are trained: auxiliary head, drop path, label smoothing; cells of other forms but in the first. By name or text. */
export const derivedCases: readonly (Omit<NetworkCase, 'space'> & { readonly genotype: string })[] = [
  { name: 'DARTS_V2', genotype: 'DARTS_V2', batchSize: 3, image: [24, 24, 3], channels: 4, layers: 4 },
  { name: 'AmoebaNet', genotype: 'AmoebaNet', batchSize: 2, image: [24, 28, 1], channels: 4, layers: 3 },
  // Drop path on sums, several operations an edge; a source that nothing makes; constant weights.
  { name: 'DCO_EDGE_BS_64', genotype: 'DCO_EDGE_BS_64', batchSize: 3, image: [24, 24, 3], channels: 4, layers: 3 },
  { name: 'FairDARTS_g', genotype: 'FairDARTS_g', batchSize: 2, image: [24, 28, 1], channels: 4, layers: 4 },
  { name: 'DARTS_EXP1_RE2', genotype: 'DARTS_EXP1_RE2', batchSize: 4, image: [28, 24, 1], channels: 4, layers: 3 },
  // One cell for all: every edge has an operation, none among them, and one tensor is on several edges.
  {
    name: 'nasbench201',
    genotype: '|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|',
    ...{ batchSize: 4, image: [16, 12, 3], channels: 4, layers: 6 },
  },
];

/** A derived network's graph for training, with five classes. */
export function derivedGraphOf({ genotype, image, channels, layers }: (typeof derivedCases)[number]): Graph {
  const parsed = parseGenotype(genotype);
  return buildDerivedNetwork({
    ...{ genotype: parsed, inputShape: image, classes: 5, initChannels: channels, layers },
    ...{ auxiliaryWeight: parsed.cell === undefined ? 0.4 : undefined, dropPath: 0.3, labelSmoothing: 0.1 },
  }).graph;
}

/** Such as `darts, 3 cells, 8x8x8x3, C 4`. */
export function titleOf({ name, batchSize, image, channels, layers }: Omit<NetworkCase, 'space'>): string {
  return `${name}, ${layers} cells, ${[batchSize, ...image].join('x')}, C ${channels}`;
}
