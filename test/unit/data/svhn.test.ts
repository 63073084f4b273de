import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../../src/data/load.ts';
import { parseSvhnFile } from '../../../src/data/svhn.ts';
import { AbortedError } from '../../../src/errors.ts';
import { failure, folderOf } from './fixtures.ts';
import { matFile, svhnFile } from './mat_file.ts';

const pixel = (image: number, row: number, column: number, channel: number) =>
  (image * 50 + row * 7 + column * 3 + channel * 101) & 255;
const files = {
  'train_32x32.mat': svhnFile([1, 10, 9], pixel, { compressed: true }),
  'test_32x32.mat': svhnFile([5, 10], pixel),
  'extra_32x32.mat': svhnFile([2, 3], pixel),
};

describe('SVHN', () => {
  it('is read into rows of pixels, labelled by the digit', async () => {
    const { train, test, classes, mean, augmentation, notices } = await loadDataset('svhn', {
      dataDir: folderOf(files),
    });
    expect([...train.labels]).toEqual([1, 0, 9]);
    expect([...test!.labels]).toEqual([5, 0]);
    expect([classes, mean.length, augmentation, notices]).toEqual([10, 3, { pad: 4, flip: false }, []]);
    expect(train.shape).toEqual([32, 32, 3]);
    for (const [image, row, column, channel] of [
      [0, 0, 0, 0],
      [1, 3, 17, 2],
      [2, 31, 0, 1],
      [2, 31, 31, 2],
    ]) {
      const at = ((image * 32 + row) * 32 + column) * 3 + channel;
      expect(train.images[at]).toBe(pixel(image, row, column, channel));
    }
  });

  it('keeps the first images of a limit, and reads extra ones behind the others', async () => {
    const dataDir = folderOf(files);
    expect([...(await loadDataset('svhn', { dataDir, limit: 2 })).train.labels]).toEqual([1, 0]);
    const both = await loadDataset('svhn-extra', { dataDir, limit: 4 });
    expect([...both.train.labels]).toEqual([1, 0, 9, 2]);
    expect(both.train.images[3 * 3072 + 3]).toBe(pixel(0, 0, 1, 0));
    // The limit is reached before the damaged file.
    writeFileSync(join(dataDir, 'extra_32x32.mat'), 'damaged');
    expect((await loadDataset('svhn-extra', { dataDir, limit: 3 })).train.labels.length).toBe(3);
    expect((await failure(loadDataset('svhn-extra', { dataDir }))).message).toContain('extra_32x32.mat');
  });

  it('does without test images, but not without training images', async () => {
    const { 'train_32x32.mat': train, 'test_32x32.mat': test } = files;
    const alone = await loadDataset('svhn', { dataDir: folderOf({ 'train_32x32.mat': train }) });
    expect(alone.test).toBeUndefined();
    expect(alone.notices[0]).toContain('has no test_32x32.mat');
    const error = await failure(loadDataset('svhn', { dataDir: folderOf({ 'test_32x32.mat': test }) }));
    expect(error.message).toContain('expected a folder with train_32x32.mat and test_32x32.mat');
    const extra = await failure(loadDataset('svhn-extra', { dataDir: folderOf({ 'train_32x32.mat': train }) }));
    expect(extra.message).toContain('train_32x32.mat, extra_32x32.mat and test_32x32.mat');
  });

  const image = { name: 'X', dims: [32, 32, 3, 1], values: new Uint8Array(3072) };
  const label = { name: 'y', dims: [1, 1], values: [3] };

  it.each([
    ['no images', [label], 'for X, found none'],
    [
      'images of another size',
      [{ ...image, dims: [16, 64, 3, 1] }, label],
      'expected bytes of 32x32x3xN for X, found 16x64x3x1 bytes',
    ],
    ['images of doubles', [{ ...image, type: 9 }, label], '32x32x3x1 numbers'],
    ['no labels', [image], 'expected 1 labels for y, one for each image, found none'],
    ['too many labels', [image, { ...label, dims: [2, 1], values: [1, 2] }], 'found 2'],
    ['a label of 0', [image, { ...label, values: [0] }], 'expected a label from 1 to 10 for image 0, found 0'],
    ['a label of 1.5', [image, { ...label, values: [1.5], type: 9 }], 'found 1.5'],
  ])('refuses %s', async (_, variables, message) => {
    const error = await failure(parseSvhnFile({ path: 'train.mat', bytes: matFile(variables) }));
    expect([error.code, error.message.startsWith('train.mat: ')]).toEqual(['DATA', true]);
    expect(error.message).toContain(message);
  });

  it('takes a single image, whose last size MATLAB drops', async () => {
    const file = matFile([{ ...image, dims: [32, 32, 3] }, label]);
    expect((await parseSvhnFile({ path: 'train.mat', bytes: file })).labels).toEqual(Int32Array.of(3));
  });

  it('stops on a signal', async () => {
    const signal = AbortSignal.abort();
    await expect(loadDataset('svhn', { dataDir: folderOf(files), signal })).rejects.toThrow(AbortedError);
  });
});
