// A search's mixing weights as rows of numbers, and their picture: a row a candidate of an edge, a column an epoch.
import { inputsOf } from '../../genotype/genotype.ts';
import { stateNames } from '../../report/cell_words.ts';
import { heatColour } from '../../report/colours.ts';
import type { MixingHistory } from '../../select/history.ts';
import type { Inks } from './inks.ts';

/** A row: a candidate of an edge. */
export interface HeatRow {
  /** Such as `0 → 2`. */
  readonly edge: string;
  readonly candidate: string;
  /** Of the table, and within its row. */
  readonly at: readonly [row: number, index: number];
  /** From the top, in pixels. */
  readonly y: number;
}

/** What is drawn of a cell. */
export interface Heat {
  readonly table: string;
  readonly rows: readonly HeatRow[];
  /** Candidates for which there is no room. */
  readonly left: number;
  readonly epochs: readonly number[];
  /** Weights by column and row. */
  readonly weights: Float32Array;
  /** The smallest and the largest weight, which the colours span. */
  readonly low: number;
  readonly high: number;
  readonly height: number;
}

export const rowHeight = 12;
const edgeGap = 5;
const mostRows = 1200;
/** Pixels of a canvas, along a side and in all: one with more is none in some browsers. */
const mostPixels = { side: 2 ** 14, area: 2 ** 24 };
const top = 4;
const axisHeight = 30;
const scale = Array.from({ length: 256 }, (_, i) => heatColour(i / 255).fill);
/** The same as pixels: bytes red, green, blue, opacity. */
const pixelScale = new Uint32Array(
  Uint8Array.from(scale.flatMap((fill) => [...[1, 3, 5].map((at) => Number.parseInt(fill.slice(at, at + 2), 16)), 255]))
    .buffer,
);

/** The weights of a cell over time. */
export function heatOf({ layout, entries }: MixingHistory, key: string): Heat {
  const { name, rows: tableRows } = layout.tables[key];
  const names = stateNames(key, layout.nodes).map(subscripted);
  let y = top;
  const all = tableRows.flatMap(({ node, input, candidates }, row) => {
    const edge = `${names[input] ?? input} → ${names[inputsOf(key) + node] ?? node}`;
    const made = candidates.map((candidate, index): HeatRow => {
      y += rowHeight;
      return { edge, candidate, at: [row, index], y: y - rowHeight };
    });
    y += edgeGap;
    return made;
  });
  const rows = all.slice(0, mostRows);
  const weights = new Float32Array(entries.length * rows.length);
  for (const [column, { mixing }] of entries.entries()) {
    const table = mixing[name];
    for (const [i, { at }] of rows.entries()) {
      weights[column * rows.length + i] = table[at[0]][at[1]];
    }
  }
  const low = weights.reduce((least, weight) => Math.min(least, weight), Number.POSITIVE_INFINITY);
  const high = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const height = (rows.at(-1)?.y ?? top) + rowHeight + edgeGap + axisHeight;
  const left = all.length - rows.length;
  return { table: name, rows, left, epochs: entries.map(({ epoch }) => epoch), weights, low, high, height };
}

/** Pixels of a canvas by a CSS pixel: those of the screen, fewer where it is large. */
export function sharpness(width: number, height: number): number {
  const { side, area } = mostPixels;
  return Math.min(devicePixelRatio, side / Math.max(width, height), Math.sqrt(area / (width * height)));
}

/** Where columns lie. */
export interface HeatPlace {
  readonly left: number;
  readonly width: number;
}

/** Of a picture so many pixels wide. */
export function placeIn(width: number): HeatPlace {
  const left = width < 500 ? 122 : 160;
  return { left, width: Math.max(1, width - left - 8) };
}

