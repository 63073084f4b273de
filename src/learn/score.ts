// What a trained network scores on images, from its logits.
import type { Device, ExecuteOptions, Program } from '../backend/device.ts';
import { BackendError } from '../errors.ts';
import type { FedBatch } from './train_batches.ts';

/** How well a network classifies a set of images. */
export interface Score {
  /** Mean cross-entropy, without smoothing and auxiliary head. */
  readonly loss: number;
  /** Share of images whose label has the largest logit. */
  readonly accuracy: number;
  /** Share of images whose label is among the five largest logits; absent where all are: see {@link tellsTopFive}. */
  readonly top5?: number;
  /** `[label][prediction]`: numbers of images. */
  readonly confusion: readonly (readonly number[])[];
  /** Number of images that were scored. */
  readonly images: number;
}

/** Options of {@link scoreImages}. */
export interface ScoreOptions extends ExecuteOptions {
  readonly device: Device;
  /** Programs of the plain network, by batch size. */
  readonly programFor: (batchSize: number) => Program;
  /** The node of its logits. */
  readonly logits: number;
  readonly classes: number;
  readonly batches: AsyncIterable<FedBatch>;
  /** Told how many images are done. */
  readonly onProgress?: (images: number) => void;
}

/** Whether five are not all of the classes, so that being among the five likeliest tells something. */
export function tellsTopFive(classes: number): boolean {
  return classes > 5;
}

/** Scores batches with running statistics; sums run in the order of the batches. Rejects with AbortedError on a signal. */
export async function scoreImages(options: ScoreOptions): Promise<Score & { readonly top5: number }> {
  const { device, programFor, logits, classes, batches, signal, onProgress } = options;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [lossSum, correct, amongFive, count] = [0, 0, 0, 0];
  for await (const { batch, labels } of batches) {
    const program = programFor(batch.indices.length);
    const [outcome] = await device.execute(
      [{ kind: 'evaluate', program, batch, statistics: 'running', read: [logits] }],
      { signal },
    );
    const values = outcome.outputs?.get(logits);
    if (values === undefined) throw new BackendError('[score] expected the logits of a batch');
    labels.forEach((label, sample) => {
      const row = values.subarray(sample * classes, (sample + 1) * classes);
      const { best, rank } = rankOf(row, label);
      confusion[label][best]++;
      if (best === label) correct++;
      if (rank < 5) amongFive++;
    });
    lossSum += (outcome.loss ?? Number.NaN) * labels.length;
    count += labels.length;
    onProgress?.(count);
  }
  return { loss: lossSum / count, accuracy: correct / count, top5: amongFive / count, confusion, images: count };
}

/** The class with the largest logit, the first of equal ones, and how many classes come before the label. */
export function rankOf(logits: ArrayLike<number>, label: number): { best: number; rank: number } {
  // A label whose logit is no number comes last.
  let [best, rank] = [0, Number.isNaN(logits[label]) ? logits.length : 0];
  for (let c = 0; c < logits.length; c++) {
    if (logits[c] > logits[best]) best = c;
    if (logits[c] > logits[label] || (logits[c] === logits[label] && c < label)) rank++;
  }
  return { best, rank };
}
