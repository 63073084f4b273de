// The weight of every candidate on every edge of a cell over the epochs of a search.
import { memo } from 'preact/compat';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { heatColour } from '../../report/colours.ts';
import type { MixingHistory } from '../../select/history.ts';
import { drawHeat, drawMark, type Heat, type HeatSpot, heatOf, placeIn, sharpness, spotAt } from './heat.ts';
import { inksOf } from './inks.ts';
import { useDark } from './theme.ts';
import { useWidth } from './use_width.ts';
import { momentText } from './words.ts';

interface HeatMapProps {
  readonly history: MixingHistory;
  /** Of the cell. */
  readonly cell: string;
  /** What the slider stands at. */
  readonly epoch: number;
  readonly toEpoch: (epoch: number) => void;
}

export function HeatMap({ history, cell, epoch, toEpoch }: HeatMapProps) {
  const place = useRef<HTMLDivElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const width = useWidth(place);
  const isDark = useDark();
  const heat = useMemo(() => heatOf(history, cell), [history, cell]);
  const [row, setRow] = useState<number>();
  // A place on the screen: what lies there changes when weights come, or another stage.
  const [pointer, setPointer] = useState<{ readonly x: number; readonly y: number }>();
  const column = columnOf(heat, epoch);
  useLayoutEffect(() => {
    const context = sized(marks.current, width, heat.height);
    if (context) drawMark(context, heat, placeIn(width), { column, row }, inksOf(isDark));
  }, [heat, width, isDark, column, row]);
  const spotOf = (x: number, y: number) => spotAt(heat, placeIn(width), x, y);
  const choose = ({ offsetX, offsetY, buttons }: PointerEvent) => {
    const spot = spotOf(offsetX, offsetY);
    setPointer({ x: offsetX, y: offsetY });
    if (buttons === 0 || spot === undefined) return;
    setRow(spot.row);
    toEpoch(heat.epochs[spot.column]);
  };
  const move = (event: KeyboardEvent) => {
    const by = steps[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    setPointer(undefined);
    const [along, down] = by;
    if (down !== 0) setRow(within((row ?? (down > 0 ? -1 : heat.rows.length)) + down, heat.rows.length));
    if (along !== 0) toEpoch(heat.epochs[within(column + along, heat.epochs.length)]);
  };
  const hover = pointer && spotOf(pointer.x, pointer.y);
  const told = hover?.row === undefined ? { column, row } : hover;
  return (
    <figure class="heat">
      <figcaption>mixing weight of each candidate, by edge and epoch</figcaption>
      <Legend low={heat.low} high={heat.high} />
      <p class="readout" aria-live="polite">
        {spotText(history, heat, told)}
      </p>
      {heat.left > 0 && <p class="hint">{heat.left} candidates more are not drawn.</p>}
      <div ref={place} class="stack">
        <HeatPicture heat={heat} width={width} isDark={isDark} />
        <canvas
          ref={marks}
          class="over"
          tabIndex={0}
          aria-label="weights; arrow keys choose a candidate and an epoch"
          onPointerDown={choose}
          onPointerMove={choose}
          onPointerLeave={() => setPointer(undefined)}
          onKeyDown={move}
        />
      </div>
    </figure>
  );
}

const steps: Readonly<Record<string, readonly [along: number, down: number]>> = {
  ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] },
};

/** Drawn anew when weights come, not when the slider moves. */
const HeatPicture = memo(function HeatPicture({
  heat,
  width,
  isDark,
}: {
  readonly heat: Heat;
  readonly width: number;
  readonly isDark: boolean;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = sized(canvas.current, width, heat.height);
    if (context) drawHeat(context, heat, placeIn(width), inksOf(isDark));
  }, [heat, width, isDark]);
  return <canvas ref={canvas} />;
});

/** What the colours mean. */
const Legend = memo(function Legend({ low, high }: { readonly low: number; readonly high: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = sized(canvas.current, 128, 12);
    for (let x = 0; context && x < 128; x++) {
      context.fillStyle = heatColour(x / 127).fill;
      context.fillRect(x, 0, 1, 12);
    }
  }, []);
  return (
    <p class="legend quiet">
      {Number(low.toPrecision(3))} <canvas ref={canvas} /> {Number(high.toPrecision(3))}
    </p>
  );
});

/** An empty canvas as sharp as it can be, drawn on in CSS pixels. */
function sized(canvas: HTMLCanvasElement | null, width: number, height: number): CanvasRenderingContext2D | null {
  if (canvas === null || width === 0) return null;
  const ratio = sharpness(width, height);
  const [wide, high] = [Math.floor(width * ratio), Math.floor(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d');
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}

/** The last column that an epoch has come to. */
function columnOf({ epochs }: Heat, epoch: number): number {
  const after = epochs.findIndex((one) => one > epoch);
  return Math.max(0, (after < 0 ? epochs.length : after) - 1);
}

function spotText({ entries }: MixingHistory, { table, rows, epochs }: Heat, { column, row }: HeatSpot): string {
  const when = momentText(epochs[column]);
  if (row === undefined || rows[row] === undefined) return `${when}; point at a weight, or choose one by arrow keys`;
  const { edge, candidate, at } = rows[row];
  const { mixing, alpha } = entries[column];
  const weight = mixing[table][at[0]][at[1]];
  const parameter = alpha?.[table]?.[at[0]]?.[at[1]];
  return `${when}, ${edge}, ${candidate}: ${weight}${parameter === undefined ? '' : ` (alpha ${parameter})`}`;
}

function within(value: number, length: number): number {
  return Math.min(length - 1, Math.max(0, value));
}
