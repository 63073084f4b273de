import type { SearchEvent, SearchResult } from './events.ts';
import type { SearchOptions } from './options.ts';
import type { Run } from './run.ts';
import { startMethod } from './start.ts';

/** A search that goes on. */
export type SearchRun = Run<SearchEvent, SearchResult>;

/**
 * Searches an architecture, with DARTS (arXiv:1806.09055) unless `method` says otherwise. Starts at once, off the event loop, and throws
 * nothing itself: every error, of options too, comes through the run.
 */
export function search(options: SearchOptions = {}): SearchRun {
  // Of a search: its events and its result are these.
  return startMethod('search', options) as SearchRun;
}
