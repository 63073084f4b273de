// The first stage of StacNAS' code (arXiv:1909.11926) as a second stage of ours begins with it.
import { FileError } from '../../errors.ts';
import { readPublishedAlphas } from '../../exchange/stacnas_pickles.ts';
import { cellKey, cellTypes } from '../../genotype/genotype.ts';
import { winners } from '../../select/strongest_by_alpha.ts';
import { resolveSpace, type SearchSpace, spaces } from '../../space/space.ts';
import type { JsonValue, RunOutcomes } from '../method.ts';

/**
 * What alphas.pk or alphas_best.pk of that code's search1 found: the winners of every edge. Which of `known` spaces it searched is told by
 * the length of its vectors. Throws FileError.
 */
export async function readPublishedWinners(path: string, known: readonly string[]): Promise<RunOutcomes> {
  const cells = await readPublishedAlphas(path);
  const space = known.map((name) => spaces[name]).find(({ candidates }) => candidates.length === cells[0][0][0].length);
  const isRagged = cells.some((nodes) => nodes.some((edges, node) => edges.length !== node + 2));
  const fits = cells.flat(2).every(({ length }) => length === space?.candidates.length);
  if (space === undefined || isRagged || !fits || cells.some(({ length }) => length !== cells[0].length)) {
    throw new FileError(
      `${path} holds alpha of no space of the first stage: expected node + 2 edges a node, each of as many candidates as one of ${known.join(', ')}`,
    );
  }
  const rows = cells.map((nodes) => nodes.flat());
  // Two are those of the types, as published.
  const keyOf = cells.length === cellTypes.length ? (index: number) => cellTypes[index] : cellKey;
  const alpha = Object.fromEntries(rows.map((table, index) => [keyOf(index), table]));
  const found = winners(selectable({ ...space, nodes: cells[0].length }, Object.keys(alpha)), alpha);
  return { directory: path, space: space.name, stages: { search1: found as JsonValue } };
}

/** Tables by key, named by it. */
function selectable(space: SearchSpace, keys: readonly string[]) {
  const { nodes, edges } = resolveSpace(space);
  const rows = edges['normal'];
  const rowLengths = rows.map(({ candidates }) => candidates.length);
  return {
    space: { nodes },
    tables: Object.fromEntries(keys.map((name) => [name, { name, rowLengths, edges: rows }])),
  };
}
