// The groups of StacNAS (Li et al., arXiv:1909.11926, section 4): operations whose features correlate, of which the first stage has one each.
import { ArgumentError, invalid } from '../../errors.ts';
import { type CellKey, cellKey, cellName } from '../../genotype/genotype.ts';
import { noneName, skipName } from '../../operation/operations.ts';
import type { EdgePlace, ResolvedSpace, SearchSpace } from '../../space/space.ts';

/** In the order of the second stage's candidates. A skip connection competes with itself, as published. */
const groups: readonly (readonly string[])[] = [
  ['avg_pool_3x3', 'max_pool_3x3'],
  [skipName, skipName],
  ['sep_conv_3x3', 'sep_conv_5x5'],
  ['dil_conv_3x3', 'dil_conv_5x5'],
];

/** What the first stage found: the candidate of every edge, by cell, or cell type, in the order of its rows. */
export type Winners = Readonly<Record<CellKey, readonly string[]>>;

/** Throws ArgumentError for winners of another number of cells, or of cells that share alpha where those of the space do not or the reverse. */
function checkCells({ edges }: ResolvedSpace, winners: Winners): void {
  const [found, wanted] = [winners ?? {}, edges].map((cells) => Object.keys(cells));
  if (found.join() === wanted.join()) return;
  const told = (keys: readonly CellKey[]) =>
    keys.includes('normal') ? 'cells that share alpha by type' : `${keys.length} cells with alpha of their own`;
  throw new ArgumentError(
    `the first stage was one of ${told(found)}, but the second is of ${told(wanted)}: alphaShare has to be the same and, where it is off, the number of cells`,
  );
}

/** Throws ArgumentError for a space with a candidate that is in no group. */
export function checkGrouped({ edges }: ResolvedSpace): void {
  const names = Object.values(edges)
    .flat()
    .flatMap(({ candidates }) => candidates.map(({ name }) => name));
  const lone = names.find((name) => name !== noneName && groupOf(name) === undefined);
  if (lone === undefined) return;
  throw invalid('a candidate of the space', `one of ${[...new Set(groups.flat())].join(', ')}, ${noneName}`, lone);
}

/**
 * The space of the second stage: on every edge the members of the group that won there, and none. Throws ArgumentError for winners that are
 * not those of the first stage's space.
 */
export function memberSpace(space: ResolvedSpace, winners: Winners, skipTwice: boolean): SearchSpace {
  const { name, nodes, sharedAlpha, edges } = space;
  checkCells(space, winners);
  for (const [key, { length }] of Object.entries(edges)) {
    const own: unknown = winners[key];
    const fits = Array.isArray(own) && own.length === length;
    const stranger = fits ? own.find((winner) => groupOf(winner) === undefined) : own;
    if (fits && stranger === undefined) continue;
    throw invalid(`the winners of the ${cellName(key)}`, `${length} operations of its groups`, stranger);
  }
  const candidates = ({ cell, index, node, input }: EdgePlace) => {
    const own = winners[index === undefined ? cell : cellKey(index)];
    const members = groupOf(own[rowOf(node, input)]) ?? [];
    return [...(skipTwice ? members : new Set(members)), noneName];
  };
  return { name: `${name}, members`, nodes, sharedAlpha, candidates };
}

function groupOf(name: string): readonly string[] | undefined {
  return groups.find((members) => members.includes(name));
}

/** Edges lie by node, then by input; node n has n + 2. */
function rowOf(node: number, input: number): number {
  return (node * (node + 3)) / 2 + input;
}
