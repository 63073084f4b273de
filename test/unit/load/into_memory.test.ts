// The threads run what was compiled from src: see pool.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Dataset, ImageFiles } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { AbortedError, DataError } from '../../../src/errors.ts';
import { intoMemory } from '../../../src/load/into_memory.ts';
import { ImagePool } from '../../../src/load/pool.ts';
import { imageFolder } from '../../helpers/image_folder.ts';
import { scratch } from '../../helpers/scratch.ts';

function pool(): ImagePool {
  const opened = new ImagePool(2);
  onTestFinished(() => opened[Symbol.dispose]());
  return opened;
}

async function files(): Promise<{ dataDir: string; dataset: Dataset<ImageFiles> }> {
  const dataDir = scratch();
  await imageFolder(dataDir, 3, 1);
  return { dataDir, dataset: (await loadDataset('folder', { dataDir, imageSize: 16 })) as Dataset<ImageFiles> };
}

describe('image files in memory', () => {
  it('are the training images at their shape, without those that cannot be read', async () => {
    const { dataDir, dataset } = await files();
    const broken = join(dataDir, 'train/n02/n02_1.JPEG');
    writeFileSync(broken, 'not an image');
    const { train, test, classes, augmentation, notices } = await intoMemory(dataset, { pool: pool() });
    expect([train.shape, train.images.length, [...train.labels]]).toEqual([
      [16, 16, 3],
      8 * 768,
      [0, 1, 2, 0, 2, 0, 1, 2],
    ]);
    expect([test, classes, augmentation]).toEqual([undefined, 3, { pad: 2, flip: true }]);
    expect(notices.at(-1)).toContain(`image files left out that cannot be read: 1: ${broken} (`);
    // Each class is of one colour.
    train.labels.forEach((label, image) => {
      const pixel = [...train.images.subarray(image * 768, image * 768 + 3)];
      expect(pixel.indexOf(Math.max(...pixel))).toBe(label);
    });
  });

  it('are refused where they do not fit, with what would', async () => {
    const { dataset } = await files();
    const bounded = (mostBytes: number) => intoMemory(dataset, { pool: pool(), mostBytes });
    await expect(bounded(9 * 768 - 1)).rejects.toThrow(DataError);
    await expect(bounded(9 * 768 - 1)).rejects.toThrow(
      /^9 images of 16x16 take 0\.0 GiB of memory, expected at most 0\.0 GiB: --image-size 8 or --limit 8 would do$/,
    );
  });

  it('reject where none can be read, or on a signal', async () => {
    const { dataset } = await files();
    await expect(
      intoMemory({ ...dataset, train: { ...dataset.train, folder: '/nowhere' } }, { pool: pool() }),
    ).rejects.toThrow('expected images that can be read, found none');
    await expect(intoMemory(dataset, { pool: pool(), signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
  });
});
