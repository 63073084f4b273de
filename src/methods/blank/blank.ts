import { genotypeOf } from '../../select/strongest_edges.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod } from '../method.ts';
import { blankPresets, blankSettingRules } from './settings.ts';

/** A supernet alone: alpha stays as it was drawn, so that all candidates weigh about alike, and a selection decides. */
export const blank = defineMethod({
  name: 'blank',
  command: 'search',
  title: 'blank',
  paper: 'arXiv:2108.04392',
  description:
    'Trains a supernet whose alpha never learns (arXiv:2108.04392), for a selection by perturbation: dartsmith select RUN --by projection.',
  examples: [
    '',
    '--preset paper --space s2 --dataset cifar10 --data-dir cifar-10-batches-bin --seed 2 --out runs/blank',
    '--space darts --no-drawn-batches --no-file-order',
  ],
  data: 'images',
  imageSize: 32,
  settings: blankSettingRules,
  presets: blankPresets,
  spaces: ['s5', 's1', 's2', 's3', 's4', 'darts', 'nasbench201'],
  usualTraining: (preset) => ({ preset: preset === 'paper' ? 'darts-pt' : 'quick' }),
  // Nothing learns on validation images.
  measures: alternatingMeasures.filter(({ name, of }) => !(name === 'validationLoss' && of === 'step')),
  describe: (context) => alternatingSearch(context, { validation: 'none', alpha: () => [], select: genotypeOf }),
});
