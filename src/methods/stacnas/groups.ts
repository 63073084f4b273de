// The groups of StacNAS (Li et al., arXiv:1909.11926, section 4): operations whose features correlate, of which the first stage has one each.
import { invalid } from '../../errors.ts';
import { type CellType, cellTypes } from '../../genotype/genotype.ts';
import { noneName, skipName } from '../../operation/operations.ts';
import type { EdgePlace, ResolvedSpace, SearchSpace } from '../../space/space.ts';

/** In the order of the second stage's candidates. A skip connection competes with itself, as published. */
const groups: readonly (readonly string[])[] = [
  ['avg_pool_3x3', 'max_pool_3x3'],
  [skipName, skipName],
  ['sep_conv_3x3', 'sep_conv_5x5'],
  ['dil_conv_3x3', 'dil_conv_5x5'],
];

/** What the first stage found: the candidate of every edge, by cell type in the order of its rows. */
export type Winners = Readonly<Record<CellType, readonly string[]>>;

/** Throws ArgumentError for a space with a candidate that is in no group. */
export function checkGrouped({ edges }: ResolvedSpace): void {
  const names = [...edges.normal, ...edges.reduce].flatMap(({ candidates }) => candidates.map(({ name }) => name));
  const lone = names.find((name) => name !== noneName && groupOf(name) === undefined);
  if (lone === undefined) return;
  throw invalid('a candidate of the space', `one of ${[...new Set(groups.flat())].join(', ')}, ${noneName}`, lone);
}

/**
 * The space of the second stage: on every edge the members of the group that won there, and none. Throws ArgumentError for winners that are
 * not those of the first stage's space.
 */
export function memberSpace({ name, nodes, edges }: ResolvedSpace, winners: Winners, skipTwice: boolean): SearchSpace {
  for (const type of cellTypes) {
    const own: unknown = winners?.[type];
    const fits = Array.isArray(own) && own.length === edges[type].length;
    const stranger = fits ? own.find((winner) => groupOf(winner) === undefined) : own;
    if (fits && stranger === undefined) continue;
    throw invalid(`the winners of the ${type} cell`, `${edges[type].length} operations of its groups`, stranger);
  }
  const candidates = ({ cell, node, input }: EdgePlace) => {
    const members = groupOf(winners[cell][rowOf(node, input)]) ?? [];
    return [...(skipTwice ? members : new Set(members)), noneName];
  };
  return { name: `${name}, members`, nodes, candidates };
}

function groupOf(name: string): readonly string[] | undefined {
  return groups.find((members) => members.includes(name));
}

/** Edges lie by node, then by input; node n has n + 2. */
function rowOf(node: number, input: number): number {
  return (node * (node + 3)) / 2 + input;
}
