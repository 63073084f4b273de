// Numbers as colours: a row an edge, a column a candidate.
import { ticksOf } from './axes.ts';
import { heatColour } from './colours.ts';
import type { Panel } from './panels.ts';
import { type Box, inks, shape, textAt } from './svg.ts';

/** A number at its place. */
export interface HeatTile {
  readonly column: string;
  readonly value: number;
  /** Whether it stands out. */
  readonly framed: boolean;
}

/** What is drawn. */
export interface HeatTable {
  readonly columns: readonly string[];
  readonly rows: readonly { readonly label: string; readonly tiles: readonly HeatTile[] }[];
  /** Above the names of the columns. */
  readonly title?: string;
  /** Ends of the scale. */
  readonly range: readonly [low: number, high: number];
  /** How a number is written on its tile. */
  readonly format: (value: number) => string;
}

const tile = { width: 46, height: 21 };
const edge = { left: 50, top: 70, bar: 74 };
const titleHeight = 16;

/** Tiles under the names of their columns, and beside them the scale of their colours. */
export function heatTablePanel({ columns, rows, title, range, format }: HeatTable): Panel {
  const top = edge.top + (title === undefined ? 0 : titleHeight);
  const height = top + rows.length * tile.height;
  const width = edge.left + columns.length * tile.width + edge.bar;
  const draw = ({ x, y }: Box) => [
    ...(title === undefined ? [] : [textAt(x + edge.left - 40, y + 12, title, { size: 11 })]),
    ...columns.map((name, column) => {
      const place = [x + edge.left + (column + 0.5) * tile.width, y + top - 7] as const;
      return textAt(...place, name, { size: 10, turned: -45 });
    }),
    ...rows.flatMap(({ label, tiles }, index) => {
      const above = y + top + index * tile.height;
      return [
        textAt(x + edge.left - 8, above + 14, label, { size: 10, anchor: 'end' }),
        ...tiles.flatMap((one) => {
          const left = x + edge.left + columns.indexOf(one.column) * tile.width;
          return tileAt(left, above, one, range, format(one.value));
        }),
      ];
    }),
    ...colourBar({ x: x + width - edge.bar + 22, y: y + top, width: 12, height: height - top }, range),
    textAt(x + edge.left - 8, y + top - 7, 'edge', { size: 10, anchor: 'end', fill: inks.faint }),
  ];
  return { width, height, draw };
}

function tileAt(x: number, y: number, { value, framed }: HeatTile, range: HeatTable['range'], written: string) {
  const { fill, text } = heatColour(shareOf(value, range));
  const frame = framed ? { stroke: '#d55e00', 'stroke-width': 2 } : {};
  const inset = framed ? 1.5 : 0.5;
  const box = { x: x + inset, y: y + inset, width: tile.width - 2 * inset, height: tile.height - 2 * inset };
  return [
    shape('rect', { ...box, fill, ...frame }),
    textAt(x + tile.width / 2, y + 14, written, { size: 9.5, anchor: 'middle', fill: text }),
  ];
}

function shareOf(value: number, [low, high]: HeatTable['range']): number {
  return (value - low) / (high - low);
}

function colourBar({ x, y, width, height }: Box, range: HeatTable['range']): string[] {
  const steps = 40;
  const bars = Array.from({ length: steps }, (_, i) => {
    const { fill } = heatColour((i + 0.5) / steps);
    return shape('rect', { x, y: y + (height * (steps - 1 - i)) / steps, width, height: height / steps + 0.5, fill });
  });
  const ticks = ticksOf(range, 5).map((value) =>
    textAt(x + width + 5, y + height * (1 - shareOf(value, range)) + 4, String(value), { size: 10, fill: inks.faint }),
  );
  return [...bars, ...ticks];
}
