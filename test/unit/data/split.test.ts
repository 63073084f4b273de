import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Dataset, ImageArrays, ImageSet } from '../../../src/data/dataset.ts';
import { datasetDigest } from '../../../src/data/digest.ts';
import { splitIndices } from '../../../src/data/split.ts';
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

  it('refuses an empty part and what is no count, share or seed', () => {
    for (const [count, portion, seed, name] of [
      [2, 0.4, 0, 'trainPortion'],
      [10, 1, 0, 'trainPortion'],
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
