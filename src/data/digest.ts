import { createHash } from 'node:crypto';
import type { Dataset } from './dataset.ts';

/** SHA-256, in hexadecimal, over shape, labels and pixels of the training images; the same on every machine. */
export function datasetDigest({ train }: Dataset): string {
  const head = [...train.shape, train.labels.length, ...train.labels];
  const numbers = new DataView(new ArrayBuffer(4 * head.length));
  head.forEach((value, i) => {
    numbers.setInt32(4 * i, value, true);
  });
  return createHash('sha256').update(numbers).update(train.images).digest('hex');
}
