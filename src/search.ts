import type { BlankPresetName, BlankSettings } from './methods/blank/settings.ts';
import type { PresetName, SearchSettings } from './methods/darts/settings.ts';
import type { RecurrentSearchSettings, recurrentSearchPresets } from './methods/darts_rnn/settings.ts';
import type { FairdartsPresetName, FairdartsSettings } from './methods/fairdarts/settings.ts';
import type { SdartsPresetName, SdartsSettings } from './methods/sdarts/settings.ts';
import type { StacnasPresetName, StacnasSettings } from './methods/stacnas/settings.ts';
import type { TrainPresetName, TrainSettings } from './methods/train/settings.ts';
import type { LanguageTrainingSettings, languageTrainingPresets } from './methods/train_rnn/settings.ts';
import type { SearchEvent, SearchResult } from './run/events.ts';
import type { RunOptions, TrainingOptions } from './run/options.ts';
import type { Run } from './run/run.ts';
import { startMethod } from './run/start.ts';
import type { SearchSpace } from './space/space.ts';

/** Options of a search; all have defaults. */
export interface SearchOptions extends RunOptions {
  /** How to search: the name of a method, as `dartsmith methods` lists them; `darts` when absent. */
  readonly method?: string;
  /** Ready-made settings; the method's first, `quick`, when absent. */
  readonly preset?:
    | PresetName
    | FairdartsPresetName
    | StacnasPresetName
    | SdartsPresetName
    | BlankPresetName
    | keyof typeof recurrentSearchPresets;
  /** Settings of the method that replace the preset's. */
  readonly settings?:
    | Partial<SearchSettings>
    | Partial<FairdartsSettings>
    | Partial<StacnasSettings>
    | Partial<SdartsSettings>
    | Partial<BlankSettings>
    | Partial<RecurrentSearchSettings>;
  /** A known space's name or one of your own; the preset's or the method's first when absent. */
  readonly space?: string | SearchSpace;
  /** Directory of a run whose stages have found something, where the method's runs may begin with that (StacNAS). */
  readonly from?: string;
  /** Train what the search finds in the same run, which is resumed as a whole; `{}` as the method's authors did. Not when absent. */
  readonly training?: SearchTrainingOptions;
}

/** The training that follows a search; its defaults follow from the search's preset and settings. */
export interface SearchTrainingOptions extends TrainingOptions {
  readonly preset?: TrainPresetName | keyof typeof languageTrainingPresets;
  readonly settings?: Partial<TrainSettings> | Partial<LanguageTrainingSettings>;
}

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