/** Draws weights, names and epochs; `context` counts in CSS pixels. */
export function drawHeat(context: CanvasRenderingContext2D, heat: Heat, { left, width }: HeatPlace, inks: Inks): void {
  const { rows, epochs, height } = heat;
  context.fillStyle = inks.ground;
  context.fillRect(0, 0, left + width + 8, height);
  const pixels = pixelsOf(heat);
  context.imageSmoothingEnabled = false;
  for (const [i, { y }] of rows.entries()) context.drawImage(pixels, 0, i, epochs.length, 1, left, y, width, rowHeight);
  context.fillStyle = inks.text;
  context.textBaseline = 'middle';
  let last = '';
  for (const { edge, candidate, y } of rows) {
    context.font = '10px system-ui, sans-serif';
    context.textAlign = 'right';
    context.fillText(candidate, left - 6, y + rowHeight / 2 + 0.5, left - 52);
    if (edge === last) continue;
    last = edge;
    context.font = 'bold 11px system-ui, sans-serif';
    context.textAlign = 'left';
    context.fillText(edge, 0, y + rowHeight / 2 + 0.5, 46);
  }
  drawEpochs(context, heat, { left, width });
}

/** A frame around a column, and around a row where one is looked at. */
export function drawMark(
  context: CanvasRenderingContext2D,
  heat: Heat,
  { left, width }: HeatPlace,
  at: HeatSpot,
  inks: Inks,
): void {
  const { rows, epochs, height } = heat;
  const wide = width / epochs.length;
  const x = left + at.column * wide;
  context.strokeStyle = inks.text;
  context.lineWidth = 1.5;
  context.strokeRect(x - 0.75, 2, Math.max(2, wide) + 1.5, height - axisHeight - edgeGap);
  context.fillStyle = inks.text;
  context.beginPath();
  context.moveTo(x + wide / 2, height - axisHeight - 3);
  context.lineTo(x + wide / 2 - 4, height - axisHeight + 3);
  context.lineTo(x + wide / 2 + 4, height - axisHeight + 3);
  context.fill();
  const row = at.row === undefined ? undefined : rows[at.row];
  if (row !== undefined) context.strokeRect(left - 1, row.y, width + 2, rowHeight);
}

/** A place in the picture. */
export interface HeatSpot {
  readonly column: number;
  readonly row?: number;
}

/** What lies under a point. */
export function spotAt({ rows, epochs }: Heat, { left, width }: HeatPlace, x: number, y: number): HeatSpot | undefined {
  if (x < left || x >= left + width) return undefined;
  const row = rows.findIndex((one) => y >= one.y && y < one.y + rowHeight);
  const column = Math.floor(((x - left) / width) * epochs.length);
  return row < 0 ? { column } : { column, row };
}

/** A pixel a weight, to be stretched. */
function pixelsOf({ rows, epochs, weights, low, high }: Heat): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = epochs.length;
  canvas.height = rows.length;
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(epochs.length, rows.length);
  const pixels = new Uint32Array(image.data.buffer);
  for (let column = 0; column < epochs.length; column++) {
    for (let row = 0; row < rows.length; row++) {
      const share = (weights[column * rows.length + row] - low) / (high - low || 1);
      pixels[row * epochs.length + column] = pixelScale[Math.min(255, Math.max(0, Math.round(255 * share)))];
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Between epochs that are named. */
const roundSteps = Array.from({ length: 8 }, (_, i) => [1, 2, 5].map((by) => by * 10 ** i)).flat();

function drawEpochs(context: CanvasRenderingContext2D, { epochs, height }: Heat, { left, width }: HeatPlace): void {
  const wide = width / epochs.length;
  const least = epochs.length / Math.max(2, Math.floor(width / 60));
  const every = roundSteps.find((step) => step >= least) ?? epochs.length;
  context.textAlign = 'center';
  context.font = '10px system-ui, sans-serif';
  for (let column = 0; column < epochs.length; column += every) {
    context.fillText(String(epochs[column]), left + (column + 0.5) * wide, height - axisHeight + 9);
  }
  context.fillText('epochs', left + width / 2, height - 7);
}

const subscripts: Readonly<Record<string, string>> = { k: 'ₖ', t: 'ₜ', '-': '₋', 1: '₁', 2: '₂' };

/** c_{k-2} as cₖ₋₂. */
function subscripted(name: string): string {
  return name.replace(/_\{([^}]*)\}/g, (_, text: string) =>
    [...text].map((letter) => subscripts[letter] ?? letter).join(''),
  );
}
