import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../../src/data/load.ts';
import { byteAt, failure, folderOf, idxFile, idxImages, idxLabels, idxSet, scratchFolder } from './fixtures.ts';

const trainImages = 'train-images-idx3-ubyte';
const trainLabels = 'train-labels-idx1-ubyte';

describe('an IDX folder', () => {
  it('gives images, labels, classes and computed statistics', async () => {
    const dataset = await loadDataset('idx', { dataDir: folderOf(idxSet()) });
    expect(dataset.train.shape).toEqual([4, 5, 1]);
    const pixels = Array.from({ length: 120 }, (_, i) => byteAt(i));
    expect([...dataset.train.images]).toEqual(pixels);
    expect([...dataset.train.labels]).toEqual([0, 3, 1, 2, 1, 0]);
    expect([...dataset.test!.labels]).toEqual([2, 0, 1]);
    expect(dataset.test!.images.length).toBe(60);
    expect(dataset.classes).toBe(4);
    expect(dataset.notices).toEqual([]);
    const mean = pixels.reduce((sum, pixel) => sum + pixel, 0) / 120 / 255;
    const variance = pixels.reduce((sum, pixel) => sum + (pixel / 255 - mean) ** 2, 0) / 120;
    expect(dataset.mean[0]).toBeCloseTo(mean, 12);
    expect(dataset.deviation[0]).toBeCloseTo(Math.sqrt(variance), 12);
  });

  it('counts classes over test labels and over labels beyond the limit too', async () => {
    const byTest = { ...idxSet(), 't10k-labels-idx1-ubyte': idxLabels([2, 9, 1]) };
    expect((await loadDataset('idx', { dataDir: folderOf(byTest) })).classes).toBe(10);
    const beyond = { ...idxSet(), [trainLabels]: idxLabels([0, 1, 0, 1, 0, 7]) };
    expect((await loadDataset('idx', { dataDir: folderOf(beyond), limit: 2 })).classes).toBe(8);
  });

  it('has deviation 1 where all pixels are equal', async () => {
    const dataDir = folderOf({
      [trainImages]: idxFile([0x803, 2, 1, 1], [51, 51]),
      [trainLabels]: idxLabels([0, 1]),
    });
    const { mean, deviation } = await loadDataset('idx', { dataDir });
    expect(mean[0]).toBeCloseTo(0.2, 12);
    expect(deviation).toEqual([1]);
  });

  it('reads either spelling, gzipped or not, and unpacked files that kept .gz', async () => {
    const plain = await loadDataset('idx', { dataDir: folderOf(idxSet()) });
    const spelled: Record<string, Buffer> = {};
    for (const [name, content] of Object.entries(idxSet())) spelled[name.replace('-idx', '.idx')] = content;
    const packed: Record<string, Buffer> = {};
    for (const [name, content] of Object.entries(idxSet())) packed[`${name}.gz`] = gzipSync(content);
    packed['t10k-labels-idx1-ubyte.gz'] = idxSet()['t10k-labels-idx1-ubyte'];
    for (const files of [spelled, packed])
      expect(await loadDataset('idx', { dataDir: folderOf(files) })).toEqual(plain);
  });

  it('keeps the first images under a limit and says when there are fewer', async () => {
    const dataDir = folderOf(idxSet());
    const few = await loadDataset('idx', { dataDir, limit: 2 });
    expect([...few.train.labels]).toEqual([0, 3]);
    expect([...few.train.images]).toEqual(Array.from({ length: 40 }, (_, i) => byteAt(i)));
    expect(few.test!.labels.length).toBe(3);
    expect(few.notices).toEqual([]);
    const all = await loadDataset('idx', { dataDir, limit: 7 });
    expect(all.train.labels.length).toBe(6);
    expect(all.notices).toEqual(['the limit of 7 is more than the 6 training images there are: all are used']);
    const usual = await loadDataset('idx', { dataDir, usualLimit: 2 });
    expect(usual).toEqual(few);
    expect((await loadDataset('idx', { dataDir, limit: 6, usualLimit: 2 })).train.labels.length).toBe(6);
    expect((await loadDataset('idx', { dataDir, usualLimit: 7 })).notices).toEqual([]);
  });

  it('does without test images, with a notice', async () => {
    for (const absent of ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']) {
      const files = idxSet();
      delete files[absent];
      const dataDir = folderOf(files);
      const dataset = await loadDataset('idx', { dataDir });
      expect(dataset.test).toBeUndefined();
      expect(dataset.notices).toEqual([`${dataDir} has no ${absent}: there are no test images`]);
    }
  });
});

