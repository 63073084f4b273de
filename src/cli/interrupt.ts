// What stops a command before its end: Ctrl-C, signals of the system, output that nobody takes any more.
import type { EventEmitter } from 'node:events';
import { AbortedError } from '../errors.ts';
import { exitCodes } from './exit_codes.ts';

/** The reason that a command is stopped for. Its message is how the command ends, in words. */
export class Interruption extends Error {
  override readonly name = 'Interruption';
  readonly exitCode: number;
  /** What to tell while the step is finished. */
  readonly notice: string;

  constructor(message: string, exitCode: number, notice: string) {
    super(message);
    this.exitCode = exitCode;
    this.notice = notice;
  }
}

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** By signal: how the command ends, and what to tell until then. */
const bySignal: Readonly<Record<Signal, readonly [message: string, exitCode: number, notice: string]>> = {
  SIGINT: ['interrupted', exitCodes.interrupted, 'finishing the step; press Ctrl-C again to quit at once'],
  SIGTERM: ['ended by SIGTERM', exitCodes.terminated, 'SIGTERM: finishing the step; a second one ends it at once'],
  SIGHUP: ['ended by SIGHUP, since the terminal has gone', exitCodes.hungUp, 'SIGHUP: finishing the step'],
};

/** Why output cannot be written. A closed pipe counts as SIGPIPE, from which other programs end. */
function outputLost(name: string, { code, message }: NodeJS.ErrnoException): Interruption {
  const finishing = 'finishing the step';
  if (code === 'EPIPE') return new Interruption(`whoever read ${name} has gone`, exitCodes.outputClosed, finishing);
  return new Interruption(`cannot write to ${name}: ${message}`, exitCodes.failed, finishing);
}

/** Interruptions as an AbortSignal, whose reason is an {@link Interruption}. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** Where they come from: `process`. */
export interface InterruptSource extends Pick<EventEmitter, 'on' | 'off'> {
  readonly stdout: Pick<EventEmitter, 'on' | 'off'>;
  readonly stderr: Pick<EventEmitter, 'on' | 'off'>;
  exit(code: number): unknown;
}

/** npm forwards to its child the Ctrl-C that the terminal has sent it already: two signals for one key press. */
const millisOfOnePress = 100;

/**
 * The first signal, or output that nobody takes, aborts and calls `onFirst`; a second signal ends the process at once. Disposing gives
 * signals and streams back.
 */
export function listenForInterrupt(
  onFirst: (interruption: Interruption) => void,
  source: InterruptSource = process,
): Interrupt {
  const controller = new AbortController();
  const cleanup: (() => void)[] = [];
  const stop = (interruption: Interruption) => {
    onFirst(interruption);
    controller.abort(interruption);
  };
  let pressedAt: number | undefined;
  for (const name of Object.keys(bySignal) as Signal[]) {
    const listener = () => {
      const [, exitCode] = bySignal[name];
      if (pressedAt !== undefined && performance.now() - pressedAt > millisOfOnePress) source.exit(exitCode);
      pressedAt ??= performance.now();
      if (!controller.signal.aborted) stop(new Interruption(...bySignal[name]));
    };
    source.on(name, listener);
    cleanup.push(() => source.off(name, listener));
  }
  for (const name of ['stdout', 'stderr'] as const) {
    let lost = false;
    const listener = (error: NodeJS.ErrnoException) => {
      lost = true;
      if (!controller.signal.aborted) stop(outputLost(name, error));
    };
    source[name].on('error', listener);
    // What is written to it from now on fails as well, and is no news.
    cleanup.push(() => !lost && source[name].off('error', listener));
  }
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const undo of cleanup) undo();
    },
  };
}

/** An error of a command, in the words of what interrupted it where something did; `next` is what can be done then. */
export function worded(error: unknown, next?: string): unknown {
  if (!(error instanceof AbortedError)) return error;
  const { cause } = error;
  const what = cause instanceof Interruption ? cause.message : 'interrupted';
  return new AbortedError(next === undefined ? what : `${what}; ${next}`, { cause });
}
