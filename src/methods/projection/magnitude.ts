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
    const { name, edges } = selectable.tables[cell];
    const own = { ...before, scores: [], rounds: [], remaining: [] };
    if (kind === 'operation') return withOperation(selectable, own, turn, largest(mixing[name][place]));
    const weight = (row: number) => Math.max(...mixing[name][row]);
    const rows = edges.flatMap((edge, row) => (edge.node === place ? [row] : []));
    const kept = rows.toSorted((a, b) => weight(b) - weight(a)).slice(0, keptInputs);
    return withInputs(
      selectable,
      own,
      turn,
      kept.toSorted((a, b) => a - b),
    );
  }, standing);
}

function largest(weights: readonly number[]): number {
  return weights.indexOf(Math.max(...weights));
}
