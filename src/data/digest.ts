import { createHash, type Hash } from 'node:crypto';
import type { Dataset, ImageSet } from './dataset.ts';

/**
 * SHA-256, in hexadecimal, over all of a dataset that decides a run's bits: shape, labels and pixels of its images, to learn from and
 * to be scored on, normalisation and augmentation; the same on every machine. Of images in files their names stand for the pixels:
 * reading all of them would take as long as an epoch.
 */
export function datasetDigest({ train, test, mean, deviation, augmentation }: Dataset<ImageSet>): string {
  const { pad, flip } = augmentation;
  const hash = createHash('sha256').update(JSON.stringify([mean, deviation, pad, flip]));
  addImages(hash, train);
  if (test !== undefined) addImages(hash, test);
  return hash.digest('hex');
}

function addImages(hash: Hash, set: ImageSet): void {
  // With the number of labels, so that no two sets run into one another.
  hash.update(littleEndian([...set.shape, set.labels.length])).update(littleEndian(set.labels));
  if ('images' in set) {
    hash.update(set.images);
    return;
  }
  for (const names of [set.classFolders, set.names]) hash.update(`${names.join('\0')}\0`);
  // As before there was a choice, unless it was made.
  if (set.colourProfile === 'ignore') hash.update('ignore');
}

function littleEndian(values: ArrayLike<number>): DataView {
  const numbers = new DataView(new ArrayBuffer(4 * values.length));
  for (let i = 0; i < values.length; i++) numbers.setInt32(4 * i, values[i], true);
  return numbers;
}
