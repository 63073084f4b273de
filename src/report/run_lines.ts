// Lines of several runs in one plot: told apart by colour, dash and mark.
import { lineColours } from './colours.ts';
import type { Panel } from './panels.ts';
import { type Box, lineThrough, round, shape, textAt, widthOf } from './svg.ts';

/** Above a plot of lines: its title. */
export const titleHeight = 22;
const lineHeight = 17;
const dashes = [undefined, '7 3', '2 3', '9 3 2 3'] as const;

/** Which line is which run. */
export function runLegendPanel(runs: readonly { readonly name: string }[]): Panel {
  const draw = ({ x, y }: Box) =>
    runs.flatMap(({ name }, i) => {
      const middle = y + titleHeight + 6 + i * lineHeight;
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
  return { width, height: titleHeight + runs.length * lineHeight, draw };
}

/** Runs differ in colour, dash and mark, so that lines that lie on one another show. */
export function runLine(points: readonly (readonly [number, number])[], index: number): string[] {
  const stroke = lineColours[index % lineColours.length];
  // Many values are noise, in which a bold line has no shape.
  const line = {
    stroke,
    'stroke-width': points.length > 200 ? 1.1 : 1.8,
    'stroke-dasharray': dashes[index % dashes.length],
  };
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
