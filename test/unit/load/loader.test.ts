// The threads run what was compiled from src: see pool.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AugmentSettings } from '../../../src/augment/augment.ts';
import type { Dataset, ImageArrays, ImageFiles, ImageSet } from '../../../src/data/dataset.ts';
import { pathOf } from '../../../src/data/folder.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { AbortedError, DataError } from '../../../src/errors.ts';
import { ImageLoader, type PassOptions } from '../../../src/load/loader.ts';
import { ImagePool } from '../../../src/load/pool.ts';
import { type PrepareTask, prepareImage } from '../../../src/load/prepare.ts';
import { imageFolder } from '../../helpers/image_folder.ts';
import { scratch } from '../../helpers/scratch.ts';
import { noise } from '../augment/images.ts';

const augment: AugmentSettings = { randomResizedCrop: true, autoAugment: 'imagenet', colorJitter: 0.4, hueJitter: 0.2 };
const range = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => first + i);
const parts = (...sizes: readonly (readonly number[])[]) => sizes.map((part) => Uint32Array.from(part));

function pool(workers: number): ImagePool {
  const opened = new ImagePool(workers);
  onTestFinished(() => opened[Symbol.dispose]());
  return opened;
}

async function collect(
  images: ImageSet,
  positions: readonly Uint32Array[],
  options: PassOptions,
  workers = 2,
): Promise<{ batches: ImageArrays[]; loader: ImageLoader }> {
  const loader = new ImageLoader(images, { pool: pool(workers), augment, seed: 3 });
  const batches: ImageArrays[] = [];
  for await (const batch of loader.batches(positions, options)) batches.push(batch);
  return { batches, loader };
}

/** 15 training images in three classes; no. 4, the second of n02, is none. */
async function files(broken: readonly string[] = ['train/n02/n02_1.JPEG']): Promise<Dataset<ImageFiles>> {
  const dataDir = scratch();
  await imageFolder(dataDir, 5, 2);
  for (const name of broken) writeFileSync(join(dataDir, name), 'not an image');
  return (await loadDataset('folder', { dataDir, imageSize: 24 })) as Dataset<ImageFiles>;
}

const memory: ImageArrays = {
  images: Uint8Array.from([0, 1, 2, 3, 4, 5].flatMap((seed) => [...noise(8, 8, seed).pixels])),
  labels: Int32Array.of(0, 1, 2, 0, 1, 2),
  shape: [8, 8, 3],
};

describe('batches of images in memory', () => {
  it('are what each image becomes by itself, whatever the number of threads', async () => {
    const positions = parts([5, 0, 3], [1]);
    const { batches } = await collect(memory, positions, { epoch: 2 });
    expect(batches.map(({ labels }) => [...labels])).toEqual([[2, 0, 0], [1]]);
    for (const [i, image] of [5, 0, 3].entries()) {
      const pixels = memory.images.slice(image * 192, (image + 1) * 192);
      const stream = { seed: 3, purpose: 'imageAugmentation', epoch: 2, step: image } as const;
      const alone = await prepareImage({
        source: { pixels },
        shape: [8, 8, 3],
        augmentation: { settings: augment, stream },
      });
      expect(batches[0].images.subarray(i * 192, (i + 1) * 192)).toEqual(alone);
    }
    expect((await collect(memory, positions, { epoch: 2 }, 1)).batches).toEqual(batches);
    expect((await collect(memory, positions, { epoch: 3 })).batches).not.toEqual(batches);
  });

  it('draw anew in each batch where an image may come in several, by the number of the batch', async () => {
    const positions = parts([2, 4], [4, 2], [2, 4]);
    const { batches } = await collect(memory, positions, { epoch: 1, firstDraw: 0 });
    const [first, , third] = batches;
    expect(third.images).not.toEqual(first.images);
    // From another step on they are the same.
    const rest = await collect(memory, positions.slice(1), { epoch: 1, firstDraw: 1 });
    expect(rest.batches).toEqual(batches.slice(1));
    // Those of images that come once an epoch, as the first.
    expect((await collect(memory, positions, { epoch: 1 })).batches[0]).toEqual(first);
  });

  it('stay as they are where they are scored', async () => {
    const { batches } = await collect(memory, parts([1, 4]), {});
    expect(batches[0].images).toEqual(
      Uint8Array.from([...memory.images.subarray(192, 384), ...memory.images.subarray(768, 960)]),
    );
  });
});

