import { languageMeasures } from '../language_measures.ts';
import { defineMethod } from '../method.ts';
import { describeLanguageTraining } from './run.ts';
import { languageTrainingPresets, languageTrainingRules } from './settings.ts';

/** The training of a recurrent cell's language model from scratch. */
export const trainRnn = defineMethod({
  name: 'train-rnn',
  command: 'train',
  title: 'training of a language model',
  paper: 'arXiv:1806.09055',
  description:
    'Trains the language model of a recurrent cell from scratch (arXiv:1806.09055, section A.2.2): SGD, then averaged SGD; scores it on the validation text after each epoch and its best weights on the test text at the end. The text lies in --data-dir: train.txt, valid.txt and test.txt.',
  examples: [
    '--arch DARTS_V2_RNN --data-dir text',
    '--arch DARTS_V2_RNN --preset ptb --dataset ptb --data-dir penn --out runs/penn',
    '--arch runs/mine --dataset wikitext2 --data-dir wikitext-2 --limit 200000',
    '--resume runs/penn',
  ],
  data: 'text',
  settings: languageTrainingRules,
  presets: languageTrainingPresets,
  needs: 'genotype',
  measures: languageMeasures,
  describe: describeLanguageTraining,
});
