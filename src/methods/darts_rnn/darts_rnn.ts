import { languageMeasures } from '../language_measures.ts';
import { defineMethod } from '../method.ts';
import { describeRecurrentSearch } from './run.ts';
import { recurrentSearchPresets, recurrentSearchRules } from './settings.ts';

/** DARTS for recurrent cells. */
export const dartsRnn = defineMethod({
  name: 'darts-rnn',
  command: 'search',
  title: 'DARTS, recurrent cells',
  paper: 'arXiv:1806.09055',
  description:
    'Searches a recurrent cell for a language model with DARTS (arXiv:1806.09055) and writes it to a run directory. The text lies in --data-dir: train.txt, valid.txt and test.txt.',
  examples: [
    '--space rnn --data-dir text',
    '--space rnn --dataset ptb --data-dir penn --preset paper --unrolled --out runs/penn',
    '--space rnn --dataset wikitext2 --data-dir wikitext-2 --limit 200000 --then train',
    '--resume runs/penn',
  ],
  data: 'text',
  settings: recurrentSearchRules,
  presets: recurrentSearchPresets,
  spaces: ['rnn'],
  usualTraining: (preset) => ({ preset: preset === 'paper' ? 'ptb' : 'rnn-quick' }),
  measures: [
    ...languageMeasures,
    { name: 'validationLoss', of: 'step', label: 'validation loss', unit: 'loss', better: 'lower' },
    { name: 'searchLoss', of: 'epoch', label: 'loss where alpha learned', unit: 'loss', better: 'lower' },
  ],
  describe: describeRecurrentSearch,
});
