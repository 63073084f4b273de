// What language models have beside their cell, as plain float64 loops. Sequences are time-major: sample = time·columns + column.
import type { DropoutDraw } from '../backend/device.ts';
import type { SequenceMask } from '../graph/graph.ts';
import { randomBlock } from '../random/philox.ts';
import { dot, type WeightedGradients } from './primitives.ts';

/** A mask's elements: those that the batch gives, or drawn as dropout draws; nothing where nothing is dropped. */
export function sequenceMask(
  { name, rate, number }: SequenceMask,
  elements: number,
  draw: DropoutDraw | undefined,
): Float64Array | undefined {
  const given = draw?.masks?.[name];
  if (given !== undefined) return Float64Array.from(given);
  if (draw === undefined || draw.drops === false) return undefined;
  const { seed, epoch, step } = draw;
  const stream = { seed, epoch, step, purpose: 'dropout', part: number } as const;
  const single = Math.fround(rate);
  const isDropped = (i: number) => randomBlock(stream, Math.floor(i / 4))[i % 4] < Math.floor(single * 2 ** 32);
  return new Float64Array(elements).map((_, i) => (isDropped(i) ? 0 : 1 / (1 - single)));
}

/** Values times a mask that is the same at all times; themselves without one. */
export function masked(values: Float64Array, mask: Float64Array | undefined): Float64Array {
  return mask === undefined ? values : values.map((value, i) => value * mask[i % mask.length]);
}

/** Rows of a table `[count, channels]` by integers `[N]`, times the mask `[count]` of the rows. */
export function embedding(
  words: Float64Array,
  table: Float64Array,
  channels: number,
  mask: Float64Array | undefined,
): Float64Array {
  const factor = (word: number) => mask?.[word] ?? 1;
  return new Float64Array(words.length * channels).map((_, i) => {
    const word = words[Math.floor(i / channels)];
    return table[word * channels + (i % channels)] * factor(word);
  });
}

/** Gradient of the table of {@link embedding}, of so many elements: a row is the sum over all samples that read it. */
export function embeddingBackward(
  words: Float64Array,
  elements: number,
  channels: number,
  mask: Float64Array | undefined,
  dy: Float64Array,
): Float64Array {
  const gradient = new Float64Array(elements);
  dy.forEach((slope, i) => {
    const word = words[Math.floor(i / channels)];
    gradient[word * channels + (i % channels)] += slope * (mask?.[word] ?? 1);
  });
  return gradient;
}

/** x `[N, channels]` times the transpose of a table `[outputs, channels]`, plus bias `[outputs]`. */
export function tiedLinear(x: Float64Array, table: Float64Array, bias: Float64Array): Float64Array {
  const outputs = bias.length;
  const channels = table.length / outputs;
  const row = (values: Float64Array, index: number) => values.subarray(index * channels, (index + 1) * channels);
  return new Float64Array((x.length / channels) * outputs).map(
    (_, i) => bias[i % outputs] + dot(row(x, Math.floor(i / outputs)), row(table, i % outputs)),
  );
}

/** Gradients of {@link tiedLinear}. */
export function tiedLinearBackward(
  x: Float64Array,
  table: Float64Array,
  outputs: number,
  dy: Float64Array,
): WeightedGradients & { bias: Float64Array } {
  const channels = table.length / outputs;
  const gradients = {
    input: new Float64Array(x.length),
    weight: new Float64Array(table.length),
    bias: new Float64Array(outputs),
  };
  dy.forEach((slope, i) => {
    const [sample, output] = [Math.floor(i / outputs), i % outputs];
    gradients.bias[output] += slope;
    for (let c = 0; c < channels; c++) {
      gradients.input[sample * channels + c] += slope * table[output * channels + c];
      gradients.weight[output * channels + c] += slope * x[sample * channels + c];
    }
  });
  return gradients;
}

/** Mean of x² over all elements, with its gradient. */
export function meanSquare(x: Float64Array): { loss: number; gradient: Float64Array } {
  return { loss: dot(x, x) / x.length, gradient: x.map((value) => (2 * value) / x.length) };
}

/** Mean of the squares of what changes between times of `width` elements each, with its gradient; 0 of a single time. */
export function slowness(x: Float64Array, width: number): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(x.length);
  const changes = x.length - width;
  let loss = 0;
  for (let i = 0; i < changes; i++) {
    const change = x[i + width] - x[i];
    loss += change ** 2 / changes;
    gradient[i + width] += (2 * change) / changes;
    gradient[i] -= (2 * change) / changes;
  }
  return { loss, gradient };
}
