import { genotypeOf } from '../../select/strongest_edges.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod } from '../method.ts';
import { presets, settingRules } from './settings.ts';
import { alphaStep } from './step.ts';

/** DARTS: differentiable architecture search. */
export const darts = defineMethod({
  name: 'darts',
  command: 'search',
  title: 'DARTS',
  paper: 'arXiv:1806.09055',
  description: 'Searches an architecture with DARTS (arXiv:1806.09055) and writes it to a run directory.',
  examples: [
    '',
    '--dataset cifar10 --data-dir cifar-10-batches-bin --preset paper --unrolled',
    '--dataset folder --data-dir photographs --image-size 64 --epochs 10 --out runs/mine',
    '--resume runs/mine --threads 4',
    '--json > events.jsonl',
  ],
  data: 'images',
  imageSize: 32,
  settings: settingRules,
  presets,
  spaces: ['darts'],
  measures: alternatingMeasures,
  describe: (context) => alternatingSearch(context, { alpha: alphaStep, select: genotypeOf }),
});
