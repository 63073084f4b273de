import { defineMethod, type Measure } from '../method.ts';
import { describeTraining } from './run.ts';
import { type TrainSettings, trainPresets, trainSettingRules } from './settings.ts';

const measures: readonly Measure[] = [
  { name: 'loss', of: 'step', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'accuracy', of: 'step', label: 'acc', group: 'train', unit: 'share', better: 'higher' },
  { name: 'learningRate', of: 'epoch', label: 'learning rate', unit: 'rate' },
  { name: 'weightDecay', of: 'epoch', label: 'weight decay', unit: 'rate', optional: true },
  { name: 'dropPath', of: 'epoch', label: 'drop path', unit: 'share', optional: true },
  { name: 'trainAccuracy', of: 'epoch', label: 'accuracy', group: 'train', unit: 'share', better: 'higher' },
  { name: 'trainLoss', of: 'epoch', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'validationAccuracy', of: 'epoch', label: 'accuracy', group: 'test', unit: 'share', better: 'higher' },
  {
    name: 'validationTop5',
    of: 'epoch',
    label: 'top-5',
    group: 'test',
    unit: 'share',
    better: 'higher',
    optional: true,
  },
  { name: 'validationLoss', of: 'epoch', label: 'loss', group: 'test', unit: 'loss', better: 'lower' },
];

/** Genotypes tell the others by their form. */
function inSkeleton(settings: TrainSettings, name: string): TrainSettings {
  const skeleton = trainSettingRules.skeleton.words.find((word) => word === name);
  return settings.skeleton === 'usual' && skeleton !== undefined ? { ...settings, skeleton } : settings;
}

/** The training of a genotype's network from scratch. */
export const train = defineMethod({
  name: 'train',
  command: 'train',
  title: 'training from scratch',
  paper: 'arXiv:1806.09055',
  description:
    'Trains the derived network of a genotype from scratch (arXiv:1806.09055, section 3.2), scores it on the test images after each epoch and writes its weights to a run directory.',
  examples: [
    '--arch DARTS_V2',
    '--arch runs/mine --preset cifar10 --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/mine-trained',
    '--arch genotype.json --epochs 20 --no-auxiliary',
    '--arch FairDARTS_a --preset fairdarts --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/fairdarts',
    '--arch DARTS_V2 --preset imagenet --dataset imagenet --data-dir ILSVRC2012 --out runs/imagenet',
    '--arch runs/mine --dataset folder --data-dir photographs --image-size 64 --validation-portion 0.1',
    '--resume runs/mine-trained',
  ],
  data: 'images',
  settings: trainSettingRules,
  presets: trainPresets,
  needs: 'genotype',
  inSkeleton,
  measures,
  describe: describeTraining,
});
