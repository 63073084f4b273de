import type { Measure } from './method.ts';

/** What runs of language models report of steps and epochs. */
export const languageMeasures: readonly Measure[] = [
  { name: 'loss', of: 'step', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'perplexity', of: 'step', label: 'ppl', group: 'train', unit: 'perplexity', better: 'lower' },
  { name: 'learningRate', of: 'epoch', label: 'learning rate', unit: 'rate' },
  { name: 'trainPerplexity', of: 'epoch', label: 'ppl', group: 'train', unit: 'perplexity', better: 'lower' },
  { name: 'trainLoss', of: 'epoch', label: 'loss', group: 'train', unit: 'loss', better: 'lower' },
  { name: 'validationPerplexity', of: 'epoch', label: 'ppl', group: 'validation', unit: 'perplexity', better: 'lower' },
  { name: 'validationLoss', of: 'epoch', label: 'loss', group: 'validation', unit: 'loss', better: 'lower' },
  {
    name: 'exactPerplexity',
    of: 'epoch',
    label: 'exact ppl',
    group: 'validation',
    unit: 'perplexity',
    better: 'lower',
  },
  { name: 'bitsPerWord', of: 'epoch', label: 'bits a word', group: 'validation', unit: 'rate', better: 'lower' },
];
