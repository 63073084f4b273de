import type { Dataset, ImageArrays } from './dataset.ts';
import { yieldToEventLoop } from './files.ts';

/** A few milliseconds of work. */
const pixelsPerTurn = 2 ** 18;

/**
 * Mean and population deviation per channel of pixels scaled to [0, 1]; a channel of one value has deviation 1, so that
 * dividing by it stays finite. Throws AbortedError.
 */
export async function channelStatistics(
  { images, shape }: ImageArrays,
  signal?: AbortSignal,
): Promise<Pick<Dataset, 'mean' | 'deviation'>> {
  const channels = shape[2];
  // A histogram makes the sums exact whatever the number of pixels.
  const histograms = Array.from({ length: channels }, () => new Float64Array(256));
  for (let begin = 0; begin < images.length; begin += pixelsPerTurn) {
    await yieldToEventLoop(signal);
    const end = Math.min(begin + pixelsPerTurn, images.length);
    for (let i = begin; i < end; i++) histograms[i % channels][images[i]]++;
  }
  const moments = histograms.map((histogram) => histogramMoments(histogram, images.length / channels));
  return { mean: moments.map(({ mean }) => mean), deviation: moments.map(({ deviation }) => deviation) };
}

function histogramMoments(histogram: Float64Array, count: number): { mean: number; deviation: number } {
  const mean = histogram.reduce((sum, times, value) => sum + (times * value) / 255, 0) / count;
  const variance = histogram.reduce((sum, times, value) => sum + times * (value / 255 - mean) ** 2, 0) / count;
  const constant = histogram.some((times) => times === count);
  return { mean, deviation: constant ? 1 : Math.sqrt(variance) };
}
