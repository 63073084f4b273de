import type { Measure } from '../method.ts';

/** What such a search reports: each step one network's or both, so that most of it is optional. */
export const measures: readonly Measure[] = [
  ofStep('loss', 'search loss', 'loss'),
  ofStep('accuracy', 'acc', 'share'),
  ofStep('evaluationLoss', 'evaluation loss', 'loss'),
  ofStep('evaluationAccuracy', 'acc', 'share'),
  ofStep('validationLoss', 'validation loss', 'loss'),
  ofStep('evaluationValidationLoss', "evaluation's", 'loss'),
  ofStep('distance', 'distance', 'loss'),
  ofStep('regulariser', 'alpha', 'loss'),
  { name: 'learningRate', of: 'epoch', label: 'learning rate', unit: 'rate' },
  ofEpoch('trainAccuracy', 'accuracy', 'search', 'share'),
  ofEpoch('trainLoss', 'loss', 'search', 'loss'),
  ofEpoch('searchLoss', 'validation loss', 'search', 'loss'),
  ofEpoch('evaluationTrainAccuracy', 'accuracy', 'evaluation', 'share'),
  ofEpoch('evaluationTrainLoss', 'loss', 'evaluation', 'loss'),
  ofEpoch('evaluationValidationLoss', 'validation loss', 'evaluation', 'loss'),
  ofEpoch('distance', 'distance', 'evaluation', 'loss'),
  ofEpoch('margin', 'margin', 'decision', 'share'),
  { name: 'regulariser', of: 'epoch', label: 'size of alpha', unit: 'loss', optional: true },
  { name: 'regularWeight', of: 'epoch', label: 'weight of the regulariser', unit: 'rate', optional: true },
];

function ofStep(name: string, label: string, unit: Measure['unit']): Measure {
  return { name, of: 'step', group: 'step', label, unit, better: unit === 'loss' ? 'lower' : 'higher', optional: true };
}

function ofEpoch(name: string, label: string, group: string, unit: Measure['unit']): Measure {
  return { ...ofStep(name, label, unit), of: 'epoch', group };
}
