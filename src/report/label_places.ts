// Where the names of dots go so that they can be read.
import { type Box, type TextStyle, widthOf } from './svg.ts';

/** A dot with a name. */
export interface NamedDot {
  readonly x: number;
  readonly y: number;
  readonly name: string;
}

/** Where a name is set. */
export interface LabelPlace extends Pick<TextStyle, 'anchor'> {
  readonly x: number;
  readonly y: number;
}

/** A place, and what it takes up. */
interface Spot {
  readonly place: LabelPlace;
  readonly box: Box;
}

/** Between the middle of a dot and its name. */
const gap = 10;

/** A place for each name: beside, above or below its dot, or further off, where it hides the least of dots and of other names. */
export function labelPlaces(frame: Box, dots: readonly NamedDot[], size: number): LabelPlace[] {
  const taken = dots.map(({ x, y }) => ({ x: x - gap / 2, y: y - gap / 2, width: gap, height: gap }));
  return dots.map((dot) => {
    const spots = spotsAround(dot, size);
    const hidden = spots.map(({ box }) => outside(frame, box) + taken.reduce((sum, one) => sum + shared(one, box), 0));
    const best = spots[hidden.indexOf(Math.min(...hidden))];
    taken.push(best.box);
    return best.place;
  });
}

/** The nearest first. */
function spotsAround({ x, y, name }: NamedDot, size: number): Spot[] {
  const width = widthOf(name, size);
  const rows = [0, -1, 1, -2, 2, -3, 3].map((row) => y + row * (size + 2));
  return rows.flatMap((middle, index) => {
    const box = { y: middle - size / 2, width, height: size };
    const base = middle + size * 0.36;
    const sides: Spot[] = [
      { place: { x: x + gap, y: base, anchor: 'start' }, box: { ...box, x: x + gap } },
      { place: { x: x - gap, y: base, anchor: 'end' }, box: { ...box, x: x - gap - width } },
    ];
    const central: Spot = { place: { x, y: base, anchor: 'middle' }, box: { ...box, x: x - width / 2 } };
    return index === 0 ? sides : [central, ...sides];
  });
}

/** The area that two boxes share. */
function shared(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height);
}

/** The area of a box that lies outside of the frame. */
function outside(frame: Box, box: Box): number {
  return box.width * box.height - shared(frame, box);
}
