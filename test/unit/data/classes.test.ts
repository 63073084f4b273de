import { describe, expect, it } from 'vitest';
import { emptyClassNotices, labelledFor } from '../../../src/data/classes.ts';
import type { ImageFiles } from '../../../src/data/dataset.ts';
import { pathOf } from '../../../src/data/folder.ts';
import { DataError } from '../../../src/errors.ts';

const arrays = (...labels: number[]) => ({
  images: new Uint8Array(labels.length),
  labels: Int32Array.from(labels),
  shape: [1, 1, 1] as const,
});
const dataset = (...classNames: string[]) => ({ name: 'own', classes: classNames.length, classNames });
const network = { count: 3, names: ['cat', 'dog', 'fox'] };

describe('labelledFor', () => {
  it('gives images the labels that the network has for their names, whatever their order and number', () => {
    const { labels } = labelledFor(arrays(0, 1, 1), dataset('fox', 'cat'), network);
    expect([...labels]).toEqual([2, 0, 0]);
  });

  it('keeps files in their class folders', () => {
    const files: ImageFiles = {
      ...{ folder: 'v', classFolders: ['dog', 'wolf', 'cat'], names: ['1.png', '2.png'], shape: [8, 8, 3] },
      labels: Int32Array.of(2, 0),
    };
    const labelled = labelledFor(files, dataset('dog', 'wolf', 'cat'), network);
    expect([...labelled.labels]).toEqual([0, 1]);
    expect([0, 1].map((image) => pathOf(labelled, image))).toEqual(['v/cat/1.png', 'v/dog/2.png']);
  });

  it('refuses classes that the network lacks, by name, if there are images of them', () => {
    const own = dataset('dog', 'fox', 'wolf');
    expect([...labelledFor(arrays(0, 1), own, network).labels]).toEqual([1, 2]);
    expect(() => labelledFor(arrays(0, 1, 2), own, network)).toThrow(DataError);
    expect(() => labelledFor(arrays(0, 1, 2), own, network)).toThrow('trained on (cat, dog, fox), found wolf');
  });

  it('goes by number where either tells no names, as far as that means anything', () => {
    const unnamed = { count: 3 };
    expect([...labelledFor(arrays(0, 2), { name: 'own', classes: 3, classNames: [] }, network).labels]).toEqual([0, 2]);
    expect([...labelledFor(arrays(0, 2), dataset('a', 'b', 'c'), unnamed).labels]).toEqual([0, 2]);
    const beyond = { name: 'own', classes: 4, classNames: [] };
    expect(() => labelledFor(arrays(0, 3), beyond, network)).toThrow("labels below 3, the network's classes, found 3");
    expect(() => labelledFor(arrays(0, 1), dataset('a', 'b'), unnamed)).toThrow('found 2: a, b');
  });
});

describe('emptyClassNotices', () => {
  it('counts and names classes without images', () => {
    expect(emptyClassNotices(arrays(0, 1), dataset('a', 'b'), 'test')).toEqual([]);
    expect(emptyClassNotices(arrays(1), dataset('a', 'b'), 'test')).toEqual(['1 of 2 classes has no test images: a']);
    const many = { classes: 12, classNames: [] };
    expect(emptyClassNotices(arrays(0), many, 'training')).toEqual([
      '11 of 12 classes have no training images: 1, 2, 3, 4, 5, 6, 5 more',
    ]);
  });
});
