import { criteria } from '../../select/absence.ts';
import {
  choice,
  flag,
  integer,
  number,
  type Presets,
  presetsOf,
  type SettingsOf,
  type SettingTable,
} from '../../setting_rules.ts';

/** What tells how much an absence hurts, of selections that score. */
const scoreRules = {
  projCrit: choice(
    'acc',
    criteria,
    'what tells how much an absence hurts: the accuracy or the loss on validation images',
  ),
  projCritEdge: choice('same', ['same', ...criteria], 'the same of the inputs of nodes'),
  cumulative: flag(false, 'edges that a node lost in an earlier round stay away while the next ones are tried'),
  plainScores: flag(
    false,
    'score on images as they are, in their order, rather than augmented and shuffled anew each time',
  ),
  keepStatistics: flag(false, 'leave the running statistics alone while scoring'),
} satisfies SettingTable;

/** The rule of every setting of a selection by magnitude with fine-tuning; names and defaults are the published ones (arXiv:2108.04392). */
export const magnitudeSettingRules = {
  projIntv: integer(5, 1, 1e6, 'epochs of fine-tuning between two decisions'),
  decideAll: flag(
    false,
    'decide every edge where projIntv is 1 and nodes keep all of theirs; the last is left to alpha otherwise',
  ),
  keepNone: flag(
    false,
    'an edge whose decision was none stays out of the genotype, rather than come with its next best operation',
  ),
  batchSize: integer(64, 1, 65536, 'images a step, and of a score'),
  learningRate: number(0.0025, 0, 100, 'of the weights'),
  learningRateCosine: flag(
    false,
    'the learning rate falls to learningRateMin by a cosine over all epochs, rather than stay',
  ),
  learningRateMin: number(0.001, 0, 100, 'where that ends'),
  momentum: number(0.9, 0, 1, 'of the weights'),
  weightDecay: number(3e-4, 0, 100, 'of the weights'),
  gradClip: number(5, 1e-12, Number.MAX_VALUE, 'largest norm of the weight gradient'),
} satisfies SettingTable;

/** The same of a perturbation-based selection. */
export const projectionSettingRules = { ...scoreRules, ...magnitudeSettingRules } satisfies SettingTable;

/** Settings of a selection by magnitude; what each means is told in {@link magnitudeSettingRules}. */
export type MagnitudeSettings = SettingsOf<typeof magnitudeSettingRules>;

/** Settings of a selection; what each means is told in {@link projectionSettingRules}. */
export type ProjectionSettings = SettingsOf<typeof projectionSettingRules>;

/** The names of the ready-made settings. */
export type ProjectionPresetName = 'paper' | 'quick';

/** `paper` is the published selection, `quick` one with an epoch between decisions. */
export const projectionPresets: Presets<ProjectionSettings, ProjectionPresetName> = presetsOf(projectionSettingRules, {
  paper: { settings: {} },
  quick: { settings: { projIntv: 1 } },
});

/** The same of a selection by magnitude. */
export const magnitudePresets: Presets<MagnitudeSettings, ProjectionPresetName> = presetsOf(magnitudeSettingRules, {
  paper: { settings: {} },
  quick: { settings: { projIntv: 1 } },
});
