import { noiseDistributionOf, noiseScale } from '../../learn/noise.ts';
import type { Supernet } from '../../network/supernet.ts';
import type { RowsByTable } from '../../select/alpha.ts';
import { reweighted } from '../../select/reweight.ts';
import { genotypeOf } from '../../select/strongest_edges.ts';
import { type SearchSpace, spaceOf } from '../../space/space.ts';
import { alternatingMeasures, alternatingSearch } from '../alternating_search.ts';
import { defineMethod, type MethodContext } from '../method.ts';
import { zeroOneMeasures, zeroOneReports } from '../zero_one_search.ts';
import { describeRandomSearch, randomMeasures } from './random_search.ts';
import { presets, type SearchSettings, settingRules } from './settings.ts';
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
    '--space fairdarts --aux-loss-weight 10',
    '--preset fairdarts --noise-darts --noise-type U --dataset cifar10 --data-dir cifar-10-batches-bin --seed 2',
    '--preset fairdarts --random-search --num-arch 4 --flops-threshold 450',
    '--preset darts-pt --space s3 --dataset cifar10 --data-dir cifar-10-batches-bin --seed 2',
    '--space nasbench201 --then train',
    '--preset nasbench201 --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/nasbench201',
    '--resume runs/mine --threads 4',
    '--json > events.jsonl',
  ],
  data: 'images',
  imageSize: 32,
  settings: settingRules,
  presets,
  spaces: [
    ...['darts', 'darts_without_none', 'fairdarts', 's1', 's2', 's3', 's4', 's5'],
    ...[
      'nasbench201',
      'nas-bench-201-simple',
      'nas-bench-201-s2',
      'nas-bench-201-s4',
      'nas-bench-201-s10',
      'connect-nas',
    ],
  ],
  usualTraining: (preset) => ({ preset: usualTrainings[preset] }),
  measures: [...alternatingMeasures, ...zeroOneMeasures(true), ...randomMeasures],
  describe: (context) => {
    const { settings } = context;
    const select = selection(settings);
    if (settings.randomSearch) return describeRandomSearch(context, select);
    return alternatingSearch(
      { ...context, space: searchedSpace(context) },
      {
        alpha: alphaStep,
        select,
        ...(settings.auxLossWeight > 0 && zeroOneReports<SearchSettings>(settings)),
        noiseScale: (epoch) => noiseScale(settings, epoch),
      },
    );
  },
});

const usualTrainings: Readonly<Record<string, string>> = {
  ...{ quick: 'quick', paper: 'cifar10', fairdarts: 'fairdarts', 'darts-pt': 'darts-pt' },
  ...{ 'nasbench201-quick': 'nasbench201-quick', nasbench201: 'nasbench201' },
};

function searchedSpace({
  space,
  settings,
}: Pick<MethodContext<SearchSettings>, 'space' | 'settings'>): string | SearchSpace {
  if (!settings.noiseDarts) return space;
  return { ...spaceOf(space), skipNoise: noiseDistributionOf[settings.noiseType] };
}

function selection({ reweight }: SearchSettings) {
  return (supernet: Supernet, mixing: RowsByTable) => {
    const genotype = genotypeOf(supernet, mixing);
    return reweight ? reweighted(supernet, mixing, genotype) : genotype;
  };
}
