// How images reach a device: those that lie there whole, and those that are prepared batch by batch, behind one interface.
import { augmentsImages } from '../augment/augment.ts';
import type { Device, DeviceDataset } from '../backend/device.ts';
import type { ImageArrays, ImageSet } from '../data/dataset.ts';
import { throwIfAborted } from '../errors.ts';
import { ImageLoader, type LoaderOptions, type PassOptions, type UnreadableImage } from '../load/loader.ts';

/** Images of a batch that lie on a device, until the next one is asked for. */
export interface FedImages {
  readonly dataset: DeviceDataset;
  /** Where they are in `dataset`. */
  readonly indices: Uint32Array;
  /** One each. */
  readonly labels: Int32Array;
}

/** A set of images, to be had batch by batch on a device. */
export interface ImageFeed extends Disposable {
  readonly count: number;
  /** Whether a batch stays on the device when the next one is asked for. */
  readonly stays: boolean;
  /** Batches of positions of the set, in order. Rejects with AbortedError, or DataError where images cannot be read. */
  batches(positions: readonly Uint32Array[], options: PassOptions): AsyncIterable<FedImages>;
  /** Image files that turned out to be unreadable since this was last called. */
  takeUnreadable(): readonly UnreadableImage[];
}

/** Images in memory that nothing is to be done to lie on the device; others are prepared as `options` say. */
export async function openFeed(device: Device, images: ImageSet, options: LoaderOptions): Promise<ImageFeed> {
  const { augment } = options;
  const changed = augment !== undefined && augmentsImages(augment);
  if ('images' in images && !changed) return residentFeed(device, images);
  return loadedFeed(device, images.labels.length, new ImageLoader(images, options));
}

async function residentFeed(device: Device, images: ImageArrays): Promise<ImageFeed> {
  const dataset = await device.createDataset(images);
  // Not the images themselves, which are the device's now.
  const { labels } = images;
  return {
    count: labels.length,
    stays: true,
    async *batches(positions, { signal }) {
      for (const indices of positions) {
        throwIfAborted(signal);
        yield { dataset, indices, labels: Int32Array.from(indices, (index) => labels[index]) };
      }
    },
    takeUnreadable: () => [],
    [Symbol.dispose]: () => dataset.dispose(),
  };
}

/** One dataset on the device for each size of batch: a GPU replays what it recorded only with images in the same place. */
function loadedFeed(device: Device, count: number, loader: ImageLoader): ImageFeed {
  const places = new Map<number, DeviceDataset>();
  const placed = async (images: ImageArrays): Promise<DeviceDataset> => {
    const known = places.get(images.labels.length);
    if (known === undefined) {
      const dataset = await device.createDataset(images);
      places.set(dataset.count, dataset);
      return dataset;
    }
    await known.replace(images.images, images.labels);
    return known;
  };
  return {
    count,
    stays: false,
    async *batches(positions, options) {
      for await (const images of loader.batches(positions, options)) {
        const dataset = await placed(images);
        yield { dataset, indices: Uint32Array.from(images.labels, (_, i) => i), labels: images.labels };
      }
    },
    takeUnreadable: () => loader.takeUnreadable(),
    [Symbol.dispose]() {
      for (const dataset of places.values()) dataset.dispose();
    },
  };
}
