// HTML as text, by a few functions: what is a string is text and comes out escaped, so that nothing from a run can become markup.
import { escaped } from './svg.ts';

/** Markup. */
export interface Html {
  readonly html: string;
}

/** What elements hold: markup, or text. */
export type Content = Html | string | number;

/** An element; attributes are escaped too. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  ...contents: readonly Content[]
): Html {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return { html: `<${name}${written.join('')}>${contents.map(markup).join('')}</${name}>` };
}

/** A picture of ours that becomes a part of the page. */
export function inline(svg: string): Html {
  return { html: svg.slice(svg.indexOf('<svg')).trimEnd() };
}

/** A table: the first row is its head. */
export function table(rows: readonly (readonly Content[])[]): Html {
  const [head = [], ...body] = rows;
  const line = (kind: 'th' | 'td', cells: readonly Content[]) =>
    element('tr', {}, ...cells.map((cell) => element(kind, {}, cell)));
  const parts = [element('thead', {}, line('th', head)), element('tbody', {}, ...body.map((row) => line('td', row)))];
  return element('div', { class: 'wide' }, element('table', {}, ...parts));
}

/** What is shown when it is asked for. */
export function folded(summary: string, ...contents: readonly Content[]): Html {
  return element('details', {}, element('summary', {}, summary), ...contents);
}

/** A whole page that loads nothing and runs nothing. */
export function page(title: string, style: string, contents: readonly Content[]): string {
  const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
  const head = [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
  ];
  return [...head, ...contents.map(markup), '</body>', '</html>', ''].join('\n');
}

function markup(content: Content): string {
  return typeof content === 'object' ? content.html : escaped(String(content));
}
