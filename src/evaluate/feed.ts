// How images reach a device: those that lie there whole, and those that are prepared batch by batch, behind one interface.
import { type AugmentSettings, augmentsImages } from '../augment/augment.ts';
import type { Device, DeviceDataset } from '../backend/device.ts';
import type { ImageArrays, ImageSet } from '../data/dataset.ts';
import { ImageLoader, type PassOptions, type UnreadableImage } from '../load/loader.ts';
import type { ImagePool } from '../load/pool.ts';

/** Images of a batch that lie on a device, until it is disposed. */
export interface FedImages extends Disposable {
  readonly dataset: DeviceDataset;
  /** Where they are in `dataset`. */
  readonly indices: Uint32Array;
  /** One each. */
  readonly labels: Int32Array;
}

/** A set of images, to be had batch by batch on a device. */
export interface ImageFeed extends Disposable {
  readonly count: number;
  /** Batches of positions of the set, in order. Rejects with AbortedError, or DataError where images cannot be read. */
  batches(positions: readonly Uint32Array[], options: PassOptions): AsyncIterable<FedImages>;
  /** Image files that turned out to be unreadable since this was last called. */
  takeUnreadable(): readonly UnreadableImage[];
}

/** How images are prepared, where they have to be. */
export interface FeedOptions {
  readonly pool: ImagePool;
  /** Of images to learn from. */
  readonly augment?: AugmentSettings;
  readonly seed: number;
}

/** Images in memory that nothing is to be done to lie on the device; others are prepared by the pool. */
export function openFeed(device: Device, images: ImageSet, { augment, ...options }: FeedOptions): ImageFeed {
  const changed = augment !== undefined && augmentsImages(augment);
  if ('images' in images && !changed) return residentFeed(device, images);
  return loadedFeed(device, images.labels.length, new ImageLoader(images, { ...options, augment }));
}

function residentFeed(device: Device, images: ImageArrays): ImageFeed {
  const dataset = device.createDataset(images);
  // Not the images themselves, which are the device's now.
  const { labels } = images;
  return {
    count: labels.length,
    async *batches(positions) {
      for (const indices of positions) {
        yield { dataset, indices, labels: Int32Array.from(indices, (index) => labels[index]), [Symbol.dispose]() {} };
      }
    },
    takeUnreadable: () => [],
    [Symbol.dispose]: () => dataset.dispose(),
  };
}

/** The pool is whoever's it was. */
function loadedFeed(device: Device, count: number, loader: ImageLoader): ImageFeed {
  return {
    count,
    async *batches(positions, options) {
      for await (const images of loader.batches(positions, options)) {
        const dataset = device.createDataset(images);
        const indices = Uint32Array.from(images.labels, (_, i) => i);
        yield { dataset, indices, labels: images.labels, [Symbol.dispose]: () => dataset.dispose() };
      }
    },
    takeUnreadable: () => loader.takeUnreadable(),
    [Symbol.dispose]() {},
  };
}
