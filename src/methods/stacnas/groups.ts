// The groups of StacNAS (Li et al., arXiv:1909.11926, section 4): operations whose features correlate, of which the first stage has one each.
import { ArgumentError, invalid } from '../../errors.ts';
import { type CellKey, cellKey, cellName, inputsOf } from '../../genotype/genotype.ts';
import { noneName, skipName } from '../../operation/operations.ts';
import { skeletons } from '../../skeleton/skeletons.ts';
import { type EdgePlace, type ResolvedSpace, rowOf, type SearchSpace } from '../../space/space.ts';
import { invalidWord } from '../../suggest.ts';

/** Operations that compete in the second stage, in the order of its candidates. */
export type Groups = readonly (readonly string[])[];

/** A skip connection competes with itself. */
const published: Groups = [
  ['avg_pool_3x3', 'max_pool_3x3'],
  [skipName, skipName],
  ['sep_conv_3x3', 'sep_conv_5x5'],
  ['dil_conv_3x3', 'dil_conv_5x5'],
];

/**
 * The groups of a text: operations with spaces between them, groups with commas; the published ones of an empty text. Throws ArgumentError
 * for an operation that there is not, or that is in two groups.
 */
export function parseGroups(text: string): Groups {
  if (text.trim() === '') return published;
  const groups = text.split(',').map((group) => group.split(/\s+/).filter((name) => name !== ''));
  const tables = Object.values(skeletons).flatMap(({ operations }) => Object.keys(operations));
  const known = [...new Set(tables)].filter((name) => name !== noneName);
  const seen = new Set<string>();
  for (const [index, group] of groups.entries()) {
    const where = `a candidate of group ${index + 1} of groups`;
    if (group.length === 0) throw invalid(`group ${index + 1} of groups`, 'at least one operation', '');
    const stranger = group.find((name) => !known.includes(name));
    if (stranger !== undefined) throw invalidWord(where, known, stranger);
    const twice = group.find((name) => seen.has(name));
    if (twice !== undefined) throw invalid(where, 'an operation of no other group', twice);
    for (const name of group) seen.add(name);
  }
  return groups;
}

/** A space that the published first stage may have, over groups of one's own: the first of each, or of all of them if that had all. */
export function spaceOver(groups: Groups, space: SearchSpace): SearchSpace {
  if (groups === published || typeof space.candidates === 'function') return space;
  const heads = space.candidates.length > published.length + 1 ? groups.flat() : groups.map(([first]) => first);
  return { ...space, candidates: [...new Set(heads), noneName] };
}

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
export function checkGrouped({ edges }: ResolvedSpace, groups: Groups): void {
  const names = Object.values(edges)
    .flat()
    .flatMap(({ candidates }) => candidates.map(({ name }) => name));
  const lone = names.find((name) => name !== noneName && groupOf(name, groups) === undefined);
  if (lone === undefined) return;
  throw invalid('a candidate of the space', `one of ${[...new Set(groups.flat())].join(', ')}, ${noneName}`, lone);
}

/**
 * The space of the second stage: on every edge the members of the group that won there, and none. Throws ArgumentError for winners that are
 * not those of the first stage's space.
 */
export function memberSpace(
  space: ResolvedSpace,
  winners: Winners,
  skipTwice: boolean,
  groups: Groups = published,
): SearchSpace {
  const { name, skeleton, nodes, sharedAlpha, edges } = space;
  checkCells(space, winners);
  for (const [key, { length }] of Object.entries(edges)) {
    const own: unknown = winners[key];
    const fits = Array.isArray(own) && own.length === length;
    const stranger = fits ? own.find((winner) => groupOf(winner, groups) === undefined) : own;
    if (fits && stranger === undefined) continue;
    throw invalid(`the winners of the ${cellName(key)}`, `${length} operations of its groups`, stranger);
  }
  const candidates = ({ cell, index, node, input }: EdgePlace) => {
    const own = winners[index === undefined ? cell : cellKey(index)];
    const members = groupOf(own[rowOf(node, input, inputsOf(cell))], groups) ?? [];
    return [...(skipTwice ? members : new Set(members)), noneName];
  };
  return { name: `${name}, members`, skeleton, nodes, sharedAlpha, candidates };
}

/** Operations that the second stage may find where the first one found another. */
export function membersOf(name: string, groups: Groups): readonly string[] {
  return [...new Set(groupOf(name, groups) ?? [name])];
}

function groupOf(name: string, groups: Groups): readonly string[] | undefined {
  return groups.find((members) => members.includes(name));
}
