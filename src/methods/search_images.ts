// The images of a search on a device, of both halves.
import { type AugmentSettings, augmentsImages, placementOf } from '../augment/augment.ts';
import type { Device } from '../backend/device.ts';
import { type Dataset, type ImageFiles, type ImageSet, isInMemory } from '../data/dataset.ts';
import { openFeed } from '../learn/feed.ts';
import type { SearchSource } from '../learn/search_batches.ts';
import { intoMemory } from '../load/into_memory.ts';
import { ImagePool } from '../load/pool.ts';
import type { Resources } from '../resources.ts';
import type { MethodContext } from './method.ts';

/** Images, and what is done to them. */
export interface SearchImages {
  readonly dataset: Dataset;
  /** Before they go to a device. */
  readonly augment: AugmentSettings;
  readonly seed: number;
  readonly workers?: number;
}

/** Images in files are decoded first. Rejects with DataError or AbortedError. */
export async function loadedWhole(
  dataset: Dataset<ImageSet>,
  { workers, signal }: Pick<MethodContext<unknown>, 'workers' | 'signal'>,
): Promise<Dataset> {
  if (isInMemory(dataset)) return dataset;
  using pool = new ImagePool(workers);
  return await intoMemory(dataset as Dataset<ImageFiles>, { pool, signal });
}

/** Both splits' images, and what a device does to them; they are the device's then where nothing is done to them before. */
export async function openImages(
  device: Device,
  { dataset, augment, seed, workers }: SearchImages,
  resources: Resources,
): Promise<Pick<SearchSource, 'statistics' | 'trainImages' | 'validationImages'>> {
  const { train, mean, deviation, augmentation } = dataset;
  const pool = resources.use(new ImagePool(workers));
  const placement = augment.placement ?? placementOf(augment, augmentation);
  const placed = { ...augment, placement };
  const open = async () => resources.use(await openFeed(device, train, { pool, augment: placed, seed }));
  const trainImages = await open();
  return {
    statistics: { mean, deviation, augmentation: placement === undefined ? augmentation : { pad: 0, flip: false } },
    trainImages,
    // A batch of one must not take the place of the other's.
    validationImages: augmentsImages(placed) ? await open() : trainImages,
  };
}
