import { EventQueue } from './event_queue.ts';

/**
 * A run that goes on. Iterate over it, once, for its events: those from its beginning if iteration begins at once, else at most
 * the latest 1024 so far. Leaving the loop does not stop the run; its signal does.
 */
export interface Run<Event, Result> extends AsyncIterable<Event> {
  /**
   * Rejects with what stopped the run: ArgumentError, DataError, FileError, BackendError, DivergedError, AbortedError.
   * Iteration throws the same error, and where there was an iteration the promise need not be looked at.
   */
  readonly result: Promise<Result>;
}

/** Starts work that tells of its events. */
export function startRun<Event, Result>(work: (emit: (event: Event) => void) => Promise<Result>): Run<Event, Result> {
  const events = new EventQueue<Event>();
  const done = work((event) => events.push(event));
  done.then(
    () => events.close(),
    (error) => events.close(error),
  );
  // A promise of its own: the handlers above must not make a failure that nobody sees look handled.
  const result = done.then((value) => value);
  return {
    result,
    [Symbol.asyncIterator]: () => {
      result.catch(() => {});
      return events.drain();
    },
  };
}
