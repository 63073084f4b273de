import { describe, expect, it } from 'vitest';
import { checkedDataset } from '../../../src/data/check.ts';
import type { Dataset } from '../../../src/data/dataset.ts';
import { ArgumentError } from '../../../src/errors.ts';

const train = { images: new Uint8Array(24), labels: Int32Array.of(0, 1), shape: [2, 2, 3] } as const;
const dataset: Dataset = {
  ...{ name: 'own', train, test: train, classes: 2, classNames: [], mean: [0, 0, 0], deviation: [1, 1, 1] },
  ...{ augmentation: { pad: 0, flip: false }, notices: [] },
};

describe('a dataset of the user’s own', () => {
  it('is taken as it is where its parts fit together', () => {
    expect(checkedDataset(dataset)).toBe(dataset);
  });

  it.each<[unknown, string]>([
    [null, 'expected a name or a dataset object for dataset but received null'],
    [{ ...dataset, classes: 0 }, 'a positive integer for dataset.classes'],
    [{ ...dataset, classNames: ['a'] }, '2 names, one a class, or none for dataset.classNames'],
    [{ ...dataset, mean: [0] }, '3 numbers, one a channel for dataset.mean'],
    [{ ...dataset, deviation: [1, 0, 1] }, '3 positive numbers, one a channel for dataset.deviation'],
    [{ ...dataset, train: undefined }, 'for dataset.train.shape but received undefined'],
    [{ ...dataset, train: { ...train, labels: [0, 1] } }, 'an Int32Array for dataset.train.labels'],
    [
      { ...dataset, train: { ...train, labels: Int32Array.of(0, 7) } },
      'expected a label from 0 to 1 for dataset.train.labels[1] but received 7',
    ],
    [{ ...dataset, test: { ...train, labels: Int32Array.of(-1, 0) } }, 'dataset.test.labels[0] but received -1'],
    [
      { ...dataset, test: { ...train, images: new Uint8Array(23) } },
      'a Uint8Array of 24 bytes, 2x2x3 a label for dataset.test.images but received Uint8Array of 23 bytes',
    ],
    [
      {
        ...dataset,
        train: { folder: 'd', classFolders: ['a', 'b'], names: ['1'], labels: train.labels, shape: [2, 2, 3] },
      },
      '2 names, one a label for dataset.train.names',
    ],
  ])('%# is refused by the name of the field', (value, message) => {
    const check = () => checkedDataset(value as Dataset);
    expect(check).toThrow(ArgumentError);
    expect(check).toThrow(message);
  });
});
