// The share of skip connections over epochs, of one run or of several: how DARTS collapses, and that FairDARTS does not.
import { skipName } from '../operation/operations.ts';
import type { OperationCounts } from '../select/statistics.ts';
import { axes, scalesOf, ticksOf } from './axes.ts';
import { lineColours } from './colours.ts';
import type { Panel } from './panels.ts';
import { type Box, lineThrough, round, shape, textAt, widthOf, within } from './svg.ts';

/** A run's counts under the name that the legend has for it. */
export interface NamedCounts {
  readonly name: string;
  readonly counts: readonly OperationCounts[];
}

const plot = { width: 400, height: 220 };
const inner = { left: 46, top: 22, right: 10, bottom: 38 };
const lineHeight = 17;
const dashes = [undefined, '7 3', '2 3', '9 3 2 3'] as const;

/** Of a genotype's entries; none of an empty one. */
export function skipShare({ skips, entries }: OperationCounts): number {
  return entries === 0 ? 0 : skips / entries;
}

/** Of the edges those whose largest weight is a skip connection's. */
export function ledShare({ largest, edges }: OperationCounts): number {
  return (largest[skipName] ?? 0) / edges;
}

/** A line a run, of a share that `shareOf` takes from its counts. */
export function sharePanel(
  runs: readonly NamedCounts[],
  title: string,
  shareOf: (counts: OperationCounts) => number,
): Panel {
  return { ...plot, draw: (place) => sharePlot(place, runs, title, shareOf) };
}

/** Which line is which run. */
export function runLegendPanel(runs: readonly NamedCounts[]): Panel {
  const draw = ({ x, y }: Box) =>
    runs.flatMap(({ name }, i) => {
      const middle = y + inner.top + 6 + i * lineHeight;
      return [
        ...runLine(
          [
            [x, middle],
            [x + 30, middle],
          ],
          i,
        ),
        textAt(x + 37, middle + 4, name),
      ];
    });
  const width = 37 + Math.max(...runs.map(({ name }) => widthOf(name, 11)));
  return { width, height: inner.top + runs.length * lineHeight, draw };
}

function sharePlot(
  place: Box,
  runs: readonly NamedCounts[],
  title: string,
  shareOf: (counts: OperationCounts) => number,
): string[] {
  const box = within(place, inner);
  const epochs = runs.flatMap(({ counts }) => counts.map(({ epoch }) => epoch));
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const x = first === last ? ([first - 0.5, last + 0.5] as const) : ([first, last] as const);
  // A little beyond, so that lines at 0 and at 1 are whole.
  const y = [-0.03, 1.03] as const;
  const scales = scalesOf(box, x, y);
  const format = (share: number) => `${Math.round(share * 100)}%`;
  return [
    textAt(place.x + inner.left, place.y + 13, title, { size: 11 }),
    ...axes(box, { x, y, xTicks: ticksOf(x, 8, 1), yTicks: [0, 0.25, 0.5, 0.75, 1], xLabel: 'epochs done', format }),
    ...runs.flatMap(({ counts }, i) =>
      runLine(
        counts.map((at) => [scales.x(at.epoch), scales.y(shareOf(at))]),
        i,
      ),
    ),
  ];
}

/** Runs differ in colour, dash and mark, so that lines that lie on one another show. */
function runLine(points: readonly (readonly [number, number])[], index: number): string[] {
  const stroke = lineColours[index % lineColours.length];
  const line = { stroke, 'stroke-width': 1.8, 'stroke-dasharray': dashes[index % dashes.length] };
  // Marks of many epochs would be one band.
  const every = Math.ceil(points.length / 25);
  const marks = points
    .filter((_, i) => i % every === 0 || i === points.length - 1)
    .map(([x, y]) => markAt(x, y, index));
  return [
    lineThrough(points, line),
    shape('path', { d: marks.join(''), fill: index % 2 === 0 ? stroke : '#ffffff', stroke, 'stroke-width': 1.2 }),
  ];
}

/** A circle, a square, a diamond or a triangle. */
function markAt(x: number, y: number, index: number): string {
  const r = 2.6 + (index % 4) * 0.5;
  const [left, top, across] = [round(x - r), round(y - r), round(2 * r)];
  const up = round(r);
  switch (index % 4) {
    case 0:
      return `M${left} ${round(y)}a${up} ${up} 0 1 0 ${across} 0a${up} ${up} 0 1 0 ${-across} 0z`;
    case 1:
      return `M${left} ${top}h${across}v${across}h${-across}z`;
    case 2:
      return `M${left} ${round(y)}l${up} ${-up}l${up} ${up}l${-up} ${up}z`;
    default:
      return `M${left} ${round(y + r)}l${up} ${-across}l${up} ${across}z`;
  }
}
