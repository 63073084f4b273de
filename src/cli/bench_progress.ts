import { createLiveLine, type TerminalStream } from './live_line.ts';
import { isLiveTerminal } from './paint.ts';

/** What a benchmark shows while it runs: a line on a terminal, nothing elsewhere. */
export interface BenchProgress {
  show(text: string): void;
  /** The next kernel. */
  begin(kernel: string): void;
  /** How far the kernel is. */
  step(text: string): void;
  /** A line that stays, terminal or not. */
  notice(text: string): void;
  /** Removes the line; may be called again. */
  close(): void;
}

/** Progress through `total` kernels on a stream, stderr in use. */
export function createBenchProgress(
  stream: TerminalStream & { readonly isTTY?: boolean },
  environment: NodeJS.ProcessEnv,
  total: number,
): BenchProgress {
  const live = isLiveTerminal(stream, environment) ? createLiveLine(stream) : undefined;
  let title = '';
  let count = 0;
  const show = (text: string, lasting = true) => live?.draw((room) => text.slice(0, room), lasting);
  return {
    show,
    begin(kernel) {
      count++;
      title = `${kernel} (${count} of ${total})`;
      show(`${title}: checking`);
    },
    step: (text) => show(`${title}: ${text}`, false),
    notice(text) {
      const write = () => stream.write(`${text}\n`);
      if (live === undefined) write();
      else live.aside(write);
    },
    close: () => live?.close(),
  };
}
