import { type LanguageSettings, languageRules } from '../../learn/language_settings.ts';
import {
  choice,
  flag,
  integer,
  type Presets,
  presetsOf,
  type SettingsOf,
  type SettingTable,
} from '../../setting_rules.ts';

/** The rule of every setting of a language model's training; names and defaults are the published ones (arXiv:1806.09055, section A.2.2). */
export const languageTrainingRules = {
  ...languageRules({ emsize: 850, epochs: 8000, batchSize: 64, wdecay: 8e-7, dropoute: 0.1 }),
  nonmono: integer(5, 1, 100_000, 'epochs without a better validation loss before averaged SGD takes over'),
  maxSeqLenDelta: integer(20, 0, 1000, 'how much longer than usual a sequence may be'),
  currentRate: flag(false, "averaged SGD moves at a step's own rate, not at that of the step before, as published"),
  rollback: choice(
    'best',
    ['best', 'stop'],
    'where the loss is no longer finite: back to the best epoch, as published, or an error',
  ),
  testBatchSize: integer(1, 1, 4096, 'columns that the test text is scored in at the end'),
} satisfies SettingTable;

/** Settings of such a training; what each means is told in {@link languageTrainingRules}. */
export type LanguageTrainingSettings = SettingsOf<typeof languageTrainingRules> & LanguageSettings;

/** `ptb` and `wikitext2` are the published trainings; `rnn-quick` a small one that a laptop finishes in minutes. */
export const languageTrainingPresets: Presets<LanguageTrainingSettings, 'rnn-quick' | 'ptb' | 'wikitext2'> = presetsOf(
  languageTrainingRules,
  {
    'rnn-quick': {
      settings: {
        emsize: 128,
        epochs: 5,
        batchSize: 32,
        dropout: 0.25,
        dropoutx: 0.25,
        dropoute: 0,
        testBatchSize: 10,
      },
      limit: 100_000,
    },
    ptb: { settings: {} },
    wikitext2: { settings: { emsize: 700, dropouth: 0.15, wdecay: 5e-7 } },
  },
);
