import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset, ImageArrays, ImageFiles, ImageSet } from '../../../src/data/dataset.ts';
import { datasetDigest } from '../../../src/data/digest.ts';
import { holdOut, splitIndices } from '../../../src/data/split.ts';
import { ArgumentError } from '../../../src/errors.ts';

describe('splitIndices', () => {
  it('puts each position in exactly one part', () => {
    for (const [count, portion, trainCount] of [
      [2, 0.5, 1],
      [7, 0.5, 3],
      [1000, 0.3, 300],
      [101, 0.99, 99],
    ]) {
      const { train, validation } = splitIndices(count, portion, 3);
      expect(train.length).toBe(trainCount);
      expect([...train, ...validation].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }
  });

  it('depends on the seed and on nothing else, and mixes', () => {
    const first = splitIndices(500, 0.5, 11);
    expect(splitIndices(500, 0.5, 11)).toEqual(first);
    expect(splitIndices(500, 0.5, 12)).not.toEqual(first);
    expect(splitIndices(500, 0.5, 11 + 2 ** 32)).not.toEqual(first);
    const low = first.train.filter((position) => position < 250).length;
    expect(Math.abs(low - 125)).toBeLessThan(40);
  });

  it('leaves no image for alpha where all are for the weights', () => {
    const { train, validation } = splitIndices(10, 1, 3);
    expect([...train].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(validation).toHaveLength(0);
  });

  it('refuses an empty part and what is no count, share or seed', () => {
    for (const [count, portion, seed, name] of [
      [2, 0.4, 0, 'trainPortion'],
      [10, 1.1, 0, 'trainPortion'],
      [10, 0, 0, 'trainPortion'],
      [10, Number.NaN, 0, 'trainPortion'],
      [1, 0.5, 0, 'count'],
      [2.5, 0.5, 0, 'count'],
      [10, 0.5, -1, 'seed'],
      [10, 0.5, 2 ** 53, 'seed'],
    ] as const) {
      expect(() => splitIndices(count, portion, seed)).toThrow(ArgumentError);
      expect(() => splitIndices(count, portion, seed)).toThrow(` for ${name} but received `);
    }
  });
});

describe('datasetDigest', () => {
  const train: ImageArrays = {
    images: Uint8Array.of(1, 2, 3, 4),
    labels: Int32Array.of(0, 1),
    shape: [2, 1, 1],
  };
  const dataset: Dataset = {
    name: 'tiny',
    train,
    classes: 2,
    classNames: [],
    mean: [0],
    deviation: [1],
    augmentation: { pad: 0, flip: false },
    notices: [],
  };
  let digest: string;

  beforeAll(async () => {
    digest = await datasetDigest(dataset);
  });

  it('is SHA-256 of normalisation and augmentation, then of shape, count and labels as little-endian int32, then pixels', () => {
    const bytes = [2, 1, 1, 2, 0, 1].flatMap((value) => [value, 0, 0, 0]);
    expect(digest).toBe(
      createHash('sha256')
        .update('[[0],[1],0,false]')
        .update(Uint8Array.from([...bytes, 1, 2, 3, 4]))
        .digest('hex'),
    );
  });

  it('changes with images, normalisation and augmentation, and with nothing else', async () => {
    const changed: readonly Partial<ImageArrays>[] = [
      { shape: [1, 2, 1] },
      { labels: Int32Array.of(1, 0) },
      { images: Uint8Array.of(1, 2, 3, 5) },
    ];
    const others: readonly Dataset[] = [
      ...changed.flatMap((change) => {
        const set = { ...train, ...change };
        return [
          { ...dataset, train: set },
          { ...dataset, test: set },
        ];
      }),
      { ...dataset, test: train },
      { ...dataset, mean: [0.5] },
      { ...dataset, deviation: [0.5] },
      { ...dataset, augmentation: { pad: 1, flip: false } },
      { ...dataset, augmentation: { pad: 0, flip: true } },
    ];
    expect(new Set([digest, ...(await Promise.all(others.map(datasetDigest)))]).size).toBe(1 + others.length);
    expect(await datasetDigest({ ...dataset, name: 'other', classes: 9, notices: ['x'] })).toBe(digest);
  });

  it('does not depend on the pieces in which it is taken', async () => {
    const int32s = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);
    const labels = Int32Array.from({ length: 40_000 }, (_, i) => i % 3);
    const images = Uint8Array.from({ length: 400_000 }, (_, i) => i % 251);
    const hash = () => createHash('sha256').update('[[0],[1],0,false]');
    const large: Dataset = { ...dataset, train: { images, labels, shape: [1, 10, 1] } };
    const expected = hash()
      .update(int32s(1, 10, 1, 40_000, ...labels))
      .update(images);
    expect(await datasetDigest(large)).toBe(expected.digest('hex'));
    for (const count of [0, 1, 512, 513, 1300]) {
      const names = Array.from({ length: count }, (_, i) => `${i}.png`);
      const files = { folder: '', classFolders: ['a', 'b'], names, labels: new Int32Array(count), shape: [1, 1, 3] };
      const listed = { ...dataset, train: files } as unknown as Dataset<ImageSet>;
      const expected = hash()
        .update(int32s(1, 1, 3, count))
        .update(new Uint8Array(4 * count));
      expected.update(`a\0b\0${names.join('\0')}\0`);
      expect(await datasetDigest(listed), `${count} names`).toBe(expected.digest('hex'));
    }
  });
});

describe('holdOut', () => {
  const counts = [20, 1, 2, 9];
  const labels = counts.flatMap((count, label) => new Array<number>(count).fill(label));
  const train: ImageArrays = {
    images: Uint8Array.from(labels, (_, i) => i),
    labels: Int32Array.from(labels),
    shape: [1, 1, 1],
  };
  const dataset: Dataset = {
    ...{ name: 'own', train, lacksTest: 'D has no val', classes: 4, classNames: [], mean: [0], deviation: [1] },
    ...{ augmentation: { pad: 0, flip: false }, notices: ['D has no val: there are no test images', 'another'] },
  };
  const counted = (set: ImageArrays) => [0, 1, 2, 3].map((label) => set.labels.filter((own) => own === label).length);

  it('keeps a share of each class, at least one and never all, and every image once', () => {
    const held = holdOut(dataset, 0.1, 5);
    expect([counted(held.test!), counted(held.train)]).toEqual([
      [2, 0, 1, 1],
      [18, 1, 1, 8],
    ]);
    expect([...held.train.images, ...held.test!.images].sort((a, b) => a - b)).toEqual([...train.images]);
    for (const set of [held.train, held.test!]) {
      expect([...set.images].map((image) => labels[image])).toEqual([...set.labels]);
    }
    expect([held.lacksTest, held.notices]).toEqual([
      undefined,
      ['another', 'scored on 4 of the training images, which are not learned from'],
    ]);
  });

  it('depends on the seed, which the digest covers', async () => {
    const digestOf = (portion: number, seed: number) => datasetDigest(holdOut(dataset, portion, seed));
    const digest = await digestOf(0.3, 5);
    expect(await digestOf(0.3, 5)).toBe(digest);
    expect(await digestOf(0.3, 6)).not.toBe(digest);
    expect(await digestOf(0.4, 5)).not.toBe(digest);
  });

  it('takes image files too, and leaves test images alone', () => {
    const names = labels.map((_, i) => `${i}.png`);
    const files: ImageFiles = {
      folder: 'd',
      classFolders: ['a', 'b', 'c', 'd'],
      names,
      labels: train.labels,
      shape: [8, 8, 3],
    };
    const held = holdOut({ ...dataset, lacksTest: undefined, train: files, test: files }, 0.5, 1);
    expect(held.test!.names.length).toBe(10 + 0 + 1 + 5);
    expect(new Set([...held.train.names, ...held.test!.names])).toEqual(new Set(names));
    expect(held.notices.at(-1)).toContain('which are not learned from; the test images are left alone');
  });

  it('refuses what is no share, and classes of one image', () => {
    for (const portion of [0, 1, -0.1, Number.NaN, '0.1' as unknown as number]) {
      expect(() => holdOut(dataset, portion, 1)).toThrow(
        'expected a number above 0 and below 1, such as 0.1 for validationPortion (--validation-portion)',
      );
    }
    const single = { ...dataset, train: { ...train, images: train.images.slice(0, 1), labels: Int32Array.of(0) } };
    expect(() => holdOut(single, 0.5, 1)).toThrow('none where no class has two images');
  });
});
