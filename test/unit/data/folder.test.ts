import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ColourProfile, Dataset, ImageFiles, ImageSet } from '../../../src/data/dataset.ts';
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
    expect([namesOf(train), notices.slice(1)]).toEqual([['cat/1.png', 'dog/a.jpg'], decodingNotices()]);
    expect((await load(folderWith(files), 9)).notices.at(-1)).toContain('more than the 5 training images');
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
    expect([test, notices.slice(1)]).toEqual([
      undefined,
      [
        ...decodingNotices(),
        `${dataDir} has no val with class folders beside train, found only train: there are no test images`,
      ],
    ]);
  });

  it.each([
    [['val/cat/1.png'], 'expected a folder with train/CLASS/*.JPEG'],
    [['train/1.png'], 'expected a folder for each class, found only files'],
    [['train/cat/.hidden.png'], 'expected images (.JPEG, .jpg, .png'],
    [['train/cat/1.png', 'train/dog/notes.txt'], 'of this class, found 1 .txt'],
    [['train/cat/1.png', 'train/dog/1.bmp', 'train/dog/2.BMP'], 'of this class, found 2 .bmp'],
    [['train/cat/1.png', 'val/cow/1.png'], 'expected only classes that are in train (cat), found cow'],
    [['Train/cat/1.png'], 'found only Train (did you mean train by Train? rename it)'],
    [['photographs/train/cat/1.png'], 'photographs?)'],
    [['.DS_Store'], 'found an empty folder'],
    [['train/cat/1.png', 'val/cat/notes.txt'], 'expected images'],
  ])('of %j is refused', async (paths, message) => {
    const error = await failure(load(folderWith(paths)));
    expect([error.code, error.message.includes(message)], error.message).toEqual(['DATA', true]);
  });

  it('asks whether the folder above was meant', async () => {
    const dataDir = folderWith(['train/cat/1.png']);
    const error = await failure(load(join(dataDir, 'train')));
    expect(error.message).toContain(`found only cat (did you mean ${dataDir}?)`);
  });

  it('passes over what programs leave behind, and tells of links to nowhere and of files that are left out', async () => {
    const dataDir = folderWith([
      ...['train/.ipynb_checkpoints/1.png', 'train/__MACOSX/1.png', 'train/@eaDir/1.png', 'train/cat/._1.png'],
      ...['train/cat/@eaDir/1.png', 'train/cat/1.png', 'train/dog/1.png', 'train/dog/2.bmp', 'train/dog/3.BMP'],
      ...['train/dog/4.heic', 'val/.DS_Store', 'val/cat/1.png'],
    ]);
    symlinkSync(join(dataDir, 'nowhere'), join(dataDir, 'train/fox'));
    symlinkSync(join(dataDir, 'nowhere.png'), join(dataDir, 'train/cat/link.png'));
    symlinkSync(join(dataDir, 'train/cat/1.png'), join(dataDir, 'train/dog/link.png'));
    const { train, classNames, notices } = await load(dataDir);
    expect([classNames, namesOf(train)]).toEqual([
      ['cat', 'dog'],
      ['cat/1.png', 'dog/1.png', 'dog/link.png'],
    ]);
    expect(notices).toEqual([
      expect.stringMatching(/train: left out 2 \.bmp, 1 \.heic \(images are /),
      expect.stringMatching(/train: left out 2 dangling links: \S+\/train\/fox, \S+\/train\/cat\/link\.png$/),
    ]);
  });

  it('takes images of every kind that sharp reads, and those in folders within a class, as torchvision does', async () => {
    const names = ['1.webp', '2.tif', '3.TIFF', '4.avif', '5.gif', '6.jfif', 'images/7.JPEG', 'images/more/8.png'];
    const dataDir = folderWith(names.map((name) => `train/cat/${name}`));
    symlinkSync(join(dataDir, 'train/cat'), join(dataDir, 'train/cat/images/loop'));
    expect(namesOf((await load(dataDir)).train)).toEqual(names.map((name) => `cat/${name}`));
  });

  it.each(['valid', 'validation', 'test'])('takes %s for val where there is none, and says so', async (name) => {
    const dataDir = folderWith(['train/cat/1.png', `${name}/cat/2.png`]);
    const { test, notices } = await load(dataDir);
    expect(namesOf(test!)).toEqual(['cat/2.png']);
    expect(notices[0]).toBe(`${dataDir} has no val: test images come from ${name}`);
    mkdirSync(join(dataDir, 'val/cat'), { recursive: true });
    writeFileSync(join(dataDir, 'val/cat/3.png'), '');
    expect(namesOf((await load(dataDir)).test!)).toEqual(['cat/3.png']);
  });

  it('does not take images without classes for test images, nor VAL for val', async () => {
    const lack = async (...more: string[]) => (await load(folderWith(['train/cat/1.png', ...more]))).lacksTest;
    expect(await lack('test/1.png')).toMatch(/has no val with class folders beside train, found only test, train$/);
    expect(await lack('VAL/cat/1.png')).toMatch(/found only VAL, train \(did you mean val by VAL\? rename it\)$/);
  });

  it('is read of what scores a network alone, which needs no training images', async () => {
    const dataDir = folderWith(['val/dog/1.png', 'val/cat/1.png']);
    const only = { dataDir, imageSize: 32, testOnly: true };
    const dataset = (await loadDataset('folder', only)) as Dataset<ImageFiles>;
    expect([dataset.classNames, dataset.train.labels.length]).toEqual([['cat', 'dog'], 0]);
    expect(namesOf(dataset.test!)).toEqual(['cat/1.png', 'dog/1.png']);
    const error = await failure(loadDataset('folder', { ...only, dataDir: folderWith(['train/cat/1.png']) }));
    expect(error.message).toContain('found only train');
  });

  it('reads Tiny ImageNet, whose test images lie in one folder with a table of their classes', async () => {
    const dataDir = folderWith([
      'train/n01/images/n01_0.JPEG',
      'train/n01/n01_boxes.txt',
      'train/n02/images/n02_0.JPEG',
    ]);
    mkdirSync(join(dataDir, 'val/images'), { recursive: true });
    for (const name of ['val_0.JPEG', 'val_1.JPEG']) writeFileSync(join(dataDir, 'val/images', name), '');
    const table = join(dataDir, 'val/val_annotations.txt');
    writeFileSync(table, 'val_1.JPEG\tn01\t0\t0\t62\t62\nval_0.JPEG\tn02\t3\t3\t50\t50\n');
    const { train, test, classNames } = await load(dataDir);
    expect([classNames, namesOf(train)]).toEqual([
      ['n01', 'n02'],
      ['n01/images/n01_0.JPEG', 'n02/images/n02_0.JPEG'],
    ]);
    expect([namesOf(test!), [...test!.labels]]).toEqual([
      ['images/val_0.JPEG', 'images/val_1.JPEG'],
      [1, 0],
    ]);
    writeFileSync(table, 'val_1.JPEG\tn01\n');
    expect((await failure(load(dataDir))).message).toContain(
      'expected a line for each image, found none for val_0.JPEG',
    );
    writeFileSync(table, 'val_1.JPEG n01\n');
    expect((await failure(load(dataDir))).message).toContain('line 1: expected an image and its class, parted by tabs');
    writeFileSync(table, 'val_0.JPEG\tn01\nval_1.JPEG\tn07\n');
    expect((await failure(load(dataDir))).message).toContain(
      'expected only classes that are in train (n01, n02), found n07',
    );
  });

  it('has a choice of colour profiles, which the digest tells only where it is not the usual one', async () => {
    const dataDir = folderWith(files);
    const choose = (colourProfile: ColourProfile) => loadDataset('folder', { dataDir, imageSize: 32, colourProfile });
    const digest = await datasetDigest(await load(dataDir));
    expect(await datasetDigest(await choose('convert'))).toBe(digest);
    expect(await datasetDigest(await choose('ignore'))).not.toBe(digest);
    const message = (await failure(choose('p3' as ColourProfile))).message;
    expect(message).toBe("expected one of convert, ignore for colourProfile (--colour-profile) but received 'p3'");
    const memory = await failure(loadDataset('mnist', { colourProfile: 'ignore' }));
    expect(memory.message).toContain('expected none with dataset mnist for colourProfile (--colour-profile)');
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
