import type { SearchEvent, SearchResult } from './events.ts';
import { runToEnd } from './loop.ts';
import { planSearch, type SearchOptions } from './options.ts';
import { type Run, startRun } from './run.ts';
import { searchMethod } from './search_method.ts';
import { withSession } from './session.ts';

/** A search that goes on. */
export type SearchRun = Run<SearchEvent, SearchResult>;

/**
 * Searches an architecture with DARTS (arXiv:1806.09055). Starts at once, off the event loop, and throws nothing itself:
 * every error, of options too, comes through the run.
 */
export function search(options: SearchOptions = {}): SearchRun {
  return startRun(async (emit) => {
    const plan = await planSearch(options);
    return withSession(
      plan,
      (dataset) => searchMethod(plan, dataset),
      async (session) => {
        emit(session.start);
        await runToEnd(session, (event) => {
          if (event.type !== 'unreadable') emit(event);
        });
        const { loss, accuracy } = session.progress.validation!;
        return {
          ...(await session.work.architecture()),
          validationAccuracy: accuracy,
          validationLoss: loss,
          directory: session.log?.files.directory,
        };
      },
    );
  });
}
