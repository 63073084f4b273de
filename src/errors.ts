import { describe, oneLine } from './describe.ts';

/** What went wrong, for programs that branch on it; see the class of the same name for the cases. */
export type ErrorCode = 'ARGUMENT' | 'DATA' | 'FILE' | 'BACKEND' | 'DIVERGED' | 'ABORTED';

/** Base of every error this library throws on purpose. Its message is one line that says what to do. */
export class DartsmithError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** A value that the caller gave is not one that the function takes. */
export class ArgumentError extends DartsmithError {
  constructor(message: string, options?: ErrorOptions) {
    super('ARGUMENT', message, options);
  }
}

/** A data file or folder does not hold what its format promises. The message names the file and, where one is known, the byte. */
export class DataError extends DartsmithError {
  constructor(message: string, options?: ErrorOptions) {
    super('DATA', message, options);
  }
}

/** A file of ours (run directory, checkpoint, genotype, picture) cannot be read or written. */
export class FileError extends DartsmithError {
  constructor(message: string, options?: ErrorOptions) {
    super('FILE', message, options);
  }
}

/** A backend is missing, refused a graph or failed while it ran one. The process stays usable. */
export class BackendError extends DartsmithError {
  constructor(message: string, options?: ErrorOptions) {
    super('BACKEND', message, options);
  }
}

/** The loss became NaN or infinite. The last good checkpoint was kept. */
export class DivergedError extends DartsmithError {
  readonly epoch: number;
  readonly step: number;

  constructor(message: string, epoch: number, step: number) {
    super('DIVERGED', message);
    this.epoch = epoch;
    this.step = step;
  }
}

/** The work was stopped through its AbortSignal, whose reason is the cause. */
export class AbortedError extends DartsmithError {
  constructor(message = 'stopped by the AbortSignal', options?: ErrorOptions) {
    super('ABORTED', message, options);
  }
}

/** The error for work that a signal stops; its cause is the reason that was given to the AbortController. */
export function abortedBy(signal: AbortSignal | undefined): AbortedError {
  return new AbortedError(undefined, { cause: signal?.reason });
}

/** Throws AbortedError once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal);
}

/** The one form of "expected X for NAME but received Y" that every validation uses. Whatever the value, it is one line. */
export function invalid(name: string, expectation: string, actual: unknown): ArgumentError {
  return unexpected(name, expectation, describe(actual));
}

/** The same with words of one's own for what was received. */
export function unexpected(name: string, expectation: string, received: string): ArgumentError {
  return new ArgumentError(oneLine(`expected ${expectation} for ${name} but received ${received}`));
}

/** What a thrown value says, whatever it is. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
