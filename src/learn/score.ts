// What a trained network scores on images, from its logits.
import type { Device, EvaluateCommand, ExecuteOptions, Program } from '../backend/device.ts';
import { BackendError } from '../errors.ts';
import { type EvaluationDraw, evaluationBatch } from './noise.ts';
import type { FedBatch } from './train_batches.ts';

/** How well a network classifies a set of images. */
export interface Score {
  /** Mean cross-entropy, without auxiliary head; without smoothing unless that was asked for. */
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
  /** Of a graph that every pass draws noise for: what names its numbers, `step` that of the first batch. All 0 when absent. */
  readonly draw?: EvaluationDraw;
  /** Batches to one crossing, where they stay on their device while others follow; 1 when absent. */
  readonly batchesPerCall?: number;
  /** What batch norms normalise with; `running` when absent. */
  readonly statistics?: EvaluateCommand['statistics'];
  /** Mixing weights in place of those that follow from alpha. */
  readonly mixing?: EvaluateCommand['mixing'];
  /** Told how many images are done. */
  readonly onProgress?: (images: number) => void;
}

/** Whether five are not all of the classes, so that being among the five likeliest tells something. */
export function tellsTopFive(classes: number): boolean {
  return classes > 5;
}

/** Scores batches; sums run in the order of the batches. Rejects with AbortedError on a signal. */
export async function scoreImages(options: ScoreOptions): Promise<Score & { readonly top5: number }> {
  const { device, programFor, logits, classes, batches, batchesPerCall = 1, signal, onProgress } = options;
  const { statistics = 'running', mixing, draw = { seed: 0, epoch: 0, step: 0 } } = options;
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [lossSum, correct, amongFive, count] = [0, 0, 0, 0];
  let { step } = draw;
  for await (const part of grouped(batches, batchesPerCall)) {
    const commands = part.map(({ batch: fed }) => {
      const program = programFor(fed.indices.length);
      const batch = evaluationBatch(fed, program.graph, { ...draw, step: step++ });
      return { kind: 'evaluate', program, batch, statistics, ...(mixing && { mixing }), read: [logits] } as const;
    });
    const outcomes = await device.execute(commands, { signal });
    for (const [i, { loss = Number.NaN, outputs }] of outcomes.entries()) {
      const { labels } = part[i];
      const values = outputs?.get(logits);
      if (values === undefined) throw new BackendError('[score] expected the logits of a batch');
      labels.forEach((label, sample) => {
        const row = values.subarray(sample * classes, (sample + 1) * classes);
        const { best, rank } = rankOf(row, label);
        confusion[label][best]++;
        if (best === label) correct++;
        if (rank < 5) amongFive++;
      });
      lossSum += loss * labels.length;
      count += labels.length;
    }
    onProgress?.(count);
  }
  return { loss: lossSum / count, accuracy: correct / count, top5: amongFive / count, confusion, images: count };
}

async function* grouped<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
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
