// The published plots of mixing weights (arXiv:1911.12126): a row an edge, a column a candidate, red plus marks over epochs.
import type { CellKey } from '../genotype/genotype.ts';
import type { MixingHistory } from '../select/history.ts';
import { edgeKey } from '../select/layout.ts';
import { axes, type Range, scalesOf, ticksOf } from './axes.ts';
import type { Panel } from './panels.ts';
import { type Box, round, shape, textAt, within } from './svg.ts';

const plot = { width: 168, height: 104 };
const inner = { left: 38, top: 16, right: 6, bottom: 18 };
const mark = 2.6;

/** The grid of one cell type; every plot has a scale of its own. */
export function gridPanel(history: MixingHistory, cell: CellKey): Panel {
  const { name, rows } = history.layout.tables[cell];
  const columns = Math.max(...rows.map(({ candidates }) => candidates.length));
  const epochs = history.entries.map(({ epoch }) => epoch);
  const draw = ({ x, y }: Box) =>
    rows.flatMap((row, index) =>
      row.candidates.flatMap((operation, column) => {
        const values = history.entries.map(({ mixing }) => mixing[name][index][column]);
        const place = { x: x + column * plot.width, y: y + index * plot.height, ...plot };
        return smallPlot(place, edgeKey(row, operation), epochs, values);
      }),
    );
  return { width: columns * plot.width, height: rows.length * plot.height, draw };
}

function smallPlot(place: Box, title: string, epochs: readonly number[], values: readonly number[]): string[] {
  const box = within(place, inner);
  const x = padded([epochs[0], epochs.at(-1)!], 1);
  const y = padded([Math.min(...values), Math.max(...values)], 0.002);
  const scales = scalesOf(box, x, y);
  const yTicks = ticksOf(y, 3);
  const digits = Math.max(0, ...yTicks.map((value) => (String(value).split('.')[1] ?? '').length));
  const size = Math.min(7.5, (7.5 * (place.width - 8)) / (title.length * 4));
  const marks = values.map((value, i) => {
    const [atX, atY] = [scales.x(epochs[i]), scales.y(value)];
    return `M${round(atX - mark)} ${round(atY)}h${2 * mark}M${round(atX)} ${round(atY - mark)}v${2 * mark}`;
  });
  return [
    textAt(place.x + place.width / 2, place.y + 11, title, { size, anchor: 'middle' }),
    ...axes(box, {
      x,
      y,
      xTicks: ticksOf(x, 5, 1),
      yTicks,
      size: 6.5,
      format: (value) => value.toFixed(Math.min(6, digits)),
    }),
    shape('path', { d: marks.join(''), stroke: '#e00000', 'stroke-width': 0.9, fill: 'none' }),
  ];
}

/** A range with room on both sides, so that marks at its ends are whole; at least `least` wide. */
function padded([low, high]: Range, least: number): Range {
  const width = Math.max(high - low, least);
  const middle = (low + high) / 2;
  return [middle - width * 0.56, middle + width * 0.56];
}
