// One plot of lines over steps or epochs, with confidence bands and a legend: what curves are drawn as.
import { axes, type Range, roomAround, scalesOf, ticksOf } from './axes.ts';
import { lineColours } from './colours.ts';
import type { Panel } from './panels.ts';
import { runLegendPanel, runLine, titleHeight } from './run_lines.ts';
import type { Series } from './run_view.ts';
import { type Box, lineThrough, round, shape, textAt, within } from './svg.ts';
import { short } from './values.ts';

/** A line under its name in the legend. */
export interface CurveLine {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Where the true mean lies with 95% confidence, by value. */
  readonly band?: readonly (readonly [low: number, high: number])[];
  /** The single lines whose mean this is. */
  readonly singles?: readonly Pick<Series, 'x' | 'y'>[];
}

/** A plot. */
export interface CurvePlot {
  readonly title: string;
  readonly of: Series['of'];
  readonly unit: Series['unit'];
  readonly lines: readonly CurveLine[];
}

const plot = { width: 420, height: 250 };
const inner = { left: 66, top: titleHeight, right: 14, bottom: 38 };
/** Highest over lowest value, from which on perplexities have a logarithmic axis. */
const wide = 10;
const plainSize = 10;

/** A plot with what a value is along its axes. */
export function curvePanel(curves: CurvePlot): Panel {
  return { ...plot, draw: (place) => drawPlot(place, curves) };
}

/** Which line is which. */
export function curveLegend({ lines }: Pick<CurvePlot, 'lines'>): Panel {
  return runLegendPanel(lines.map(({ name }) => ({ name: name.length > 60 ? `…${name.slice(-59)}` : name })));
}

/** How values of a plot are turned into heights, and back into what stands at the axis. */
interface ValueAxis {
  readonly label: string;
  /** From a value to what the axis is linear in. */
  of(value: number): number;
  readonly range: Range;
  readonly ticks: readonly number[];
  format(tick: number): string;
}

function drawPlot(place: Box, { title, of, unit, lines }: CurvePlot): string[] {
  const box = within(place, inner);
  const all = lines.flatMap((line) => [line, ...(line.singles ?? [])]);
  const range = rangeOf(all.map(({ x }) => x));
  const axis = valueAxis(title, unit, [...all.map(({ y }) => y), ...lines.map(({ band = [] }) => band.flat())]);
  const scales = scalesOf(box, range, axis.range);
  const at = (x: number, y: number) => [scales.x(x), scales.y(axis.of(y))] as const;
  const ticks = { xTicks: ticksOf(range, 6, 1), yTicks: axis.ticks };
  const labels = { xLabel: of === 'epoch' ? 'epochs done' : 'steps done', yLabel: axis.label, yRoom: 46 };
  return [
    textAt(box.x, place.y + 13, title, { size: 11, bold: true }),
    ...axes(box, { x: range, y: axis.range, ...ticks, ...labels, format: axis.format, size: plainSize }),
    ...lines.flatMap((line, i) => bandOf(line, i, at)),
    ...lines.flatMap((line, i) => singlesOf(line, i, at)),
    ...lines.flatMap(({ x, y }, i) =>
      runLine(
        x.map((value, j) => at(value, y[j])),
        i,
      ),
    ),
  ];
}

type Place = (x: number, y: number) => readonly [x: number, y: number];

function bandOf({ x, band }: CurveLine, index: number, at: Place): string[] {
  if (band === undefined) return [];
  const above = band.map(([, high], i) => at(x[i], high));
  const below = band.map(([low], i) => at(x[i], low)).reverse();
  const points = [...above, ...below].map(([left, top]) => `${round(left)},${round(top)}`).join(' ');
  return [shape('polygon', { points, fill: colourOf(index), 'fill-opacity': 0.18 })];
}

function singlesOf({ singles = [] }: CurveLine, index: number, at: Place): string[] {
  const style = { stroke: colourOf(index), 'stroke-width': 0.8, 'stroke-opacity': 0.45 };
  return singles.map(({ x, y }) =>
    lineThrough(
      x.map((value, i) => at(value, y[i])),
      style,
    ),
  );
}

function colourOf(index: number): string {
  return lineColours[index % lineColours.length];
}

/** A little beyond the first and the last, so that marks at the ends are clear of the frame. */
function rangeOf(lists: readonly (readonly number[])[]): Range {
  const [low, high] = endsOf(lists);
  const room = (high - low) / 50 || 0.5;
  return [low - room, high + room];
}

/** Lists may be longer than a call has arguments. */
function endsOf(lists: readonly (readonly number[])[]): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const list of lists) {
    for (const value of list) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

function valueAxis(title: string, unit: Series['unit'], lists: readonly (readonly number[])[]): ValueAxis {
  const [low, high] = endsOf(lists);
  if (unit === 'perplexity' && low > 0 && high / low >= wide) return logAxis(title, low, high);
  const of = unit === 'share' ? percentOf : (value: number) => value;
  const range = roomAround([of(low), of(high)]);
  return { label: labelOf(title, unit), of, range, ticks: ticksOf(range, 6), format: short };
}

/** An interval may reach beyond what there is. */
function percentOf(share: number): number {
  return 100 * Math.min(1, Math.max(0, share));
}

function labelOf(title: string, unit: Series['unit']): string {
  if (unit === 'share') return `${title}, %`;
  if (unit === 'seconds') return `${title === 'seconds' ? 'time' : title}, s`;
  return unit === 'samples a second' ? title.replace(' per second', '/s') : title;
}

/** Ticks at 1, 2 and 5 times powers of ten. */
function logAxis(title: string, low: number, high: number): ValueAxis {
  const range = roomAround([Math.log10(low), Math.log10(high)]);
  const decades = Array.from(
    { length: Math.ceil(range[1]) - Math.floor(range[0]) },
    (_, i) => Math.floor(range[0]) + i,
  );
  const factors = decades.length > 3 ? [1] : [1, 2, 5];
  const ticks = decades
    .flatMap((decade) => factors.map((factor) => Math.log10(factor) + decade))
    .filter((tick) => tick >= range[0] && tick <= range[1]);
  const format = (tick: number) => (tick < 5 ? short(10 ** tick) : (10 ** tick).toExponential(0).replace('+', ''));
  return { label: `${title} (logarithmic)`, of: Math.log10, range, ticks, format };
}
