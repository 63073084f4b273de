// How many edges each operation leads, stacked by epoch: figure 1 of FairDARTS (arXiv:1911.12126).
import type { OperationCounts } from '../select/statistics.ts';
import { axes, frame, scalesOf, ticksOf } from './axes.ts';
import { operationColours } from './colours.ts';
import type { Panel } from './panels.ts';
import { type Box, inks, round, shape, textAt, within } from './svg.ts';

const plot = { width: 420, height: 230 };
const inner = { left: 44, top: 22, right: 10, bottom: 38 };
const legendWidth = 116;
const lineHeight = 17;

/** What is counted. */
interface AreaOptions {
  readonly title: string;
  readonly yLabel: string;
  tableOf(counts: OperationCounts): Readonly<Record<string, number>>;
}

/** Counts of one cell type, operations stacked in the order of `operations` from below. */
export function areaPanel(
  counts: readonly OperationCounts[],
  operations: readonly string[],
  options: AreaOptions,
): Panel {
  return { ...plot, draw: (place) => stackedPlot(place, counts, operations, options) };
}

/** The colours of operations, in the order in which they are stacked. */
export function legendPanel(operations: readonly string[]): Panel {
  const colours = operationColours(operations);
  const draw = ({ x, y }: Box) =>
    operations.toReversed().flatMap((operation, i) => {
      const top = y + inner.top + i * lineHeight;
      const swatch = {
        x,
        y: top,
        width: 12,
        height: 12,
        fill: colours.get(operation),
        stroke: inks.frame,
        'stroke-width': 0.5,
      };
      return [shape('rect', swatch), textAt(x + 18, top + 10, operation)];
    });
  return { width: legendWidth, height: inner.top + operations.length * lineHeight, draw };
}

function stackedPlot(
  place: Box,
  counts: readonly OperationCounts[],
  operations: readonly string[],
  { title, yLabel, tableOf }: AreaOptions,
): string[] {
  const box = within(place, inner);
  const totals = counts.map((at) => operations.reduce((sum, name) => sum + tableOf(at)[name], 0));
  // One moment has no width of its own.
  const epochs = counts.length > 1 ? counts.map(({ epoch }) => epoch) : [counts[0].epoch - 0.5, counts[0].epoch + 0.5];
  const tables = (counts.length > 1 ? counts : [counts[0], counts[0]]).map(tableOf);
  const x = [epochs[0], epochs.at(-1)!] as const;
  const y = [0, Math.max(counts[0].edges, ...totals)] as const;
  const scales = scalesOf(box, x, y);
  const colours = operationColours(operations);
  const floor = tables.map(() => 0);
  const layers = operations.map((operation) => {
    if (tables.every((table) => table[operation] === 0)) return '';
    const below = floor.map((value, i) => [scales.x(epochs[i]), scales.y(value)] as const);
    for (const [i, table] of tables.entries()) floor[i] += table[operation];
    const above = floor.map((value, i) => [scales.x(epochs[i]), scales.y(value)] as const);
    const outline = [...above, ...below.toReversed()].map(([atX, atY]) => `${round(atX)},${round(atY)}`);
    return shape('polygon', {
      points: outline.join(' '),
      fill: colours.get(operation),
      stroke: '#ffffff',
      'stroke-width': 0.4,
    });
  });
  const ticks = { xTicks: ticksOf(x, 8, 1), yTicks: ticksOf(y, 7, 1) };
  const parts = layers.filter((layer) => layer !== '');
  const middle = [box.x + box.width / 2, box.y + box.height / 2] as const;
  return [
    textAt(place.x + inner.left, place.y + 13, title, { size: 11 }),
    ...axes(box, { x, y, ...ticks, xLabel: 'epochs done', yLabel }),
    ...parts,
    ...(parts.length === 0 ? [textAt(...middle, 'none', { size: 12, anchor: 'middle', fill: inks.faint })] : []),
    // Again, since areas cover it.
    frame(box),
  ];
}
