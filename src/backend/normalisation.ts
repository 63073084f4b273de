import type { Augmentation } from './device.ts';

/** Every pixel value after scaling to [0, 1] and normalisation: [channels, 256], in float32. */
export function normalisationTable({ mean, deviation }: Pick<Augmentation, 'mean' | 'deviation'>): Float32Array {
  const table = new Float32Array(mean.length * 256);
  for (let c = 0; c < mean.length; c++) {
    for (let value = 0; value < 256; value++) table[c * 256 + value] = (value / 255 - mean[c]) / deviation[c];
  }
  return table;
}
