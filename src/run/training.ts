// The training that follows a search in one run: a run of its own, in a folder within that of the search.
import { anInteger } from '../checks.ts';
import { isCorpus, type RunData } from '../data/run_data.ts';
import { aPortion } from '../data/split.ts';
import { ArgumentError, DartsmithError, DataError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { recurrentGenotypes } from '../genotype/published/recurrent.ts';
import { genotypes } from '../genotype/published.ts';
import { parseGenotype } from '../genotype/text.ts';
import type { Method, MethodDescription, UsualTraining } from '../methods/method.ts';
import { trainingMethod } from '../methods/registry.ts';
import { checkOptionRules, type OptionRule, type OptionRules, record, word } from '../option_rules.ts';
import { checkSettings, resolvePreset } from '../setting_rules.ts';
import type { TrainingPlan } from './config.ts';
import type { MethodOptions, TrainingOptions } from './options.ts';

/** Fills in the defaults; those that are not the search's, of networks of a `skeleton`, are `usual`. Throws ArgumentError. */
export function planTraining(
  options: TrainingOptions,
  { preset: usualPreset, settings: usualSettings, seed: usualSeed }: UsualTraining,
  search: Pick<MethodOptions, 'seed' | 'limit' | 'dataset'> & { readonly skeleton?: string },
  method: Method,
): TrainingPlan {
  const { settings: table, presets, data } = method;
  checkOptionRules('the training (--then)', options, rules(presets, data));
  const { preset = usualPreset, settings = {}, validationPortion } = options;
  const limit =
    typeof search.dataset === 'object' ? undefined : (options.limit ?? search.limit ?? presets[preset].limit);
  const given = resolvePreset(table, presets, preset, { ...usualSettings, ...checkSettings(table, settings) });
  return {
    settings: (search.skeleton && method.inSkeleton?.(given, search.skeleton)) || given,
    seed: options.seed ?? usualSeed ?? search.seed ?? 0,
    ...(limit !== undefined && { limit }),
    ...(validationPortion !== undefined && { validationPortion }),
  };
}

/** Texts have a part of their own for that. */
const none: OptionRule = { words: 'nothing for a text', holds: (value) => value === undefined };

function rules(presets: Method['presets'], data: Method['data']): OptionRules<TrainingOptions> {
  return {
    preset: word(Object.keys(presets)),
    settings: record('an object of settings'),
    seed: anInteger(0),
    limit: anInteger(2),
    validationPortion: data === 'images' ? aPortion : none,
  };
}

/**
 * Holds a training to the data and the networks of the search that it follows, before that begins: whatever cells it finds. Throws
 * ArgumentError or DataError.
 */
export async function checkTraining(
  { settings, seed, validationPortion }: TrainingPlan,
  dataset: RunData,
  { genotypeCells, oneCell }: MethodDescription,
  methods: readonly Method[],
): Promise<void> {
  const any = genotypes['DARTS_V2'];
  const byType: Genotype = genotypeCells === undefined ? any : { cells: Array(genotypeCells).fill(any.normal) };
  const ofImages = oneCell ? parseGenotype('|skip_connect~0|') : byType;
  const genotype = isCorpus(dataset) ? recurrentGenotypes['DARTS_V2_RNN'] : ofImages;
  const method = trainingMethod(methods, isCorpus(dataset) ? 'text' : 'images');
  try {
    await method.describe({ settings, seed, dataset, genotype, validationPortion, space: '' });
  } catch (error) {
    if (!(error instanceof DartsmithError)) throw error;
    const Kind = error instanceof DataError ? DataError : ArgumentError;
    throw new Kind(`of the training that follows (--then): ${error.message}`, { cause: error });
  }
}
