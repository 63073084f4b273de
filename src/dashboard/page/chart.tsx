// Lines over steps or epochs, by uPlot.
import { useEffect, useMemo, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { SeriesUnit } from '../../report/run_view.ts';
import { valueText } from '../../report/values.ts';
import { dashOf, type Inks, inksOf, lineColour } from './inks.ts';
import { useDark } from './theme.ts';
import { useWidth } from './use_width.ts';
import { axisText } from './words.ts';

/** A line of a chart. */
export interface ChartLine {
  readonly label: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** Where something begins, such as a stage. */
export interface Boundary {
  readonly x: number;
  readonly name: string;
}

interface ChartProps {
  readonly title: string;
  readonly unit: SeriesUnit;
  /** Such as `epochs`. */
  readonly xLabel: string;
  readonly lines: readonly ChartLine[];
  readonly boundaries?: readonly Boundary[];
}

const height = 240;
/** Between ticks of steps and epochs. */
const wholeNumbers = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((by) => by * 10 ** i)).flat();

export function Chart({ title, unit, xLabel, lines, boundaries = [] }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const width = useWidth(place);
  const isDark = useDark();
  // As a text, which is the same where the labels are.
  const labels = JSON.stringify(lines.map(({ label }) => label));
  const data = useMemo(() => joined(lines), [lines]);
  const marks = useRef(boundaries);
  marks.current = boundaries;
  useEffect(() => {
    if (width === 0) return;
    const options = optionsOf({ unit, xLabel, labels: JSON.parse(labels), inks: inksOf(isDark), marks });
    plot.current = new uPlot({ ...options, width, height }, data, place.current!);
    return () => plot.current?.destroy();
  }, [labels, unit, xLabel, isDark, width === 0]);
  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height });
  }, [width]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div
        ref={place}
        role="img"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys move its cursor, and its legend tells the values.
        tabIndex={0}
        aria-label={`${title} by ${xLabel}`}
        onKeyDown={(event) => step(plot.current, event)}
      />
    </figure>
  );
}

/** Moves the cursor to the next value. */
function step(plot: uPlot | undefined, event: KeyboardEvent) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (plot === undefined || by === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const [x] = plot.data;
  const at = Math.min(x.length - 1, Math.max(0, (plot.cursor.idx ?? x.length - 1) + by));
  plot.setCursor({ left: plot.valToPos(x[at], 'x'), top: height / 3 });
}

/** One row of x for all lines; gaps where a line has no value. */
function joined(lines: readonly ChartLine[]): uPlot.AlignedData {
  const tables = lines.map(({ x, y }) => [x, y] as unknown as uPlot.AlignedData);
  const [{ x }] = lines;
  const isAlike = lines.every((line) => line.x.length === x.length && line.x.every((value, i) => value === x[i]));
  if (isAlike) return [x, ...lines.map(({ y }) => y)] as unknown as uPlot.AlignedData;
  return uPlot.join(tables);
}

interface Drawn {
  readonly unit: SeriesUnit;
  readonly xLabel: string;
  readonly labels: readonly string[];
  readonly inks: Inks;
  readonly marks: { readonly current: readonly Boundary[] };
}

function optionsOf({ unit, xLabel, labels, inks, marks }: Drawn): Omit<uPlot.Options, 'width' | 'height'> {
  const axis: uPlot.Axis = {
    ...{ stroke: inks.text, font: '11px system-ui, sans-serif', labelFont: '11px system-ui, sans-serif' },
    ...{ grid: { stroke: inks.grid, width: 1 }, ticks: { stroke: inks.grid, width: 1 } },
  };
  const told = (value: number | null | undefined) => (value == null ? '–' : valueText(value, unit));
  return {
    scales: { x: { time: false } },
    cursor: { points: { size: 7 } },
    legend: { live: true },
    axes: [
      { ...axis, label: xLabel, labelSize: 18, size: 34, incrs: wholeNumbers },
      { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => axisText(tick, unit)) },
    ],
    series: [
      { label: xLabel },
      ...labels.map(
        (label, index): uPlot.Series => ({
          ...{ label, stroke: lineColour(index, inks), dash: dashOf(index), width: 1.6, spanGaps: true },
          ...{ points: { show: (plot) => plot.data[0].length < 40, size: 5 }, value: (_, value) => told(value) },
        }),
      ),
    ],
    hooks: { draw: [(plot) => drawBoundaries(plot, marks.current, inks)] },
  };
}

function drawBoundaries(plot: uPlot, boundaries: readonly Boundary[], inks: Inks) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = inks.text;
  ctx.fillStyle = inks.text;
  ctx.globalAlpha = 0.6;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = 'left';
  let free = bbox.left;
  for (const { x, name } of boundaries) {
    const at = plot.valToPos(x, 'x', true);
    if (at < bbox.left || at > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    // Names that would lie on one another say nothing.
    const end = at + ctx.measureText(name).width + 6 * devicePixelRatio;
    if (at < free || end > bbox.left + bbox.width) continue;
    ctx.fillText(name, at + 3 * devicePixelRatio, bbox.top + 10 * devicePixelRatio);
    free = end;
  }
  ctx.restore();
}
