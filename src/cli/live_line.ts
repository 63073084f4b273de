import { stripVTControlCharacters } from 'node:util';

/** What a live line needs of a terminal; `process.stdout` has it all. */
export interface TerminalStream {
  readonly columns?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** The last line of a terminal, redrawn in place. */
export interface LiveLine {
  /**
   * Shows what `render` gives for the columns there are; at most ten times a second, other calls are dropped. `lasting`
   * is for what stays for a while: it is never dropped.
   */
  draw(render: (room: number) => string, lasting?: boolean): void;
  /** Runs `write` with the line out of the way. */
  aside(write: () => void): void;
  /** Removes the line and lets go of the terminal. */
  close(): void;
}

const millisBetweenDraws = 100;

/** Columns that text may take: one less than the terminal has, so that it never wraps by itself. */
export function roomOf(stream: { readonly columns?: number }): number {
  return (stream.columns || 80) - 1;
}

/** A live line on a terminal; `now` gives milliseconds. */
export function createLiveLine(stream: TerminalStream, now: () => number = () => performance.now()): LiveLine {
  let render: ((room: number) => string) | undefined;
  let shown = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  const erase = () => {
    // A terminal made narrower has wrapped the line: its rows above the cursor go too.
    const rowsAbove = Math.max(0, Math.ceil(shown / (roomOf(stream) + 1)) - 1);
    if (shown > 0) stream.write(`${rowsAbove > 0 ? `\x1b[${rowsAbove}A` : ''}\r\x1b[J`);
    shown = 0;
  };
  const show = () => {
    if (render === undefined) return;
    const text = render(roomOf(stream));
    erase();
    stream.write(text);
    shown = stripVTControlCharacters(text).length;
    drawnAt = now();
  };
  stream.on('resize', show);

  return {
    draw(next, lasting = false) {
      render = next;
      if (lasting || now() - drawnAt >= millisBetweenDraws) show();
    },
    aside(write) {
      const redraw = shown > 0;
      erase();
      write();
      if (redraw) show();
    },
    close() {
      erase();
      render = undefined;
      stream.off('resize', show);
    },
  };
}
