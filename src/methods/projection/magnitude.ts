// The same decisions by alpha alone (PT-Mag of arXiv:2108.04392): what a selection by perturbation is compared with.
import type { RowsByTable } from '../../select/alpha.ts';
import type { Selectable } from '../../select/candidates.ts';
import { type Decision, keptInputs } from './plan.ts';
import { type Standing, type Turn, withInputs, withOperation } from './standing.ts';

/** Decides every cell's part: the candidate of the largest mixing weight, the inputs whose candidates have the largest; of equals the first. */
export function byMagnitude(
  selectable: Selectable,
  standing: Standing,
  { kind, of }: Decision,
  mixing: RowsByTable,
): Standing {
  return of.reduce((before, [cell, place]) => {
    const turn: Turn = { kind, cell, place, isFirst: true, isLast: true };
    const own = withoutScores(before);
    const weights = mixing[selectable.tables[cell].name];
    if (kind === 'operation') return withOperation(selectable, own, turn, largest(weights[place]));
    return withInputs(selectable, own, turn, strongest(selectable, turn, weights));
  }, standing);
}

/** What a round scored belongs to the decision before; this one scores nothing. */
function withoutScores(standing: Standing): Standing {
  return { ...standing, scores: [], rounds: [], remaining: [] };
}

/** The rows of the node's inputs that stay, in the order of rows. */
function strongest(selectable: Selectable, { cell, place }: Turn, weights: readonly (readonly number[])[]): number[] {
  const weight = (row: number) => Math.max(...weights[row]);
  const rows = selectable.tables[cell].edges.flatMap((edge, row) => (edge.node === place ? [row] : []));
  const kept = rows.toSorted((a, b) => weight(b) - weight(a)).slice(0, keptInputs);
  return kept.toSorted((a, b) => a - b);
}

function largest(weights: readonly number[]): number {
  return weights.indexOf(Math.max(...weights));
}