describe('batches of image files', () => {
  it('have the same bits with any number of threads, and from any batch on', async () => {
    const { train } = await files([]);
    const positions = parts([14, 2, 7, 0], [1, 3, 5, 9], [4, 6]);
    const { batches, loader } = await collect(train, positions, { epoch: 1 }, 1);
    expect(batches.map(({ images, labels }) => [images.length / 1728, labels.length])).toEqual([
      [4, 4],
      [4, 4],
      [2, 2],
    ]);
    expect([...batches[0].labels]).toEqual([2, 2, 1, 0]);
    expect((await collect(train, positions, { epoch: 1 }, 3)).batches).toEqual(batches);
    expect((await collect(train, positions.slice(1), { epoch: 1 })).batches).toEqual(batches.slice(1));
    expect(loader.takeUnreadable()).toEqual([]);
  });

  it('that are learned from have another image for one that cannot be read, which is reported once', async () => {
    const { train } = await files();
    const { batches, loader } = await collect(train, parts([3, 4], [4, 5]), { epoch: 0 });
    // Image 5, of n03, stands in for 4 and is not drawn as itself.
    expect(batches.map(({ labels }) => [...labels])).toEqual([
      [0, 2],
      [2, 2],
    ]);
    expect(batches[0].images.subarray(1728)).toEqual(batches[1].images.subarray(0, 1728));
    expect(batches[1].images.subarray(0, 1728)).not.toEqual(batches[1].images.subarray(1728));
    expect(loader.takeUnreadable()).toEqual([
      { file: join(train.folder, 'n02/n02_1.JPEG'), reason: expect.stringContaining('unsupported image format') },
    ]);
    expect(loader.takeUnreadable()).toEqual([]);
  });

  it('that are scored leave it out, and those behind it move up', async () => {
    const broken = ['train/n02/n02_1.JPEG', 'train/n03/n03_1.JPEG', 'train/n03/n03_2.JPEG'];
    const { train } = await files(broken);
    const { batches } = await collect(train, parts([3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13]), {});
    const lost = broken.map((name) => join(train.folder, '..', name));
    const readable = range(3, 14).filter((image) => !lost.includes(pathOf(train, image)));
    expect(readable.length).toBe(8);
    const alone = await collect(train, parts(...readable.map((image) => [image])), {});
    expect(batches.map(({ labels }) => labels.length)).toEqual([3, 3, 2]);
    for (const kind of ['images', 'labels'] as const) {
      const joined = (of: readonly ImageArrays[]) => of.flatMap((batch) => [...batch[kind]]);
      expect(joined(batches)).toEqual(joined(alone.batches));
    }
  });

  it('reject where nothing can be read', async () => {
    const broken = ['n01', 'n02', 'n03'].flatMap((name) => [0, 1].map((i) => `val/${name}/${name}_${i}.JPEG`));
    const { test } = await files(broken);
    await expect(collect(test!, parts([0, 1]), {})).rejects.toThrow(DataError);
    await expect(collect(test!, parts([0, 1]), { epoch: 0 })).rejects.toThrow('in a row that cannot');
  });
});

describe('cancellation', () => {
  it('of a signal rejects, and the pool goes on with other work', async () => {
    const controller = new AbortController();
    const shared = pool(1);
    const loader = new ImageLoader(memory, { pool: shared, augment, seed: 3 });
    const positions = Array.from({ length: 50 }, () => Uint32Array.of(0, 1, 2, 3, 4, 5));
    let seen = 0;
    const reading = (async () => {
      for await (const _ of loader.batches(positions, { epoch: 0, signal: controller.signal })) {
        if (++seen === 2) controller.abort();
      }
    })();
    await expect(reading).rejects.toThrow(AbortedError);
    expect(seen).toBe(2);
    for await (const { labels } of loader.batches(parts([2]), { epoch: 0 })) expect([...labels]).toEqual([2]);
  });

  it('prepares no more than two batches ahead', async () => {
    const asked: number[] = [];
    const counting = {
      prepare: async (_: unknown) => ({ pixels: new Uint8Array(asked.push(0) && 192) }),
    } as unknown as ImagePool;
    const loader = new ImageLoader(memory, { pool: counting, augment, seed: 3 });
    const batches = loader.batches(
      Array.from({ length: 20 }, () => Uint32Array.of(0, 1)),
      { epoch: 0 },
    );
    await batches.next();
    expect(asked.length).toBe(2 * 3);
    await batches.next();
    expect(asked.length).toBe(2 * 4);
    await batches.return(undefined);
  });

  it('by disposing the pool rejects what waits and what comes', async () => {
    const closed = new ImagePool(1);
    const task = { source: { pixels: memory.images.slice(0, 192) }, shape: [8, 8, 3] } as const;
    const waiting = Array.from({ length: 5 }, () => closed.prepare(task));
    closed[Symbol.dispose]();
    for (const work of waiting) await expect(work).rejects.toThrow(AbortedError);
    await expect(closed.prepare(task)).rejects.toThrow(AbortedError);
  });
});

describe('images in a Buffer', () => {
  it('go to a thread one by one, not with all the rest', async () => {
    const shape = [8, 8, 3] as const;
    const images = { images: Buffer.alloc(192 * 50, 7), labels: new Int32Array(50), shape };
    const sent: number[] = [];
    const watched = {
      prepare: async ({ source }: PrepareTask) => {
        if ('pixels' in source) sent.push(source.pixels.buffer.byteLength);
        return { pixels: new Uint8Array(192) };
      },
    };
    const loader = new ImageLoader(images, { pool: watched as unknown as ImagePool, augment, seed: 3 });
    for await (const batch of loader.batches(parts([0, 9]), { epoch: 0 })) expect(batch.labels.length).toBe(2);
    expect(sent).toEqual([192, 192]);
  });
});
