// Image files, all of which are decoded before a search begins: its epochs are many, and its images small.
import { constants } from 'node:buffer';
import { totalmem } from 'node:os';
import type { Dataset, ImageArrays, ImageFiles } from '../data/dataset.ts';
import { listed } from '../data/files.ts';
import { pathOf } from '../data/folder.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import type { ImagePool } from './pool.ts';

/** How image files are decoded. */
export interface IntoMemoryOptions {
  readonly pool: ImagePool;
  readonly signal?: AbortSignal;
  /** That the pixels may take; half of the memory that the process may have when absent. */
  readonly mostBytes?: number;
}

/** Images that are asked for at a time: enough for every thread of a pool. */
const imagesAhead = 256;

/** A dataset's share of padding: CIFAR's 4 of 32 pixels. */
const padShare = 1 / 8;

/**
 * The training images of a dataset, decoded to its shape: the whole shorter side and the middle of the longer one. Files that cannot
 * be read are left out and told in a notice. Images are to be padded and cropped as CIFAR's are. Rejects with DataError where
 * they do not fit the memory or none can be read, or AbortedError.
 */
export async function intoMemory(
  { test: _, lacksTest: __, ...dataset }: Dataset<ImageFiles>,
  options: IntoMemoryOptions,
): Promise<Dataset> {
  const { train, notices, augmentation } = dataset;
  checkFits(train, options.mostBytes);
  const { images, unreadable } = await decodeAll(train, options);
  const told =
    unreadable.length === 0
      ? []
      : [`image files left out that cannot be read: ${unreadable.length}: ${listed(unreadable, 3)}`];
  const pad = Math.round(Math.min(train.shape[0], train.shape[1]) * padShare);
  return { ...dataset, train: images, augmentation: { ...augmentation, pad }, notices: [...notices, ...told] };
}

/** Throws DataError, with a size and a number of images that would fit, where the pixels are more than may be. */
function checkFits({ labels, shape }: ImageFiles, mostBytes = memoryBytes() / 2): void {
  const [height, width, channels] = shape;
  const most = Math.min(mostBytes, constants.MAX_LENGTH);
  const count = labels.length;
  const bytes = count * height * width * channels;
  if (bytes <= most) return;
  const side = Math.floor(Math.sqrt(most / (count * channels)) / 8) * 8;
  const smaller = side >= 8 ? `--image-size ${side} or ` : '';
  throw new DataError(
    `${count} images of ${height}x${width} take ${gigabytes(bytes)} of memory, expected at most ${gigabytes(most)}: ${smaller}--limit ${Math.floor(most / (height * width * channels))} would do`,
  );
}

/** What the process may have: of the machine, or of the control group that it is in. */
function memoryBytes(): number {
  const allowed = process.constrainedMemory();
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

async function decodeAll(
  files: ImageFiles,
  { pool, signal }: IntoMemoryOptions,
): Promise<{ images: ImageArrays; unreadable: readonly string[] }> {
  const { shape, labels, colourProfile } = files;
  const size = shape[0] * shape[1] * shape[2];
  const pixels = new Uint8Array(labels.length * size);
  const kept: number[] = [];
  const unreadable: string[] = [];
  for (let begin = 0; begin < labels.length; begin += imagesAhead) {
    const count = Math.min(imagesAhead, labels.length - begin);
    const tasks = Array.from({ length: count }, (_, i) =>
      pool.prepare({ source: { path: pathOf(files, begin + i) }, shape, frame: 'square', colourProfile }, signal),
    );
    for (const [i, prepared] of (await Promise.all(tasks)).entries()) {
      if ('pixels' in prepared) {
        pixels.set(prepared.pixels, kept.length * size);
        kept.push(labels[begin + i]);
      } else unreadable.push(`${pathOf(files, begin + i)} (${prepared.reason})`);
    }
    throwIfAborted(signal);
  }
  if (kept.length === 0) throw new DataError(`expected images that can be read, found none: ${listed(unreadable, 3)}`);
  return {
    images: { images: pixels.subarray(0, kept.length * size), labels: Int32Array.from(kept), shape },
    unreadable,
  };
}
