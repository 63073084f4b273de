// The mixing weights of one moment as colours: a row an edge, a column a candidate.
import type { CellKey } from '../genotype/genotype.ts';
import type { HistoryEntry, MixingHistory } from '../select/history.ts';
import { operationsOf } from '../select/statistics.ts';
import { ticksOf } from './axes.ts';
import { heatColour } from './colours.ts';
import type { Panel } from './panels.ts';
import { type Box, inks, shape, textAt } from './svg.ts';

const tile = { width: 46, height: 21 };
const edge = { left: 50, top: 70, bar: 74 };

/** Weights of a cell type; those that reach the threshold have a frame. The scale goes from 0 to `most`. */
export function heatmapPanel(
  history: MixingHistory,
  entry: HistoryEntry,
  cell: CellKey,
  threshold: number,
  most: number,
): Panel {
  const { name, rows } = history.layout.tables[cell];
  const operations = operationsOf(history, cell);
  const height = edge.top + rows.length * tile.height;
  const width = edge.left + operations.length * tile.width + edge.bar;
  const draw = ({ x, y }: Box) => [
    ...operations.map((operation, column) => {
      const place = [x + edge.left + (column + 0.5) * tile.width, y + edge.top - 7] as const;
      return textAt(...place, operation, { size: 10, turned: -45 });
    }),
    ...rows.flatMap((row, index) => {
      const top = y + edge.top + index * tile.height;
      const label = textAt(x + edge.left - 8, top + 14, `(${row.node}, ${row.input})`, { size: 10, anchor: 'end' });
      const tiles = row.candidates.flatMap((operation, column) => {
        const left = x + edge.left + operations.indexOf(operation) * tile.width;
        return weightTile(left, top, entry.mixing[name][index][column], threshold, most);
      });
      return [label, ...tiles];
    }),
    ...colourBar({ x: x + width - edge.bar + 22, y: y + edge.top, width: 12, height: height - edge.top }, most),
    textAt(x + edge.left - 8, y + edge.top - 7, 'edge', { size: 10, anchor: 'end', fill: inks.faint }),
  ];
  return { width, height, draw };
}

function weightTile(x: number, y: number, weight: number, threshold: number, most: number): string[] {
  const { fill, text } = heatColour(weight / most);
  const isReached = Math.fround(weight) >= threshold;
  const frame = isReached ? { stroke: '#d55e00', 'stroke-width': 2 } : {};
  const inset = isReached ? 1.5 : 0.5;
  const box = { x: x + inset, y: y + inset, width: tile.width - 2 * inset, height: tile.height - 2 * inset };
  return [
    shape('rect', { ...box, fill, ...frame }),
    textAt(x + tile.width / 2, y + 14, weight.toFixed(3).replace(/^0/, ''), {
      size: 9.5,
      anchor: 'middle',
      fill: text,
    }),
  ];
}

function colourBar({ x, y, width, height }: Box, most: number): string[] {
  const steps = 40;
  const bars = Array.from({ length: steps }, (_, i) => {
    const { fill } = heatColour((i + 0.5) / steps);
    return shape('rect', { x, y: y + (height * (steps - 1 - i)) / steps, width, height: height / steps + 0.5, fill });
  });
  const ticks = ticksOf([0, most], 5).map((value) =>
    textAt(x + width + 5, y + height * (1 - value / most) + 4, String(value), { size: 10, fill: inks.faint }),
  );
  return [...bars, ...ticks];
}
