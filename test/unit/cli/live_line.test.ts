import { describe, expect, it } from 'vitest';
import { createLiveLine, roomOf } from '../../../src/cli/live_line.ts';

function fakeTerminal(columns: number) {
  const listeners = new Set<() => void>();
  const terminal = {
    columns,
    written: '',
    listeners,
    write(text: string) {
      terminal.written += text;
    },
    on: (_event: 'resize', listener: () => void) => listeners.add(listener),
    off: (_event: 'resize', listener: () => void) => listeners.delete(listener),
    take() {
      const text = terminal.written;
      terminal.written = '';
      return text;
    },
  };
  return terminal;
}

describe('live line', () => {
  it('is redrawn in place at most ten times a second', () => {
    const terminal = fakeTerminal(80);
    let millis = 0;
    const live = createLiveLine(terminal, () => millis);
    for (millis = 0; millis < 1000; millis++) live.draw(() => `at ${millis}`);
    const drawn = terminal.take();
    expect(drawn.match(/at \d+/g)).toEqual(
      ['0', '100', '200', '300', '400', '500', '600', '700', '800', '900'].map((t) => `at ${t}`),
    );
    expect(drawn.split('\r\x1b[J')).toHaveLength(10);
    expect(drawn).not.toContain('\n');
  });

  it('never drops what stays for a while', () => {
    const terminal = fakeTerminal(80);
    const live = createLiveLine(terminal, () => 0);
    live.draw(() => 'first');
    live.draw(() => 'dropped');
    live.draw(() => 'lasting', true);
    expect(terminal.take()).toBe('first\r\x1b[Jlasting');
  });

  it('leaves the last column free and knows no columns', () => {
    expect(roomOf({ columns: 80 })).toBe(79);
    expect(roomOf({})).toBe(79);
    expect(roomOf({ columns: 0 })).toBe(79);
  });

  it('makes way for other lines and comes back', () => {
    const terminal = fakeTerminal(80);
    const live = createLiveLine(terminal, () => 0);
    live.draw(() => 'line');
    live.aside(() => terminal.write('epoch\n'));
    expect(terminal.take()).toBe('line\r\x1b[Jepoch\nline');
    live.close();
    expect(terminal.take()).toBe('\r\x1b[J');
    live.aside(() => terminal.write('end\n'));
    expect(terminal.take()).toBe('end\n');
  });

  it('follows a resized terminal, with the rows that the old line wrapped into', () => {
    const terminal = fakeTerminal(40);
    const live = createLiveLine(terminal, () => 0);
    live.draw((room) => '#'.repeat(room));
    terminal.take();
    terminal.columns = 20;
    for (const listener of terminal.listeners) listener();
    expect(terminal.take()).toBe(`\x1b[1A\r\x1b[J${'#'.repeat(19)}`);
    live.close();
    expect(terminal.listeners.size).toBe(0);
  });
});
