import { createHash } from 'node:crypto';
import type { Dataset, ImageSet } from './dataset.ts';

/**
 * SHA-256, in hexadecimal, over shape, labels and pixels of the training images; the same on every machine. Of images in files
 * their names stand for the pixels: reading all of them would take as long as an epoch.
 */
export function datasetDigest({ train }: Dataset<ImageSet>): string {
  const head = [...train.shape, train.labels.length];
  const hash = createHash('sha256').update(littleEndian(head)).update(littleEndian(train.labels));
  if ('images' in train) return hash.update(train.images).digest('hex');
  for (const names of [train.classFolders, train.names]) hash.update(`${names.join('\0')}\0`);
  return hash.digest('hex');
}

function littleEndian(values: ArrayLike<number>): DataView {
  const numbers = new DataView(new ArrayBuffer(4 * values.length));
  for (let i = 0; i < values.length; i++) numbers.setInt32(4 * i, values[i], true);
  return numbers;
}
