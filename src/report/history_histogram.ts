// How mixing weights spread at some moments of a search: by the zero-one loss they gather near 0 and 1.
import { axes, scalesOf, ticksOf } from './axes.ts';
import type { Panel } from './panels.ts';
import { type Box, inks, lineThrough, shape, textAt, within } from './svg.ts';

const plot = { width: 232, height: 178 };
const inner = { left: 42, top: 22, right: 8, bottom: 36 };
const bins = 20;

/** Weights of a cell type at one moment, counted in 20 bins from 0 to `most`; the highest bin of all moments is `highest`. A line marks the threshold, if any. */
export function histogramPanel(
  weights: readonly number[],
  { title, threshold, most, highest }: { title: string; threshold: number | undefined; most: number; highest: number },
): Panel {
  const draw = (place: Box) => {
    const box = within(place, inner);
    const [x, y] = [[0, most] as const, [0, highest * 1.06] as const];
    const scales = scalesOf(box, x, y);
    const bars = binCounts(weights, most).map((count, i) => {
      const [left, right] = [scales.x((i * most) / bins), scales.x(((i + 1) * most) / bins)];
      const top = scales.y(count);
      const bar = { x: left + 0.5, y: top, width: right - left - 1, height: box.y + box.height - top };
      return count === 0 ? '' : shape('rect', { ...bar, fill: '#0072b2' });
    });
    return [
      textAt(place.x + inner.left, place.y + 13, title, { size: 11 }),
      ...axes(box, {
        x,
        y,
        xTicks: ticksOf(x, 5),
        yTicks: ticksOf(y, 4, 1),
        xLabel: 'mixing weight',
        yLabel: 'weights',
      }),
      ...bars.filter((bar) => bar !== ''),
      ...(threshold === undefined ? [] : markAt(scales.x(threshold), threshold, box)),
    ];
  };
  return { ...plot, draw };
}

function markAt(x: number, value: number, { y, height }: Box): string[] {
  const line = [[x, y] as const, [x, y + height] as const];
  return [
    lineThrough(line, { stroke: '#d55e00', 'stroke-width': 1, 'stroke-dasharray': '4 3' }),
    textAt(x - 3, y + 10, String(value), { size: 9, anchor: 'end', fill: inks.faint }),
  ];
}

/** The weights in each of 20 bins; the last one takes `most` too. */
export function binCounts(weights: readonly number[], most: number): number[] {
  const counts = new Array<number>(bins).fill(0);
  for (const weight of weights) counts[Math.min(bins - 1, Math.floor((weight / most) * bins))]++;
  return counts;
}

/** At most four moments of a history, the first and the last among them, evenly apart. */
export function someOf<T>(entries: readonly T[]): T[] {
  const count = Math.min(4, entries.length);
  const at = (i: number) => entries[Math.round((i * (entries.length - 1)) / Math.max(1, count - 1))];
  return Array.from({ length: count }, (_, i) => at(i));
}
