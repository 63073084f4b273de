import type { MagnitudeSettings, ProjectionPresetName, ProjectionSettings } from './methods/projection/settings.ts';
import type { SearchEvent, SearchResult } from './run/events.ts';
import type { RunOptions } from './run/options.ts';
import type { Run } from './run/run.ts';
import { startMethod } from './run/start.ts';
import type { SearchSpace } from './space/space.ts';

/** Options of a selection that goes on with a search's supernet. */
export interface SelectByOptions
  extends Omit<RunOptions, 'dataset' | 'limit' | 'imageSize' | 'colourProfile'>,
    Partial<Pick<RunOptions, 'dataset'>> {
  /** Directory of the search; required unless `resume` is given. */
  readonly run?: string;
  /** Name of a stage of it; the last when absent. */
  readonly stage?: string;
  /** Epochs that the search had behind it, of a snapshot that it kept; its checkpoint when absent. */
  readonly epoch?: number;
  /** What decides: `projection`, when absent, how the supernet does without something; `magnitude` its alpha. */
  readonly method?: 'projection' | 'magnitude';
  /** Ready-made settings; `paper` when absent. */
  readonly preset?: ProjectionPresetName;
  /** Settings that replace the preset's. */
  readonly settings?: Partial<ProjectionSettings> | Partial<MagnitudeSettings>;
  /** The search's, where it had one of its own. */
  readonly space?: SearchSpace;
}

/** A selection that goes on. */
export type SelectionRun = Run<SearchEvent, SearchResult>;

/**
 * Selects from a search's supernet edge by edge, fine-tuning in between (DARTS-PT, arXiv:2108.04392); what each absence costs is in its events
 * of type `decision` and in its journal. Starts at once, off the event loop, and throws nothing itself: every error, of options too, comes
 * through the run.
 */
export function selectBy(options: SelectByOptions): SelectionRun {
  // Of a selection: its events and its result are a search's.
  return startMethod('select', options) as SelectionRun;
}
