import { alphaUpdate } from '../../learn/alpha_step.ts';
import { genotypeOf } from '../../select/strongest_edges.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod } from '../method.ts';
import { disturb, epsilonIn } from './disturb.ts';
import { sdartsPresets, sdartsSettingRules } from './settings.ts';

/** SDARTS: the weights learn at disturbed mixing weights. */
export const sdarts = defineMethod({
  name: 'sdarts',
  command: 'search',
  title: 'SDARTS',
  paper: 'arXiv:2002.05283',
  description:
    'Searches an architecture with SDARTS (arXiv:2002.05283): weights learn at mixing weights that are disturbed, at random or by an attack.',
  examples: [
    '',
    '--preset paper --dataset cifar10 --data-dir cifar-10-batches-bin --seed 2 --out runs/rs',
    '--preset paper --perturb-alpha pgd_linf --dataset cifar10 --data-dir cifar-10-batches-bin --seed 2 --out runs/adv',
  ],
  data: 'images',
  imageSize: 32,
  settings: sdartsSettingRules,
  presets: sdartsPresets,
  spaces: ['s5', 's1', 's2', 's3', 's4', 'darts', 'nasbench201'],
  usualTraining: (preset) => ({ preset: preset === 'paper' ? 'darts-pt' : 'quick' }),
  measures: alternatingMeasures,
  describe: (context) =>
    alternatingSearch(context, {
      alpha: ({ validationProgram: program, validation: batch, settings, update }) => [
        { kind: 'gradients', program, batch, target: 'alpha' },
        alphaUpdate(program.parameters, settings, update),
      ],
      disturb: (step) => disturb(step, epsilonIn(context.settings, step.at.epoch)),
      select: genotypeOf,
    }),
});
