// SVG as text: the few elements that charts are made of. All lengths are in points.
import { fontFamily } from './font.ts';

/** A rectangle of a picture. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Room between a box and one within it. */
export interface Margins {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** What margins leave of a box. */
export function within({ x, y, width, height }: Box, { left, top, right, bottom }: Margins): Box {
  return { x: x + left, y: y + top, width: width - left - right, height: height - top - bottom };
}

/** How a text stands. */
export interface TextStyle {
  readonly size?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly fill?: string;
  readonly bold?: boolean;
  /** Degrees about its place. */
  readonly turned?: number;
}

/** Colours of what is no data. */
export const inks = { text: '#1f2937', faint: '#6b7280', frame: '#9ca3af', grid: '#e5e7eb' } as const;

/** A whole picture. */
export function picture(width: number, height: number, parts: readonly string[]): string {
  const size = `width="${round(width)}" height="${round(height)}" viewBox="0 0 ${round(width)} ${round(height)}"`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="${fontFamily}">`;
  return [head, `<rect width="100%" height="100%" fill="white"/>`, ...parts, '</svg>', ''].join('\n');
}

/** An element without contents; numbers are rounded to hundredths. */
export function shape(name: string, attributes: Readonly<Record<string, string | number | undefined>>): string {
  const written = Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [` ${key}="${typeof value === 'number' ? round(value) : escaped(value)}"`];
  });
  return `<${name}${written.join('')}/>`;
}

/** Parts that were drawn from an origin, at a place of their own. */
export function movedTo(x: number, y: number, parts: readonly string[]): string {
  return `<g transform="translate(${round(x)} ${round(y)})">${parts.join('')}</g>`;
}

/** A text at a place. */
export function textAt(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = 11, anchor = 'start', fill = inks.text, bold = false, turned } = style;
  const turn = turned === undefined ? '' : ` transform="rotate(${turned} ${round(x)} ${round(y)})"`;
  const weight = bold ? ' font-weight="bold"' : '';
  const place = `x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" fill="${fill}"`;
  return `<text ${place}${weight}${turn}>${escaped(content)}</text>`;
}

/** A line through points. */
export function lineThrough(
  points: readonly (readonly [number, number])[],
  attributes: Readonly<Record<string, string | number | undefined>>,
): string {
  const d = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
  return shape('path', { d, fill: 'none', ...attributes });
}

/** About how wide a text is set. */
export function widthOf(content: string, size: number): number {
  return content.length * size * 0.56;
}

/** To hundredths, without a needless fraction. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A text with what XML gives a meaning to escaped; what it cannot hold, such as most control characters, is replaced. */
export function escaped(content: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return content
    .replace(/[&<>"]/g, (character) => entities[character])
    .replace(/[^\P{Cc}\t\n\r]|[\p{Cs}\uFFFE\uFFFF]/gu, '\uFFFD');
}
