import { createHash, type Hash } from 'node:crypto';
import { inSlices, type Steps, stepElements } from '../slices.ts';
import type { Dataset, ImageSet } from './dataset.ts';

/**
 * SHA-256, in hexadecimal, over all of a dataset that decides a run's bits: shape, labels and pixels of its images, to learn from and
 * to be scored on, normalisation and augmentation; the same on every machine. Of images in files their names stand for the pixels:
 * reading all of them would take as long as an epoch.
 */
export async function datasetDigest(dataset: Dataset<ImageSet>): Promise<string> {
  return inSlices(digestSteps(dataset));
}

function* digestSteps({ train, test, mean, deviation, augmentation }: Dataset<ImageSet>): Steps<string> {
  const { pad, flip } = augmentation;
  const hash = createHash('sha256').update(JSON.stringify([mean, deviation, pad, flip]));
  yield* addImages(hash, train);
  if (test !== undefined) yield* addImages(hash, test);
  return hash.digest('hex');
}

function* addImages(hash: Hash, set: ImageSet): Steps<void> {
  // With the number of labels, so that no two sets run into one another.
  hash.update(littleEndian([...set.shape, set.labels.length]));
  yield* addIntegers(hash, set.labels);
  if ('images' in set) {
    yield* addPieces(set.images.length, stepBytes, (begin, end) => {
      hash.update(set.images.subarray(begin, end));
    });
    return;
  }
  for (const names of [set.classFolders, set.names]) {
    yield* addPieces(names.length, stepNames, (begin, end) => {
      hash.update(names.slice(begin, end).join('\0'));
      if (end < names.length) hash.update('\0');
    });
    hash.update('\0');
  }
  // As before there was a choice, unless it was made.
  if (set.colourProfile === 'ignore') hash.update('ignore');
}

/** Adds integers to a hash, the same on every machine. */
export function* addIntegers(hash: Hash, values: Int32Array): Steps<void> {
  yield* addPieces(values.length, stepElements, (begin, end) => {
    hash.update(littleEndian(values.subarray(begin, end)));
  });
}

/** What is hashed in some 100 microseconds. */
const stepBytes = 1 << 17;
const stepNames = 512;

function* addPieces(length: number, piece: number, add: (begin: number, end: number) => void): Steps<void> {
  for (let begin = 0; begin < length; begin += piece) {
    add(begin, Math.min(begin + piece, length));
    yield;
  }
}

function littleEndian(values: ArrayLike<number>): DataView {
  const numbers = new DataView(new ArrayBuffer(4 * values.length));
  for (let i = 0; i < values.length; i++) numbers.setInt32(4 * i, values[i], true);
  return numbers;
}