describe('a broken IDX file is an error that names file and byte', () => {
  const end = 'found the end of the file';
  const cases: readonly (readonly [string, string, Uint8Array, string])[] = [
    ['empty file', trainImages, Buffer.alloc(0), `byte 0: expected a header of 16 bytes, ${end}`],
    ['cut header', trainImages, idxImages(6, 4, 5).subarray(0, 15), `byte 15: expected a header of 16 bytes, ${end}`],
    ['cut label header', trainLabels, idxLabels([1]).subarray(0, 7), `byte 7: expected a header of 8 bytes, ${end}`],
    [
      'labels for images',
      trainImages,
      idxLabels([0, 3, 1, 2, 1, 0, 0, 0]),
      'byte 0: expected magic number 0x00000803, found 0x00000801',
    ],
    [
      'images for labels',
      trainLabels,
      idxImages(6, 4, 5),
      'byte 0: expected magic number 0x00000801, found 0x00000803',
    ],
    [
      'cut pixels',
      trainImages,
      idxImages(6, 4, 5).subarray(0, 135),
      `byte 135: expected 136 bytes for 6 images of 4x5, ${end}`,
    ],
    [
      'cut labels',
      trainLabels,
      idxLabels([0, 3, 1, 2, 1, 0]).subarray(0, 13),
      `byte 13: expected 14 bytes for 6 labels, ${end}`,
    ],
    [
      'trailing bytes',
      trainImages,
      Buffer.concat([idxImages(6, 4, 5), Buffer.alloc(3)]),
      'byte 136: expected the end of the file after 6 images of 4x5, found 3 more bytes',
    ],
    ['no images', trainImages, idxFile([0x803, 0, 4, 5], []), 'byte 4: expected at least 1 image, found 0'],
    [
      'height 0',
      trainImages,
      idxFile([0x803, 6, 0, 5], []),
      'byte 8: expected an image height from 1 to 4096, found 0',
    ],
    [
      'absurd width',
      trainImages,
      idxFile([0x803, 6, 4, 0xffffffff], []),
      'byte 12: expected an image width from 1 to 4096, found 4294967295',
    ],
    [
      'hostile image count',
      trainImages,
      idxFile([0x803, 0xffffffff, 1, 1], [0]),
      `byte 17: expected 4294967311 bytes for 4294967295 images of 1x1, ${end}`,
    ],
    [
      'hostile label count',
      trainLabels,
      idxFile([0x801, 0xffffffff], [0]),
      `byte 9: expected 4294967303 bytes for 4294967295 labels, ${end}`,
    ],
    [
      'fewer labels than images',
      trainLabels,
      idxLabels([0, 3, 1, 2, 1]),
      'byte 4: expected 6 labels, one for each image of train-images-idx3-ubyte, found 5',
    ],
    [
      'test images of another size',
      't10k-images-idx3-ubyte',
      idxImages(3, 4, 6),
      'byte 8: expected images of 4x5 like the training images, found 4x6',
    ],
  ];

  it.each(cases)('%s', async (_, name, content, message) => {
    const dataDir = folderOf({ ...idxSet(), [name]: content });
    const error = await failure(loadDataset('idx', { dataDir }));
    expect(error.code).toBe('DATA');
    expect(error.message).toBe(`${join(dataDir, name)}: ${message}`);
  });

  it('label out of range for a set whose classes are known', async () => {
    const dataDir = folderOf({ ...idxSet(), [trainLabels]: idxLabels([0, 9, 1, 10, 11, 0]) });
    for (const name of ['mnist', 'fashionmnist'] as const) {
      const error = await failure(loadDataset(name, { dataDir }));
      expect(error.code).toBe('DATA');
      expect(error.message).toBe(`${join(dataDir, trainLabels)}: byte 11: expected a label below 10, found 10`);
    }
  });

  it('gzip cut or damaged', async () => {
    const packed = gzipSync(idxImages(6, 4, 5));
    const files: Record<string, Uint8Array> = { ...idxSet(), [`${trainImages}.gz`]: packed.subarray(0, 60) };
    delete files[trainImages];
    const cut = folderOf(files);
    expect((await failure(loadDataset('idx', { dataDir: cut }))).message).toBe(
      `${join(cut, trainImages)}.gz: byte 60 (packed): expected the rest of a gzip stream, found the end of the file`,
    );
    const damaged = Buffer.from(packed);
    damaged[damaged.length - 8] ^= 1;
    const dataDir = folderOf({ ...files, [`${trainImages}.gz`]: damaged });
    expect((await failure(loadDataset('idx', { dataDir }))).message).toBe(
      `${join(dataDir, trainImages)}.gz: expected a gzip stream, found a damaged one (incorrect data check)`,
    );
  });
});

describe('a folder that cannot serve is an error that names it', () => {
  const expected =
    'expected a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or .gz)';

  it('missing, a file, empty, or of other files', async () => {
    const folder = folderOf({ 'a.txt': 'a' });
    const empty = scratchFolder();
    const many = folderOf(Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`f${i}`, ''])));
    const cases = [
      [join(folder, 'none'), 'nothing by that name'],
      [join(folder, 'a.txt'), 'a file'],
      [empty, 'an empty folder'],
      [folder, 'only a.txt'],
      [many, 'only f0, f1, f2, f3, f4, f5, 3 more'],
    ];
    for (const [dataDir, found] of cases) {
      const error = await failure(loadDataset('idx', { dataDir }));
      expect(error.code).toBe('DATA');
      expect(error.message).toBe(`${dataDir}: ${expected}, found ${found}`);
    }
  });

  it('training labels missing', async () => {
    const files = idxSet();
    delete files[trainLabels];
    const error = await failure(loadDataset('idx', { dataDir: folderOf(files) }));
    expect(error.message).toContain('train-labels-idx1-ubyte');
    expect(error.message).toContain(
      'found only t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, train-images-idx3-ubyte',
    );
  });

  it('a data file that cannot be read', async () => {
    const files = idxSet();
    delete files[trainImages];
    const dangling = folderOf(files);
    symlinkSync(join(dangling, 'nowhere'), join(dangling, trainImages));
    const folder = folderOf(files);
    mkdirSync(join(folder, trainImages));
    const device = folderOf(files);
    symlinkSync('/dev/null', join(device, trainImages));
    for (const [dataDir, found] of [
      [dangling, 'nothing by that name'],
      [folder, 'a folder'],
      [device, 'a pipe or device'],
    ]) {
      const error = await failure(loadDataset('idx', { dataDir }));
      expect(error.code).toBe('DATA');
      expect(error.message).toBe(`${join(dataDir, trainImages)}: expected a readable file, found ${found}`);
    }
  });
});
