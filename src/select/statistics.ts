// What operations a search favours as it goes on: the figures by which the collapse to skip connections shows.
import { check, oneOf } from '../checks.ts';
import { type CellKey, cellsOf } from '../genotype/genotype.ts';
import { skipName } from '../operation/operations.ts';
import { checkHistory, type HistoryEntry, type MixingHistory } from './history.ts';
import { selectableOf } from './layout.ts';
import { checkSelection, type SelectionOptions, selectGenotype } from './rules.ts';

/** A cell, or cell type, at one moment of a search. */
export interface OperationCounts {
  /** Epochs behind it. */
  readonly epoch: number;
  /** Of the cell. */
  readonly edges: number;
  /** Edges by the operation of their largest weight, of equals the first; `none` counts. They add up to `edges`. */
  readonly largest: Readonly<Record<string, number>>;
  /** Edges by operation whose weight there reaches the threshold; they need not add up. */
  readonly atThreshold: Readonly<Record<string, number>>;
  /** Of the genotype. */
  readonly entries: number;
  readonly skips: number;
}

/** The names of a cell's candidates, in their order. */
export function operationsOf({ layout }: Pick<MixingHistory, 'layout'>, cell: CellKey): string[] {
  return [...new Set(layout.tables[cell].rows.flatMap(({ candidates }) => candidates))];
}

/** Counts by operation at every entry of a history, with the genotype by a rule. Throws ArgumentError for options that are none. */
export function operationCounts(history: MixingHistory, cell: CellKey, options: SelectionOptions): OperationCounts[] {
  checkHistory(history);
  check('cell', cell, oneOf(Object.keys(history.layout.tables)));
  checkSelection(options);
  const names = operationsOf(history, cell);
  const { name, rows } = history.layout.tables[cell];
  const supernet = selectableOf(history.layout);
  const at = ({ epoch, mixing, alpha }: HistoryEntry): OperationCounts => {
    const largest = Object.fromEntries(names.map((operation) => [operation, 0]));
    const atThreshold = { ...largest };
    for (const [index, { candidates }] of rows.entries()) {
      const weights = mixing[name][index].map(Math.fround);
      largest[candidates[weights.indexOf(Math.max(...weights))]]++;
      candidates.forEach((operation, column) => {
        if (weights[column] >= options.threshold) atThreshold[operation]++;
      });
    }
    const cells = Object.fromEntries(cellsOf(selectGenotype(supernet, mixing, options, alpha)));
    const genotype = cells[cell].nodes.flat();
    const skips = genotype.filter(({ operation }) => operation === skipName).length;
    return { epoch, edges: rows.length, largest, atThreshold, entries: genotype.length, skips };
  };
  return history.entries.map(at);
}
