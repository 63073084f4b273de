import { exitCodes } from './failure.ts';

/** Ctrl-C and SIGTERM as an AbortSignal. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** npm forwards to its child the Ctrl-C that the terminal has sent it already: two signals for one key press. */
const millisOfOnePress = 100;

/** The first SIGINT or SIGTERM aborts and calls `onFirst`; the second ends the process at once. Disposing gives both back. */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  let pressedAt: number | undefined;
  const listener = () => {
    if (pressedAt === undefined) {
      pressedAt = performance.now();
      onFirst();
      controller.abort();
    } else if (performance.now() - pressedAt > millisOfOnePress) {
      process.exit(exitCodes.interrupted);
    }
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, listener);
    },
  };
}
