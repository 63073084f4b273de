import type { Device, ExecuteOptions, GatheredBatch, Program } from '../backend/device.ts';

/** How well a network does on images that it does not learn from. */
export interface Validation {
  /** Mean over the images. */
  readonly loss: number;
  readonly accuracy: number;
  /** Share of images whose label is among the five largest logits, where that is counted. */
  readonly top5?: number;
}

// Few crossings, yet progress in between: an abort is noticed and memory for outcomes stays small.
const batchesPerCall = 16;

/** Evaluates batches with running statistics; sums run in the order of the batches. Rejects with AbortedError on a signal. */
export async function validate(
  device: Device,
  programFor: (batchSize: number) => Program,
  batches: readonly GatheredBatch[],
  options: ExecuteOptions = {},
): Promise<Validation> {
  let [lossSum, correct, count] = [0, 0, 0];
  for (let begin = 0; begin < batches.length; begin += batchesPerCall) {
    const part = batches.slice(begin, begin + batchesPerCall);
    const commands = part.map(
      (batch) =>
        ({ kind: 'evaluate', program: programFor(batch.indices.length), batch, statistics: 'running' }) as const,
    );
    const outcomes = await device.execute(commands, options);
    outcomes.forEach((outcome, i) => {
      lossSum += (outcome.loss ?? Number.NaN) * part[i].indices.length;
      correct += outcome.correct ?? Number.NaN;
      count += part[i].indices.length;
    });
  }
  return { loss: lossSum / count, accuracy: correct / count };
}
