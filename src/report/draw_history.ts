// Pictures of how mixing weights moved in a search.
import { aNumber, check, checkOptional, checkOptions, isRecord, listOf, oneOf } from '../checks.ts';
import { invalid } from '../errors.ts';
import { type CellKey, cellName } from '../genotype/genotype.ts';
import { skipName } from '../operation/operations.ts';
import { type HistoryEntry, isHistory, type MixingHistory } from '../select/history.ts';
import { type SelectionOptions, type SelectionRule, selectionRules, usualSelection } from '../select/rules.ts';
import { type OperationCounts, operationCounts, operationsOf } from '../select/statistics.ts';
import { momentOf } from '../words.ts';
import { areaPanel, legendPanel } from './history_area.ts';
import { gridPanel } from './history_grid.ts';
import { heatmapPanel } from './history_heatmap.ts';
import { binCounts, histogramPanel, someOf } from './history_histogram.ts';
import { ledShare, sharePanel, skipShare } from './history_skips.ts';
import { type Panel, type PanelRow, panelsPicture } from './panels.ts';
import { rasterise } from './rasterise.ts';
import { runLegendPanel } from './run_lines.ts';

/** What a history can be drawn as. */
export const historyKinds = ['grid', 'area', 'heatmap', 'histogram', 'skips'] as const;

/** One of {@link historyKinds}. */
export type HistoryKind = (typeof historyKinds)[number];

/** A history under the name that a picture has for it, such as its run directory. */
export interface NamedHistory {
  readonly name: string;
  readonly history: MixingHistory;
}

/** Options of {@link drawHistory}. */
export interface DrawHistoryOptions {
  /**
   * `grid`, when absent: a small plot a weight, as the published code draws them. `area`: edges that each operation leads, stacked.
   * `heatmap`: the last weights. `histogram`: how weights spread. `skips`: the share of skip connections, of several histories too.
   */
  readonly kind?: HistoryKind;
  readonly format?: 'svg' | 'png';
  /** `normal`, `reduce` or, of a search whose cells do not share alpha, one such as `cells.3`; all when absent. */
  readonly cell?: CellKey;
  /** Rule of the genotypes whose skip connections are counted; when absent the search's own, where it tells. */
  readonly by?: SelectionRule;
  /** When absent the search's own, where it tells; else 0.85. */
  readonly threshold?: number;
}

/** What is drawn. */
interface Drawing {
  readonly cells: readonly CellKey[];
  readonly threshold: number;
}

const optionNames = ['kind', 'format', 'cell', 'by', 'threshold'];

/**
 * Draws histories of mixing weights, of which only `skips` takes several. PNG has 2 pixels a point, very large pictures fewer. Throws
 * ArgumentError, and BackendError where the PNG renderer has no build for this platform.
 */
export async function drawHistory(
  histories: readonly NamedHistory[],
  options: DrawHistoryOptions = {},
): Promise<Uint8Array | string> {
  check('histories', histories, listOf(aNamedHistory, 'a list of { name, history }, each with an entry at least'));
  if (histories.length === 0) throw invalid('histories', 'at least one', histories);
  checkOptions('options', options, optionNames);
  const { kind = 'grid', format = 'svg', cell, by, threshold } = options;
  check('kind', kind, oneOf(historyKinds));
  check('format', format, oneOf(['svg', 'png']));
  checkOptional('by', by, oneOf(selectionRules));
  checkOptional('threshold', threshold, aNumber(0, 1));
  if (kind !== 'skips' && histories.length > 1) {
    throw invalid(`histories of kind ${kind}`, 'one (skips compares several)', histories.length);
  }
  const [first] = histories;
  const keys = Object.keys(first.history.layout.tables);
  checkOptional('cell', cell, oneOf(keys));
  const cells = cell === undefined ? keys : [cell];
  const svg =
    kind === 'skips'
      ? skips(histories, cells, { by, threshold })
      : drawings[kind](first, { cells, threshold: usualSelection(first.history, { threshold }).threshold });
  return format === 'svg' ? svg : rasterise(svg);
}

const aNamedHistory = {
  words: 'a history and its name',
  holds: (value: unknown) => isRecord(value) && typeof value['name'] === 'string' && isHistory(value['history']),
};

