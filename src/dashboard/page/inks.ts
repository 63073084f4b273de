// Colours of what is drawn on canvases.
import { lineColours } from '../../report/colours.ts';

export interface Inks {
  readonly text: string;
  readonly grid: string;
  readonly ground: string;
}

const light: Inks = { text: '#39424e', grid: '#e3e7ec', ground: '#ffffff' };
const dark: Inks = { text: '#c3ccd6', grid: '#2c333b', ground: '#171b20' };

export function inksOf(isDark: boolean): Inks {
  return isDark ? dark : light;
}

/** Those of pictures; on dark ground the first is lighter, and the last, black, that of the text. */
export function lineColour(index: number, inks: Inks): string {
  const at = index % lineColours.length;
  if (at === lineColours.length - 1) return inks.text;
  return at === 0 && inks === dark ? '#3d9bd9' : lineColours[at];
}

/** When the colours begin anew, the lines are dashed. */
export function dashOf(index: number): number[] | undefined {
  return [undefined, [8, 4], [2, 3]][Math.floor(index / lineColours.length) % 3];
}
