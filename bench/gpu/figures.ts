import { formatFigure } from '../../src/cli/format.ts';

/** Three significant digits; a dash for what is no measurement: a difference of two times that came out negative, say. */
export function figureText(value: number): string {
  return Number.isFinite(value) && value >= 0 ? formatFigure(value) : '-';
}
