// Pictures made of panels under headings.
import { type Box, inks, picture, textAt } from './svg.ts';

/** A part of a picture that draws itself where it is put. */
export interface Panel {
  readonly width: number;
  readonly height: number;
  draw(box: Box): string[];
}

/** Panels beside one another, under a heading. */
export interface PanelRow {
  /** None where its panels have titles enough. */
  readonly heading?: string;
  readonly panels: readonly Panel[];
}

const margin = 18;
const titleHeight = 26;
const headingHeight = 24;
const gap = 22;

/** Rows of panels below one another, under a title and a line that says more. */
export function panelsPicture(title: string, subtitle: string, rows: readonly PanelRow[]): string {
  const parts = [
    textAt(margin, margin + 13, title, { size: 16, bold: true }),
    textAt(margin, margin + 31, subtitle, { size: 11, fill: inks.faint }),
  ];
  let y = margin + titleHeight + 16;
  let width = 0;
  for (const { heading, panels } of rows) {
    if (heading !== undefined) {
      parts.push(textAt(margin, y + 15, heading, { size: 13, bold: true }));
      y += headingHeight;
    }
    let x = margin;
    for (const panel of panels) {
      // Not all at once as arguments: a grid has very many.
      for (const part of panel.draw({ x, y, width: panel.width, height: panel.height })) parts.push(part);
      x += panel.width + gap;
    }
    width = Math.max(width, x - gap);
    y += Math.max(...panels.map(({ height }) => height)) + gap;
  }
  const textWidth = Math.max(title.length * 9, subtitle.length * 6) + margin;
  return picture(Math.max(width, textWidth) + margin, y - gap + margin, parts);
}