const drawings: Readonly<Record<Exclude<HistoryKind, 'skips'>, (named: NamedHistory, drawing: Drawing) => string>> = {
  grid: ({ name, history }, { cells }) => {
    const rows = cells.map((cell) => ({ heading: cellName(cell), panels: [gridPanel(history, cell)] }));
    return panelsPicture('Mixing weights by epoch', name, rows);
  },
  area: ({ name, history }, { cells, threshold }) => {
    const rows = cells.map((cell): PanelRow => {
      const operations = operationsOf(history, cell);
      const counts = operationCounts(history, cell, { by: 'darts', threshold });
      const panels = [
        areaPanel(counts, operations, {
          title: 'edges by the operation of their largest weight',
          yLabel: 'edges',
          tableOf: ({ largest }) => largest,
        }),
        // Of a search that does without a threshold all reach it.
        ...(threshold > 0 ? [thresholdPanel(counts, operations, threshold)] : []),
        legendPanel(operations),
      ];
      return { heading: cellName(cell), panels };
    });
    return panelsPicture('Operations that lead edges, by epoch', name, rows);
  },
  heatmap: ({ name, history }, { cells, threshold }) => {
    const entry = history.entries.at(-1)!;
    const most = largestOf(history);
    const panels = cells.map((cell) => ({
      heading: cellName(cell),
      panels: [heatmapPanel(history, entry, cell, threshold || Number.POSITIVE_INFINITY, most)],
    }));
    const subtitle = threshold > 0 ? `${name}; framed: at least ${threshold}` : name;
    return panelsPicture(`Mixing weights ${titleOf(entry, history)}`, subtitle, panels);
  },
  histogram: ({ name, history }, { cells, threshold }) => {
    const moments = someOf(history.entries);
    const most = largestOf(history);
    const marked = threshold > 0 && threshold <= most ? threshold : undefined;
    const rows = cells.map((cell) => {
      const spread = moments.map(({ mixing }) => mixing[history.layout.tables[cell].name].flat());
      const highest = Math.max(...spread.flatMap((weights) => binCounts(weights, most)));
      const panels = spread.map((weights, i) =>
        histogramPanel(weights, { title: titleOf(moments[i], history), threshold: marked, most, highest }),
      );
      return { heading: cellName(cell), panels };
    });
    const subtitle = marked !== undefined ? `${name}; dashed: the threshold ${threshold}` : name;
    return panelsPicture('How mixing weights spread', subtitle, rows);
  },
};

function thresholdPanel(counts: readonly OperationCounts[], operations: readonly string[], threshold: number): Panel {
  return areaPanel(counts, operations, {
    title: `operations whose weight on an edge is at least ${threshold}`,
    yLabel: 'operations on edges',
    tableOf: ({ atThreshold }) => atThreshold,
  });
}

function skips(
  histories: readonly NamedHistory[],
  cells: readonly CellKey[],
  given: Partial<SelectionOptions>,
): string {
  const rows = cells.map((cell) => {
    const runs = histories.map(({ name, history }) => {
      const selection = usualSelection(history, given);
      const rule = selection.by === 'darts' ? 'darts' : `${selection.by}, ${selection.threshold}`;
      return { name: `${name} (${rule})`, counts: operationCounts(history, cell, selection) };
    });
    const panels = [
      sharePanel(runs, "of the genotype's entries", skipShare),
      sharePanel(runs, 'of the edges, by their largest weight', ledShare),
      runLegendPanel(runs),
    ];
    return { heading: cellName(cell), panels };
  });
  return panelsPicture('Share of skip connections, by epoch', skipName, rows);
}

/** The end of a scale: 1 for weights without rivals; the largest weight of a softmax, whose weights are small, rounded up. */
function largestOf({ activation, entries }: MixingHistory): number {
  if (activation === 'sigmoid') return 1;
  const weights = entries.flatMap(({ mixing }) => Object.values(mixing).flat(2));
  return Math.ceil(weights.reduce((a, b) => Math.max(a, b), 0) * 20) / 20;
}

/** One table of no known epoch may stand for the end of a search. */
function titleOf({ epoch }: HistoryEntry, { entries }: MixingHistory): string {
  return entries.length === 1 && epoch === 0 ? 'as they stand' : momentOf(epoch);
}
