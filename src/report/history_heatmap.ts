// The mixing weights of one moment as colours: a row an edge, a column a candidate.
import type { CellKey } from '../genotype/genotype.ts';
import type { HistoryEntry, MixingHistory } from '../select/history.ts';
import { operationsOf } from '../select/statistics.ts';
import { heatTablePanel } from './heat_table.ts';
import type { Panel } from './panels.ts';

/** Weights of a cell type; those that reach the threshold have a frame. The scale goes from 0 to `most`. */
export function heatmapPanel(
  history: MixingHistory,
  entry: HistoryEntry,
  cell: CellKey,
  threshold: number,
  most: number,
): Panel {
  const { name, rows } = history.layout.tables[cell];
  const tilesOf = (candidates: readonly string[], weights: readonly number[]) =>
    candidates.map((column, i) => {
      return { column, value: weights[i], framed: Math.fround(weights[i]) >= threshold };
    });
  return heatTablePanel({
    columns: operationsOf(history, cell),
    rows: rows.map(({ node, input, candidates }, index) => ({
      label: `(${node}, ${input})`,
      tiles: tilesOf(candidates, entry.mixing[name][index]),
    })),
    range: [0, most],
    format: weightText,
  });
}

/** A mixing weight on its tile: .125. */
export function weightText(weight: number): string {
  return weight.toFixed(3).replace(/^0/, '');
}
