/** How a piece of terminal text stands out. */
export type Paint = (style: 'bold' | 'dim' | 'green', text: string) => string;

const codes = { bold: 1, dim: 2, green: 32 } as const;

/** Writes styles as ANSI escapes, or leaves the text as it is. */
export function createPaint(colour: boolean): Paint {
  return (style, text) => (colour && text !== '' ? `\x1b[${codes[style]}m${text}\x1b[0m` : text);
}

/** Whether a stream takes colour: a terminal that is not dumb, and no NO_COLOR (no-color.org). */
export function takesColour(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): boolean {
  return isLiveTerminal(stream, environment) && !environment['NO_COLOR'];
}

/** Whether a line can be redrawn in place. */
export function isLiveTerminal(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}
