import { emptyCellNotice } from '../../select/empty_cells.ts';
import { selectGenotype } from '../../select/rules.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod, type Measure } from '../method.ts';
import { searchLossGroup, zeroOneMeasures } from '../zero_one_search.ts';
import { fairdartsPresets, fairdartsSettingRules } from './settings.ts';
import { fairdartsParts } from './step.ts';

/** FairDARTS: every candidate has a chance of its own. */
export const fairdarts = defineMethod({
  name: 'fairdarts',
  command: 'search',
  title: 'FairDARTS',
  paper: 'arXiv:1911.12126',
  description:
    'Searches an architecture with FairDARTS (arXiv:1911.12126): candidates do not compete, and any number of them may stay.',
  examples: [
    '',
    '--dataset cifar10 --data-dir cifar-10-batches-bin --preset paper --seed 2',
    '--dataset cifar10 --data-dir cifar-10-batches-bin --preset paper --aux-loss-weight 8 --sep-loss l1',
    '--parse-method threshold_edge --op-threshold 0.8 --out runs/edges',
    '--single-level --no-augmented-validation',
    '--space darts_without_none --parse-method darts',
    '--space nasbench201 --parse-method darts --layers 6',
  ],
  data: 'images',
  imageSize: 32,
  settings: fairdartsSettingRules,
  presets: fairdartsPresets,
  spaces: ['fairdarts', 'darts_without_none', 'darts', 'nasbench201'],
  usualTraining: (preset) => ({ preset: preset === 'paper' ? 'fairdarts' : 'quick' }),
  measures: [...alternatingMeasures.map(told), ...zeroOneMeasures(false)],
  describe: (context) => {
    const { parseMethod: by, opThreshold: threshold } = context.settings;
    return alternatingSearch(context, {
      ...fairdartsParts(context.settings),
      selection: { by, threshold },
      select: (supernet, mixing) => selectGenotype(supernet, mixing, { by, threshold }),
      notices: (supernet, mixing, genotype) => {
        const notice = emptyCellNotice(supernet, mixing, genotype, threshold);
        return notice === undefined ? [] : [notice];
      },
    });
  },
});

/** Lines for people have what the published code prints: the loss that alpha learned from, and the share among the five likeliest. */
function told(measure: Measure): Measure {
  const { name, of } = measure;
  if (name === 'validationLoss' && of === 'step') return { ...measure, label: 'search loss', group: searchLossGroup };
  return name === 'validationTop5' ? { ...measure, group: 'validation' } : measure;
}
