import { EventEmitter } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { endingOf } from '../../../src/cli/failure.ts';
import { type Interruption, listenForInterrupt, worded } from '../../../src/cli/interrupt.ts';
import { abortedBy, FileError } from '../../../src/errors.ts';

/** Stands in for the process. */
function source() {
  return Object.assign(new EventEmitter(), {
    stdout: new EventEmitter(),
    stderr: new EventEmitter(),
    exit: vi.fn(),
  });
}

/** What was told first, and how a command ends that the signal stops. */
function listen(from = source()) {
  const told: Interruption[] = [];
  const interrupt = listenForInterrupt((interruption) => told.push(interruption), from);
  const ending = () => endingOf(worded(abortedBy(interrupt.signal), 'go on'));
  return { from, told, interrupt, ending };
}

const failure = (code: string) => Object.assign(new Error(`write ${code}`), { code });

describe('an interruption', () => {
  it.each([
    ['SIGINT', 130, 'interrupted', /press Ctrl-C again to quit at once/],
    ['SIGTERM', 143, 'ended by SIGTERM', /^SIGTERM: finishing the step/],
    ['SIGHUP', 129, 'ended by SIGHUP, since the terminal has gone', /^SIGHUP: finishing the step/],
  ])('by %s aborts, says so in fitting words and exits with %i', (signal, exitCode, words, notice) => {
    const { from, told, interrupt, ending } = listen();
    from.emit(signal);
    expect(interrupt.signal.aborted).toBe(true);
    expect(told).toHaveLength(1);
    expect(told[0].notice).toMatch(notice);
    if (signal !== 'SIGINT') expect(told[0].notice).not.toContain('Ctrl-C');
    expect(ending()).toEqual({ exitCode, line: `${words}; go on` });
    expect(from.exit).not.toHaveBeenCalled();
  });

  it.each([
    ['stdout', 'EPIPE', 141, 'whoever read stdout has gone; go on'],
    ['stderr', 'EPIPE', 141, 'whoever read stderr has gone; go on'],
    ['stdout', 'ENOSPC', 1, 'cannot write to stdout: write ENOSPC; go on'],
  ] as const)('by %s that answers %s ends with %i, however often it answers', (stream, code, exitCode, line) => {
    const { from, told, interrupt, ending } = listen();
    for (let i = 0; i < 3; i++) from[stream].emit('error', failure(code));
    expect(told).toHaveLength(1);
    expect(ending()).toEqual({ exitCode, line });
    interrupt[Symbol.dispose]();
    // Lines that were written before it was known fail afterwards.
    from[stream].emit('error', failure(code));
    expect(from.exit).not.toHaveBeenCalled();
  });

  it('by a second signal ends the process at once, with its own code', () => {
    vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValue(200);
    const { from, told } = listen();
    from.emit('SIGINT');
    from.emit('SIGTERM');
    vi.restoreAllMocks();
    expect(from.exit).toHaveBeenCalledWith(143);
    expect(told).toHaveLength(1);
  });

  it('counts two signals of one key press once', () => {
    const { from } = listen();
    from.emit('SIGINT');
    from.emit('SIGINT');
    expect(from.exit).not.toHaveBeenCalled();
  });

  it('after lost output is the first signal still', () => {
    const { from, told } = listen();
    from.stdout.emit('error', failure('EPIPE'));
    from.emit('SIGHUP');
    expect(from.exit).not.toHaveBeenCalled();
    expect(told).toHaveLength(1);
  });

  it('is listened for until it is disposed', () => {
    const { from, interrupt } = listen();
    interrupt[Symbol.dispose]();
    expect(from.eventNames()).toEqual([]);
    expect(from.stdout.eventNames()).toEqual([]);
  });
});

it('leaves other errors as they are', () => {
  const error = new FileError('full');
  expect(worded(error, 'go on')).toBe(error);
  expect(endingOf(worded(abortedBy(AbortSignal.abort())))).toEqual({ exitCode: 130, line: 'interrupted' });
});
