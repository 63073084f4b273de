// Scales, ticks and frames of charts.
import { type Box, inks, lineThrough, shape, textAt } from './svg.ts';

/** Values from `low` to `high`. */
export type Range = readonly [low: number, high: number];

/** Where values of a chart lie in its box. */
export interface Scales {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
}

/** What stands along the edges of a chart. */
export interface AxesOptions {
  readonly x: Range;
  readonly y: Range;
  readonly xTicks: readonly number[];
  readonly yTicks: readonly number[];
  readonly size?: number;
  readonly xLabel?: string;
  readonly yLabel?: string;
  /** Room for the values of the y axis before its label; 2.6 times the size when absent. */
  readonly yRoom?: number;
  /** How a value of the y axis is written. */
  readonly format?: (value: number) => string;
}

/** Linear scales; y runs upwards. */
export function scalesOf(box: Box, x: Range, y: Range): Scales {
  return {
    x: (value) => box.x + ((value - x[0]) / (x[1] - x[0])) * box.width,
    y: (value) => box.y + box.height - ((value - y[0]) / (y[1] - y[0])) * box.height,
  };
}

/** A tenth more than the values take, on either side. */
export function roomAround(values: readonly number[]): Range {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) / 10 || Math.abs(high) / 10 || 1;
  return [low - room, high + room];
}

/** Round values within a range, at most `most` + 1 of them, in steps of 1, 2 or 5 times a power of ten, at least `smallest` apart. */
export function ticksOf([low, high]: Range, most: number, smallest = 0): number[] {
  const rough = Math.max((high - low) / most, smallest, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(rough));
  const firstOf = (step: number) => Math.ceil(low / step - 1e-9);
  const countOf = (step: number) => Math.floor(high / step + 1e-9) - firstOf(step) + 1;
  const steps = [0.5, 1, 2, 5, 10].map((factor) => factor * power);
  const step = steps.find((candidate) => candidate >= smallest && countOf(candidate) <= most + 1) ?? 10 * power;
  return Array.from({ length: Math.max(0, countOf(step)) }, (_, i) =>
    Number(((firstOf(step) + i) * step).toPrecision(12)),
  );
}

/** The frame of a chart. */
export function frame(box: Box): string {
  return shape('rect', { ...box, fill: 'none', stroke: inks.frame, 'stroke-width': 0.8 });
}

/** Frame, grid lines, ticks and labels of a chart. */
export function axes(box: Box, options: AxesOptions): string[] {
  const { xTicks, yTicks, size = 10, xLabel, yLabel, yRoom = size * 2.6, format = String } = options;
  const scales = scalesOf(box, options.x, options.y);
  const bottom = box.y + box.height;
  const parts = [
    ...yTicks.map((value) => {
      const y = scales.y(value);
      return lineThrough(
        [
          [box.x, y],
          [box.x + box.width, y],
        ],
        { stroke: inks.grid, 'stroke-width': 0.6 },
      );
    }),
    frame(box),
    ...xTicks.map((value) =>
      textAt(scales.x(value), bottom + size + 3, String(value), { size, anchor: 'middle', fill: inks.faint }),
    ),
    ...yTicks.map((value) =>
      textAt(box.x - 4, scales.y(value) + size * 0.35, format(value), { size, anchor: 'end', fill: inks.faint }),
    ),
  ];
  if (xLabel !== undefined)
    parts.push(textAt(box.x + box.width / 2, bottom + 2 * size + 8, xLabel, { size, anchor: 'middle' }));
  if (yLabel !== undefined) {
    const x = box.x - 4 - yRoom;
    parts.push(textAt(x, box.y + box.height / 2, yLabel, { size, anchor: 'middle', turned: -90 }));
  }
  return parts;
}
