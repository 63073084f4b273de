import { check, isRecord } from '../checks.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { mixingActivations } from '../space/space.ts';
import type { RowsByTable } from './alpha.ts';
import { type AlphaLayout, isLayout, isTable } from './layout.ts';
import { isSelection, type SelectionOptions } from './rules.ts';

/** Mixing weights at one moment of a search. */
export interface HistoryEntry {
  /** Epochs that the search has behind it: 0 before its first step. */
  readonly epoch: number;
  /** By name of the table, one row an edge. */
  readonly mixing: RowsByTable;
  /** What they follow from, where it is known. */
  readonly alpha?: RowsByTable;
}

/** What it takes to read the mixing weights of a search. */
export interface HistoryFrame {
  readonly layout: AlphaLayout;
  readonly activation: MixingActivation;
  /** How the search selects its genotypes, where it tells. */
  readonly selection?: SelectionOptions;
}

/** How mixing weights moved in a search. */
export interface MixingHistory extends HistoryFrame {
  /** In the order of epochs. */
  readonly entries: readonly HistoryEntry[];
}

/** Whether a value is a history with an entry at least, each of which fits its layout. */
export function isHistory(value: unknown): value is MixingHistory {
  if (!isRecord(value) || !isLayout(value['layout']) || !Array.isArray(value['entries'])) return false;
  const { layout, activation, selection, entries } = value as unknown as MixingHistory;
  const isWhole = (rows: unknown) =>
    isRecord(rows) && Object.values(layout.tables).every((table) => isTable(rows[table.name], table.rows));
  const fits = ({ epoch, mixing, alpha }: HistoryEntry) =>
    Number.isSafeInteger(epoch) && isWhole(mixing) && (alpha === undefined || isWhole(alpha));
  return (
    entries.length > 0 &&
    (selection === undefined || isSelection(selection)) &&
    mixingActivations.includes(activation) &&
    entries.every((entry) => isRecord(entry) && fits(entry))
  );
}

/** Throws ArgumentError for a value that is no history. */
export function checkHistory(history: unknown): void {
  check('history', history, { words: 'a history with layout, activation and an entry at least', holds: isHistory });
}

/** How far from 1 the float32 weights of a row may sum by softmax. */
const roundOff = 1e-3;

/** What gave mixing weights that a file holds without saying so: by softmax the weights of every row sum to 1. */
export function activationOf(layout: AlphaLayout, entries: readonly HistoryEntry[]): MixingActivation {
  const sumsToOne = (row: readonly number[]) => Math.abs(row.reduce((sum, weight) => sum + weight, 0) - 1) < roundOff;
  const isSoftmax = ({ mixing }: HistoryEntry) =>
    Object.values(layout.tables).every(({ name }) => mixing[name].every(sumsToOne));
  return entries.every(isSoftmax) ? 'softmax' : 'sigmoid';
}
