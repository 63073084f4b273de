import { type LanguageSettings, languageRules } from '../../learn/language_settings.ts';
import { flag, number, type Presets, presetsOf, type SettingsOf, type SettingTable } from '../../setting_rules.ts';

/** The rule of every setting of a search for recurrent cells; names and defaults are the published ones (arXiv:1806.09055). */
export const recurrentSearchRules = {
  ...languageRules({ emsize: 300, epochs: 50, batchSize: 256, wdecay: 5e-7, dropoute: 0 }),
  archLr: number(3e-3, 0, 100, 'learning rate of the architecture parameters'),
  archWdecay: number(1e-3, 0, 100, 'weight decay of the architecture parameters'),
  unrolled: flag(false, 'second order: alpha follows the hypergradient through one unrolled step'),
  newEmbedding: flag(false, 'the unrolled step moves the embedding, which the published code forgets'),
  clampCoefficient: flag(false, 'the implicit term is never multiplied by more than 1, as the published code does'),
  sameMasks: flag(false, 'both sides of the finite difference see the masks of the training batch'),
  addGroups: flag(false, "gradients of the weights are added over groups (smallBatchSize), not the last one's alone"),
  zeroAtWrap: flag(false, 'the hidden state of the validation text is zero again where that text begins anew'),
} satisfies SettingTable;

/** Settings of such a search; what each means is told in {@link recurrentSearchRules}. */
export type RecurrentSearchSettings = SettingsOf<typeof recurrentSearchRules> & LanguageSettings;

/** `paper` is the published search on PTB and WikiText-2, of first order unless told; `quick` a small one that a laptop finishes in minutes. */
export const recurrentSearchPresets: Presets<RecurrentSearchSettings, 'quick' | 'paper'> = presetsOf(
  recurrentSearchRules,
  {
    quick: { settings: { emsize: 64, epochs: 3, batchSize: 32, dropout: 0.25, dropoutx: 0.25 }, limit: 100_000 },
    paper: { settings: {} },
  },
);
