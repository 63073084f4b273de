// What the server tells a page: plain data, the same for every page but for the runs that it looks at closely.
import type { RunSummary, RunView } from '../report/run_view.ts';

/** All that a page shows. */
export interface Shown {
  /** Where the runs lie, as it was given. */
  readonly folder: string;
  /** Why the folder cannot be looked through, where it cannot. */
  readonly problem?: string;
  /** By name: the path within the folder. */
  readonly runs: Readonly<Record<string, RunSummary>>;
  /** Those that the page watches, as far as they have been read. */
  readonly views: Readonly<Record<string, RunView>>;
}
