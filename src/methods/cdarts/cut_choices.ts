// What NNI's RegularizedDartsMutator offers beside the search of CDARTS (arXiv:2006.10724): cutting choices, and alpha's loss by itself.
import { anInteger, check, checkRecord, listOf, type Rule } from '../../checks.ts';
import type { Supernet } from '../../network/supernet.ts';
import type { RowsByTable } from '../../select/alpha.ts';
import { type RegularChoice, regularisedEntries } from './regularised.ts';

/** A number, or -Infinity where it was cut. */
const aLogit: Rule = {
  words: 'a logit',
  holds: (value) => typeof value === 'number' && value < Number.POSITIVE_INFINITY,
};

/**
 * Alpha with the `count` smallest logits of every row at -Infinity, whose mixing weight is 0; of equals the first. It counts from the beginning:
 * those that were cut before are among them. Throws ArgumentError for a count that leaves a row without a choice.
 */
export function cutChoices(alpha: RowsByTable, count: number): RowsByTable {
  checkAlpha(alpha);
  const shortest = Math.min(...Object.values(alpha).flatMap((rows) => rows.map(({ length }) => length)));
  check('count', count, anInteger(0, shortest - 1));
  const cut = (row: readonly number[]) => {
    const smallest = row.map((_, index) => index).toSorted((a, b) => compare(row[a], row[b]));
    const gone = new Set(smallest.slice(0, count));
    return row.map((logit, index) => (gone.has(index) ? Number.NEGATIVE_INFINITY : logit));
  };
  return Object.fromEntries(Object.entries(alpha).map(([table, rows]) => [table, rows.map(cut)]));
}

const rows = listOf(listOf(aLogit, 'a list of logits'), 'a list of rows of logits');

function checkAlpha(alpha: RowsByTable): void {
  checkRecord('alpha', alpha, 'rows by table');
  for (const [table, given] of Object.entries(alpha)) check(`alpha.${table}`, given, rows);
}

/** Two infinities are equal, as their difference is not. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** NNI's `reset_with_loss`: the sum of the sizes of alpha that are regularised, without λ; what is cut does not count. */
export function regularLoss(
  supernet: Pick<Supernet, 'space' | 'tables'>,
  alpha: RowsByTable,
  choice?: RegularChoice,
): number {
  checkRecord('supernet', supernet, 'space and tables');
  checkAlpha(alpha);
  const entries = regularisedEntries(supernet, choice, alpha);
  // Alpha may hold how much edges count, too.
  return Object.entries(entries).reduce((total, [table, flags]) => {
    const counted = alpha[table].flat().map((logit, index) => (flags[index] === 1 ? Math.abs(logit) : 0));
    return total + counted.reduce((sum, size) => sum + size, 0);
  }, 0);
}
