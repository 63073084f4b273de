// A run's view for the way to a page: numbers as exact as a picture shows them, a third of the letters.
import type { RunView, Series, StageView } from '../report/run_view.ts';
import type { RowsByTable } from '../select/alpha.ts';
import type { HistoryEntry } from '../select/history.ts';

/** Made once: an entry never changes, and what it becomes stays the same object. */
const compacted = new WeakMap<HistoryEntry, HistoryEntry>();

/** A view with rounded values. */
export function compactView(view: RunView): RunView {
  return { ...view, series: view.series.map(compactSeries), stages: view.stages.map(compactStage) };
}

function compactSeries({ y, ...series }: Series): Series {
  return { ...series, y: y.map((value) => rounded(value, 6)) };
}

function compactStage({ history, ...stage }: StageView): StageView {
  return history === undefined
    ? stage
    : { ...stage, history: { ...history, entries: history.entries.map(compactEntry) } };
}

function compactEntry(entry: HistoryEntry): HistoryEntry {
  const known = compacted.get(entry);
  if (known !== undefined) return known;
  const { epoch, mixing, alpha } = entry;
  const made = { epoch, mixing: compactRows(mixing), ...(alpha !== undefined && { alpha: compactRows(alpha) }) };
  compacted.set(entry, made);
  return made;
}

function compactRows(tables: RowsByTable): RowsByTable {
  const rows = Object.entries(tables).map(([name, table]) => [
    name,
    table.map((row) => row.map((weight) => rounded(weight, 4))),
  ]);
  return Object.fromEntries(rows);
}

function rounded(value: number, digits: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(digits));
}
