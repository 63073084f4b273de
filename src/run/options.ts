import { isInFiles } from '../data/load.ts';
import { type PresetName, presets, resolveSettings, type SearchSettings } from '../methods/darts/settings.ts';
import { checkOptionRules, type OptionRules, record, word, wordOr } from '../option_rules.ts';
import { type SearchSpace, spaces } from '../space/space.ts';
import type { SearchConfig } from './config.ts';
import { planNewRun, planResumedRun, type RunOptions, type RunPlan, runRules, sameKind } from './run_options.ts';

/** Options of a search; all have defaults. */
export interface SearchOptions extends RunOptions {
  /** Ready-made settings; `quick` when absent. */
  readonly preset?: PresetName;
  /** Settings that replace the preset's. */
  readonly settings?: Partial<SearchSettings>;
  /** A known space's name or one of your own; `darts` when absent. */
  readonly space?: string | SearchSpace;
}

/** A checked search, new or resumed, with every default filled in. */
export interface SearchPlan extends RunPlan<SearchConfig> {
  readonly space: string | SearchSpace;
}

const searchRules: OptionRules<SearchOptions> = {
  ...runRules,
  preset: word(Object.keys(presets)),
  settings: record('an object of settings'),
  space: wordOr(Object.keys(spaces), 'a search space of your own'),
};

const fixedOnResume = ['limit', 'imageSize', 'colourProfile', 'preset', 'settings', 'seed', 'out'] as const;

/** Checks options and the run directory, and fills in the defaults. Throws ArgumentError or FileError. */
export async function planSearch(options: SearchOptions): Promise<SearchPlan> {
  checkOptionRules('search', options, searchRules);
  const { preset = 'quick', space, resume } = options;
  if (resume === undefined) {
    const settings = resolveSettings(preset, options.settings);
    const plan = await planNewRun<SearchConfig>(options, settings, presets[preset].limit);
    return { ...plan, imageSize: plan.imageSize ?? usualSize(plan.dataset), space: space ?? 'darts' };
  }
  const plan = await planResumedRun<SearchConfig, SearchOptions>('search', options, resume, fixedOnResume);
  return { ...plan, space: sameKind('space', space, plan.config.space, plan.files) };
}

/** Of image files: that of the published search. */
function usualSize(dataset: SearchPlan['dataset']): number | undefined {
  return typeof dataset === 'string' && isInFiles(dataset) ? 32 : undefined;
}
