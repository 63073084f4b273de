import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset, ImageFiles, ImageSet } from '../../../src/data/dataset.ts';
import { decodingNotices, loadSharp } from '../../../src/data/decode.ts';
import { datasetDigest } from '../../../src/data/digest.ts';
import { pathOf } from '../../../src/data/folder.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { DataError } from '../../../src/errors.ts';
import { failure, scratchFolder } from './fixtures.ts';

/** Empty files: none is opened when a folder is listed. */
function folderWith(paths: readonly string[]): string {
  const folder = scratchFolder();
  for (const path of paths) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), '');
  }
  return folder;
}

const files = [
  ...['train/dog/b.JPEG', 'train/dog/a.jpg', 'train/cat/1.png', 'train/cat/2.jpeg', 'train/cat/3.JPG'],
  ...['train/cat/notes.txt', 'train/README', 'val/dog/x.JPEG', 'val/cat/y.JPEG'],
];

const namesOf = (images: ImageFiles) => images.names.map((_, i) => pathOf(images, i).slice(images.folder.length + 1));

async function load(dataDir: string, limit?: number): Promise<Dataset<ImageFiles>> {
  return (await loadDataset('folder', { dataDir, limit, imageSize: 32 })) as Dataset<ImageFiles>;
}

describe('a folder of image files', () => {
  it('is listed in turns of its classes, which are numbered by name', async () => {
    const { train, test, classes, classNames, mean, augmentation } = await load(folderWith(files));
    expect([classes, classNames]).toEqual([2, ['cat', 'dog']]);
    expect(namesOf(train)).toEqual(['cat/1.png', 'dog/a.jpg', 'cat/2.jpeg', 'dog/b.JPEG', 'cat/3.JPG']);
    expect([...train.labels]).toEqual([0, 1, 0, 1, 0]);
    expect(namesOf(test!)).toEqual(['cat/y.JPEG', 'dog/x.JPEG']);
    expect([train.shape, mean, augmentation]).toEqual([[32, 32, 3], [0.485, 0.456, 0.406], { pad: 0, flip: true }]);
  });

  it('keeps the first of a limit, of all classes', async () => {
    const { train, notices } = await load(folderWith(files), 2);
    expect([namesOf(train), notices]).toEqual([['cat/1.png', 'dog/a.jpg'], decodingNotices()]);
    expect((await load(folderWith(files), 9)).notices[0]).toContain('more than the 5 training images');
  });

  it('has 224 pixels a side unless told otherwise', async () => {
    const { train } = await loadDataset('imagenet', { dataDir: folderWith(files) });
    expect(train.shape).toEqual([224, 224, 3]);
  });

  it('has a digest of the names and the size', async () => {
    const dataDir = folderWith(files);
    const digest = await datasetDigest(await load(dataDir));
    expect(await datasetDigest(await load(folderWith(files)))).toBe(digest);
    const others: Dataset<ImageSet>[] = [await load(dataDir, 4), await loadDataset('folder', { dataDir })];
    writeFileSync(join(dataDir, 'train/dog/c.png'), '');
    others.push(await load(dataDir));
    expect(new Set([digest, ...(await Promise.all(others.map(datasetDigest)))]).size).toBe(4);
  });

  it('does without test images, or with test images of some classes', async () => {
    const dataDir = folderWith(files);
    rmSync(join(dataDir, 'val/cat'), { recursive: true });
    expect(namesOf((await load(dataDir)).test!)).toEqual(['dog/x.JPEG']);
    rmSync(join(dataDir, 'val'), { recursive: true });
    const { test, notices } = await load(dataDir);
    expect([test, notices]).toEqual([
      undefined,
      [`${dataDir} has no val: there are no test images`, ...decodingNotices()],
    ]);
  });

  it.each([
    [['val/cat/1.png'], 'expected a folder with train/CLASS/*.JPEG'],
    [['train/1.png'], 'expected a folder for each class, found only files'],
    [['train/cat/notes.txt'], 'expected images (.JPEG, .jpg or .png) in its class folders, found none'],
    [
      ['train/cat/1.png', 'train/dog/notes.txt'],
      'train/dog: expected images (.JPEG, .jpg or .png) of this class, found none',
    ],
    [['train/cat/1.png', 'val/cow/1.png'], 'expected only classes that are in train, found cow'],
    [['train/cat/1.png', 'val/cat/notes.txt'], 'expected images'],
  ])('of %j is refused', async (paths, message) => {
    const error = await failure(load(folderWith(paths)));
    expect([error.code, error.message.includes(message)], error.message).toEqual(['DATA', true]);
  });

  it('refuses sizes that are none, and any for images in memory', async () => {
    const dataDir = folderWith(files);
    for (const imageSize of [7, 4097, 32.5, Number.NaN]) {
      const error = await failure(loadDataset('imagenet', { dataDir, imageSize }));
      expect(error.message).toContain('expected an integer from 8 to 4096 for imageSize (--image-size)');
    }
    const error = await failure(loadDataset('mnist', { imageSize: 32 }));
    expect([error.code, error.message]).toEqual([
      'ARGUMENT',
      'expected none with dataset mnist for imageSize (--image-size) but received 32',
    ]);
  });

  it('tells where Node has too few threads to decode on', () => {
    expect(decodingNotices(16, undefined)).toEqual([
      'image files are decoded by 4 threads of 16 cores: UV_THREADPOOL_SIZE=16 before dartsmith takes all',
    ]);
    expect([decodingNotices(16, '16'), decodingNotices(4, undefined)]).toEqual([[], []]);
  });

  it('says what to do where sharp is not installed', async () => {
    const absent = loadSharp(() => Promise.reject(new Error('Cannot find package')));
    await expect(absent).rejects.toThrow(DataError);
    await expect(absent).rejects.toThrow('npm install sharp');
  });
});
