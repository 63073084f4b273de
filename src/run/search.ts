import { EventQueue } from './event_queue.ts';
import type { SearchEvent, SearchResult } from './events.ts';
import { runSearch } from './loop.ts';
import { planSearch, type SearchOptions } from './options.ts';
import { withSession } from './session.ts';

/**
 * A search that goes on. Iterate over it, once, for its events: those from its beginning if iteration begins at once, else
 * at most the latest 1024 so far. Leaving the loop does not stop the search; its signal does.
 */
export interface SearchRun extends AsyncIterable<SearchEvent> {
  /**
   * Rejects with what stopped the search: ArgumentError, DataError, FileError, BackendError, DivergedError, AbortedError.
   * Iteration throws the same error, and where there was an iteration the promise need not be looked at.
   */
  readonly result: Promise<SearchResult>;
}

/**
 * Searches an architecture with DARTS (arXiv:1806.09055). Starts at once, off the event loop, and throws nothing itself:
 * every error, of options too, comes through the run.
 */
export function search(options: SearchOptions = {}): SearchRun {
  const events = new EventQueue<SearchEvent>();
  const done = run(options, (event) => events.push(event));
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

async function run(options: SearchOptions, emit: (event: SearchEvent) => void): Promise<SearchResult> {
  const plan = await planSearch(options);
  return withSession(plan, (session) => {
    emit(session.start);
    return runSearch(session, emit);
  });
}
