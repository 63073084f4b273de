// Every op of src/graph/graph.ts as plain float64 loops, forward and backward: the oracle of the engine's kernels. It shares
// nothing with them but the name of a random number. Images are NHWC with the batch first, convolution weights HWIO.
import type { DropoutDraw } from '../backend/device.ts';
import type { DropoutNode, MixingActivation, NoiseNode, Pair } from '../graph/graph.ts';
import { integers, normal, randomBlock } from '../random/philox.ts';

/** Sizes of a batch of images; a vector `[C]` is an image of one pixel. */
export interface ImageSize {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A sliding window; `[vertical, horizontal]` each. */
export interface SlidingWindow {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation?: Pair;
}

/** A convolution: its window, its groups and the channels it puts out. */
export interface Convolution extends SlidingWindow {
  readonly groups: number;
  readonly outputChannels: number;
}

/** Mean and biased variance of each channel over `count` values. */
export interface Statistics {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly count: number;
}

/** Gradients of an op's input and of its weight. */
export interface WeightedGradients {
  readonly input: Float64Array;
  readonly weight: Float64Array;
}

/** Number of pixels a window gives on a batch of images. */
function outputPixels(size: ImageSize, window: SlidingWindow): number {
  const along = (length: number, axis: 0 | 1) => {
    const reach = (window.dilation?.[axis] ?? 1) * (window.kernel[axis] - 1);
    let count = 0;
    for (
      let start = -window.padding[axis];
      start + reach < length + window.padding[axis];
      start += window.stride[axis]
    ) {
      count++;
    }
    return count;
  };
  return size.batch * along(size.height, 0) * along(size.width, 1);
}

/**
 * Visits every pair of an output pixel and an input pixel under its window, by output pixel and then in row order, leaving
 * padding out. Pixels are numbered over the whole batch; `tap` is the position within the kernel.
 */
function eachTap(
  size: ImageSize,
  window: SlidingWindow,
  visit: (output: number, input: number, tap: number) => void,
): void {
  const { kernel, stride, padding, dilation = [1, 1] } = window;
  const bottom = size.height + padding[0] - dilation[0] * (kernel[0] - 1);
  const right = size.width + padding[1] - dilation[1] * (kernel[1] - 1);
  let output = 0;
  for (let sample = 0; sample < size.batch; sample++) {
    for (let top = -padding[0]; top < bottom; top += stride[0]) {
      for (let left = -padding[1]; left < right; left += stride[1]) {
        for (let tap = 0; tap < kernel[0] * kernel[1]; tap++) {
          const y = top + dilation[0] * Math.floor(tap / kernel[1]);
          const x = left + dilation[1] * (tap % kernel[1]);
          if (y < 0 || y >= size.height || x < 0 || x >= size.width) continue;
          visit(output, (sample * size.height + y) * size.width + x, tap);
        }
        output++;
      }
    }
  }
}

/** Cross-correlation: x `[N, H, W, C]`, weight `[kernelHeight, kernelWidth, C / groups, outputChannels]`. */
export function conv2d(x: Float64Array, size: ImageSize, weight: Float64Array, conv: Convolution): Float64Array {
  const inputs = size.channels / conv.groups;
  const outputs = conv.outputChannels / conv.groups;
  const y = new Float64Array(outputPixels(size, conv) * conv.outputChannels);
  eachTap(size, conv, (output, input, tap) => {
    for (let o = 0; o < conv.outputChannels; o++) {
      const group = Math.floor(o / outputs);
      for (let i = 0; i < inputs; i++) {
        y[output * conv.outputChannels + o] +=
          x[input * size.channels + group * inputs + i] * weight[(tap * inputs + i) * conv.outputChannels + o];
      }
    }
  });
  return y;
}

/** Gradients of {@link conv2d} from that of its output. */
export function conv2dBackward(
  x: Float64Array,
  size: ImageSize,
  weight: Float64Array,
  conv: Convolution,
  dy: Float64Array,
): WeightedGradients {
  const inputs = size.channels / conv.groups;
  const outputs = conv.outputChannels / conv.groups;
  const gradients = { input: new Float64Array(x.length), weight: new Float64Array(weight.length) };
  eachTap(size, conv, (output, input, tap) => {
    for (let o = 0; o < conv.outputChannels; o++) {
      const group = Math.floor(o / outputs);
      const slope = dy[output * conv.outputChannels + o];
      for (let i = 0; i < inputs; i++) {
        const from = input * size.channels + group * inputs + i;
        const by = (tap * inputs + i) * conv.outputChannels + o;
        gradients.input[from] += slope * weight[by];
        gradients.weight[by] += slope * x[from];
      }
    }
  });
  return gradients;
}

/** Statistics of each channel over batch and space, in two passes. */
export function batchStatistics(x: Float64Array, channels: number): Statistics {
  const count = x.length / channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  for (let i = 0; i < x.length; i++) mean[i % channels] += x[i] / count;
  for (let i = 0; i < x.length; i++) variance[i % channels] += (x[i] - mean[i % channels]) ** 2 / count;
  return { mean, variance, count };
}

/** Running statistics after a batch: moved by `momentum` towards the batch's mean and unbiased variance. */
export function runningStatistics(running: Statistics, batch: Statistics, momentum: number): Statistics {
  const unbiased = batch.count / (batch.count - 1);
  return {
    mean: running.mean.map((value, c) => (1 - momentum) * value + momentum * batch.mean[c]),
    variance: running.variance.map((value, c) => (1 - momentum) * value + momentum * unbiased * batch.variance[c]),
    count: running.count,
  };
}

/** (x - mean) / sqrt(variance + epsilon), per channel. */
export function normalise(x: Float64Array, statistics: Statistics, epsilon: number): Float64Array {
  const { mean, variance } = statistics;
  return x.map((value, i) => (value - mean[i % mean.length]) / Math.sqrt(variance[i % mean.length] + epsilon));
}

/** scale·x + shift per channel; an absent one is 1 or 0. */
export function affine(x: Float64Array, channels: number, scale?: Float64Array, shift?: Float64Array): Float64Array {
  return x.map((value, i) => value * (scale?.[i % channels] ?? 1) + (shift?.[i % channels] ?? 0));
}

/**
 * Gradients of batch normalisation with the batch's own statistics (arXiv:1502.03167, section 3):
 * dx = scale·rstd·(dy - mean(dy) - xhat·mean(dy·xhat)), the means 0 where the statistics are of infinitely many values.
 */
export function batchNormBackward(
  x: Float64Array,
  statistics: Statistics,
  epsilon: number,
  scale: Float64Array | undefined,
  dy: Float64Array,
): { input: Float64Array; scale: Float64Array; shift: Float64Array } {
  const channels = statistics.mean.length;
  const normalised = normalise(x, statistics, epsilon);
  const gradients = {
    input: new Float64Array(x.length),
    scale: new Float64Array(channels),
    shift: new Float64Array(channels),
  };
  for (let i = 0; i < dy.length; i++) {
    gradients.shift[i % channels] += dy[i];
    gradients.scale[i % channels] += dy[i] * normalised[i];
  }
  for (let i = 0; i < dy.length; i++) {
    const c = i % channels;
    const centred = dy[i] - (gradients.shift[c] + normalised[i] * gradients.scale[c]) / statistics.count;
    gradients.input[i] = ((scale?.[c] ?? 1) * centred) / Math.sqrt(statistics.variance[c] + epsilon);
  }
  return gradients;
}

/** max(x, 0). */
export function relu(x: Float64Array): Float64Array {
  return x.map((value) => Math.max(value, 0));
}

/** Gradient of {@link relu}; 0 at 0. */
export function reluBackward(x: Float64Array, dy: Float64Array): Float64Array {
  return dy.map((slope, i) => (x[i] > 0 ? slope : 0));
}

/** The largest element under each window and its place in the input: the first in row order of equal ones. */
export function maxPool(
  x: Float64Array,
  size: ImageSize,
  window: SlidingWindow,
): { output: Float64Array; winners: Int32Array } {
  const length = outputPixels(size, window) * size.channels;
  const output = new Float64Array(length).fill(-Infinity);
  const winners = new Int32Array(length).fill(-1);
  eachTap(size, window, (to, from) => {
    for (let c = 0; c < size.channels; c++) {
      if (x[from * size.channels + c] <= output[to * size.channels + c]) continue;
      output[to * size.channels + c] = x[from * size.channels + c];
      winners[to * size.channels + c] = from * size.channels + c;
    }
  });
  return { output, winners };
}

/** Gradient of {@link maxPool}: all of it to the winner. */
export function maxPoolBackward(inputLength: number, winners: Int32Array, dy: Float64Array): Float64Array {
  const dx = new Float64Array(inputLength);
  winners.forEach((winner, i) => {
    dx[winner] += dy[i];
  });
  return dx;
}

/** What each window of an average divides by: its pixels within the image, or all of the kernel's. */
function divisors(size: ImageSize, window: SlidingWindow, countIncludePad: boolean): Float64Array {
  const counts = new Float64Array(outputPixels(size, window));
  if (countIncludePad) return counts.fill(window.kernel[0] * window.kernel[1]);
  eachTap(size, window, (output) => {
    counts[output]++;
  });
  return counts;
}

/** Mean under each window. */
export function avgPool(
  x: Float64Array,
  size: ImageSize,
  window: SlidingWindow,
  countIncludePad: boolean,
): Float64Array {
  const counts = divisors(size, window, countIncludePad);
  const y = new Float64Array(counts.length * size.channels);
  eachTap(size, window, (output, input) => {
    for (let c = 0; c < size.channels; c++) {
      y[output * size.channels + c] += x[input * size.channels + c] / counts[output];
    }
  });
  return y;
}

/** Gradient of {@link avgPool} for images of `size`. */
export function avgPoolBackward(
  size: ImageSize,
  window: SlidingWindow,
  countIncludePad: boolean,
  dy: Float64Array,
): Float64Array {
  const counts = divisors(size, window, countIncludePad);
  const dx = new Float64Array(size.batch * size.height * size.width * size.channels);
  eachTap(size, window, (output, input) => {
    for (let c = 0; c < size.channels; c++) {
      dx[input * size.channels + c] += dy[output * size.channels + c] / counts[output];
    }
  });
  return dx;
}

/** Mean over all pixels: `[N, H, W, C]` to `[N, C]`. */
export function globalAvgPool(x: Float64Array, size: ImageSize): Float64Array {
  const pixels = size.height * size.width;
  const y = new Float64Array(size.batch * size.channels);
  x.forEach((value, i) => {
    y[Math.floor(i / (pixels * size.channels)) * size.channels + (i % size.channels)] += value / pixels;
  });
  return y;
}

/** Gradient of {@link globalAvgPool}. */
export function globalAvgPoolBackward(size: ImageSize, dy: Float64Array): Float64Array {
  const pixels = size.height * size.width;
  return new Float64Array(size.batch * pixels * size.channels).map(
    (_, i) => dy[Math.floor(i / (pixels * size.channels)) * size.channels + (i % size.channels)] / pixels,
  );
}

/** x `[N, inputs]` times weight `[inputs, outputs]`, plus bias `[outputs]`. */
export function linear(x: Float64Array, weight: Float64Array, bias: Float64Array): Float64Array {
  const outputs = bias.length;
  const inputs = weight.length / outputs;
  const y = new Float64Array((x.length / inputs) * outputs);
  for (let i = 0; i < y.length; i++) {
    const sample = Math.floor(i / outputs);
    y[i] = bias[i % outputs];
    for (let k = 0; k < inputs; k++) y[i] += x[sample * inputs + k] * weight[k * outputs + (i % outputs)];
  }
  return y;
}

/** Gradients of {@link linear}. */
export function linearBackward(
  x: Float64Array,
  weight: Float64Array,
  outputs: number,
  dy: Float64Array,
): WeightedGradients & { bias: Float64Array } {
  const inputs = weight.length / outputs;
  const gradients = {
    input: new Float64Array(x.length),
    weight: new Float64Array(weight.length),
    bias: new Float64Array(outputs),
  };
  for (let i = 0; i < dy.length; i++) {
    const sample = Math.floor(i / outputs);
    gradients.bias[i % outputs] += dy[i];
    for (let k = 0; k < inputs; k++) {
      gradients.input[sample * inputs + k] += dy[i] * weight[k * outputs + (i % outputs)];
      gradients.weight[k * outputs + (i % outputs)] += dy[i] * x[sample * inputs + k];
    }
  }
  return gradients;
}

/** The channels of `parts` side by side; `channels` are theirs. */
export function concat(parts: readonly Float64Array[], channels: readonly number[]): Float64Array {
  const pixels = parts[0].length / channels[0];
  const rows = Array.from({ length: pixels }, (_, pixel) =>
    parts.flatMap((part, k) => [...part.subarray(pixel * channels[k], (pixel + 1) * channels[k])]),
  );
  return Float64Array.from(rows.flat());
}

/** Channels `first` to `first + count` of every pixel: the gradient of one part of {@link concat}. */
export function channelSlice(x: Float64Array, channels: number, first: number, count: number): Float64Array {
  return x.filter((_, i) => i % channels >= first && i % channels < first + count);
}

/** For each element of the cropped image, its place in the whole one. */
function cropSources(size: ImageSize, top: number, left: number): number[] {
  const places: number[] = [];
  for (let sample = 0; sample < size.batch; sample++) {
    for (let y = top; y < size.height; y++) {
      for (let x = left; x < size.width; x++) {
        for (let c = 0; c < size.channels; c++) {
          places.push(((sample * size.height + y) * size.width + x) * size.channels + c);
        }
      }
    }
  }
  return places;
}

/** Images without their first `top` rows and `left` columns. */
export function crop(x: Float64Array, size: ImageSize, top: number, left: number): Float64Array {
  return Float64Array.from(cropSources(size, top, left), (place) => x[place]);
}

/** Gradient of {@link crop}: zero where it cut. */
export function cropBackward(size: ImageSize, top: number, left: number, dy: Float64Array): Float64Array {
  const dx = new Float64Array(size.batch * size.height * size.width * size.channels);
  cropSources(size, top, left).forEach((place, i) => {
    dx[place] = dy[i];
  });
  return dx;
}

/** Mixing weights of one row of architecture parameters. */
export function mixingWeights(alpha: Float64Array, activation: MixingActivation): Float64Array {
  if (activation === 'sigmoid') return alpha.map((value) => 1 / (1 + Math.exp(-value)));
  const largest = Math.max(...alpha);
  const powers = alpha.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Gradient of a row of architecture parameters from that of its mixing weights `p`. */
export function mixingBackward(p: Float64Array, dp: Float64Array, activation: MixingActivation): Float64Array {
  if (activation === 'sigmoid') return dp.map((slope, k) => slope * p[k] * (1 - p[k]));
  const mean = dot(p, dp);
  return dp.map((slope, k) => p[k] * (slope - mean));
}

/** Mean softmax cross-entropy of logits `[N, classes]`, its gradient, and how many largest logits are the label's. */
export function softmaxCrossEntropy(
  logits: Float64Array,
  labels: Int32Array,
  smoothing = 0,
): { loss: number; correct: number; gradient: Float64Array } {
  const classes = logits.length / labels.length;
  const gradient = new Float64Array(logits.length);
  let loss = 0;
  let correct = 0;
  labels.forEach((label, sample) => {
    const row = logits.subarray(sample * classes, (sample + 1) * classes);
    const largest = row.reduce((most, logit) => Math.max(most, logit));
    const total = row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
    const target = row.map((_, k) => (k === label ? 1 - smoothing : 0) + smoothing / classes);
    const logTotal = Math.log(total) + largest;
    loss += target.reduce((sum, share, k) => sum + share * (logTotal - row[k]), 0) / labels.length;
    if (row.indexOf(largest) === label) correct++;
    row.forEach((logit, k) => {
      gradient[sample * classes + k] = (Math.exp(logit - largest) / total - target[k]) / labels.length;
    });
  });
  return { loss, correct, gradient };
}

/** A loss between two outputs, with its gradients. */
interface PairLoss {
  readonly loss: number;
  readonly gradients: readonly [Float64Array, Float64Array];
}

/** Mean over samples of the divergence of softmax(s / T) from softmax(t / T); arrays `[batch, classes]`. */
export function distillation(
  student: Float64Array,
  teacher: Float64Array,
  classes: number,
  temperature: number,
): PairLoss {
  const batch = student.length / classes;
  const gradients = [new Float64Array(student.length), new Float64Array(student.length)] as const;
  let loss = 0;
  for (let first = 0; first < student.length; first += classes) {
    const logarithms = (logits: Float64Array) => {
      const row = [...logits.subarray(first, first + classes)].map((logit) => logit / temperature);
      const largest = row.reduce((most, logit) => Math.max(most, logit));
      const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
      return row.map((logit) => logit - largest - total);
    };
    const [p, q] = [logarithms(student), logarithms(teacher)];
    const divergence = q.reduce((sum, log, c) => sum + Math.exp(log) * (log - p[c]), 0);
    loss += divergence / batch;
    for (let c = 0; c < classes; c++) {
      gradients[0][first + c] = (Math.exp(p[c]) - Math.exp(q[c])) / (temperature * batch);
      gradients[1][first + c] = (Math.exp(q[c]) * (q[c] - p[c] - divergence)) / (temperature * batch);
    }
  }
  return { loss, gradients };
}

/** Mean over all elements of d²/2 where |d| < 1, else |d| - 1/2. */
export function smoothL1(first: Float64Array, second: Float64Array): PairLoss {
  const differences = first.map((value, i) => value - second[i]);
  const terms = differences.map((d) => (Math.abs(d) < 1 ? d ** 2 / 2 : Math.abs(d) - 0.5));
  const slopes = differences.map((d) => Math.max(-1, Math.min(1, d)) / first.length);
  const loss = terms.reduce((sum, term) => sum + term, 0) / first.length;
  return { loss, gradients: [slopes, slopes.map((slope) => -slope)] };
}

/** Mean over all elements of (a - b)². */
export function meanSquaredError(first: Float64Array, second: Float64Array): PairLoss {
  const differences = first.map((value, i) => value - second[i]);
  const slopes = differences.map((d) => (2 * d) / first.length);
  return { loss: dot(differences, differences) / first.length, gradients: [slopes, slopes.map((slope) => -slope)] };
}

/** Mean over samples of 1 - a·b / max(|a||b|, 1e-6); arrays `[batch, channels]`. */
export function cosineDistance(first: Float64Array, second: Float64Array, channels: number): PairLoss {
  const batch = first.length / channels;
  const gradients = [new Float64Array(first.length), new Float64Array(second.length)] as const;
  let loss = 0;
  for (let begin = 0; begin < first.length; begin += channels) {
    const rows = [first, second].map((values) => values.subarray(begin, begin + channels));
    const squares = rows.map((row) => dot(row, row));
    const product = Math.sqrt(squares[0] * squares[1]);
    const divisor = Math.max(product, 1e-6);
    const cosine = dot(rows[0], rows[1]) / divisor;
    loss += (1 - cosine) / batch;
    for (const i of [0, 1]) {
      for (let c = 0; c < channels; c++) {
        // Where the divisor is the product of the lengths it grows with each of them.
        const along = product > 1e-6 ? (cosine * rows[i][c]) / squares[i] : 0;
        gradients[i][begin + c] = (along - rows[1 - i][c] / divisor) / batch;
      }
    }
  }
  return { loss, gradients };
}

/** Sum of products. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Hyperbolic tangent; its slope follows from the output. */
export function tanh(x: Float64Array): Float64Array {
  return x.map((value) => Math.tanh(value));
}

/** Logistic function. */
export function sigmoid(x: Float64Array): Float64Array {
  return x.map((value) => 1 / (1 + Math.exp(-value)));
}

/** Values plus noise, as many random numbers as there are. */
export function noise(
  values: Float64Array,
  { distribution, number, always }: NoiseNode,
  draw: DropoutDraw | undefined,
): Float64Array {
  if (draw === undefined) {
    if (always) throw new Error('the reference was given nothing that noise draws from');
    return values.slice();
  }
  const { seed, epoch, step } = draw;
  const noiseScale = always ? 1 : (draw.noiseScale ?? 1);
  const stream = { seed, epoch, step, purpose: 'dropout', part: number } as const;
  const drawn = distribution === 'normal' ? normal(stream, values.length) : integers(stream, -3, 6, values.length);
  return values.map((value, i) => value + Math.fround(noiseScale) * drawn[i]);
}

/**
 * Values, or gradients on their way back, of which elements or whole samples are dropped and the rest divided by 1 - rate. One
 * random number of 32 bits an element (or sample), dropped below rate·2^32.
 */
export function dropout(
  values: Float64Array,
  batchSize: number,
  { rate, drops, number }: DropoutNode,
  draw: DropoutDraw | undefined,
): Float64Array {
  if (draw === undefined || draw.drops === false) return values.slice();
  const { seed, epoch, step, pathFactor = 1 } = draw;
  const whole = drops === 'samples';
  const effective = Math.fround(rate) * (whole ? Math.fround(pathFactor) : 1);
  const stream = { seed, epoch, step, purpose: 'dropout', part: number } as const;
  const elements = values.length / batchSize;
  return values.map((value, i) => {
    const index = whole ? Math.floor(i / elements) : i;
    const word = randomBlock(stream, Math.floor(index / 4))[index % 4];
    return word < Math.floor(effective * 2 ** 32) ? 0 : value / (1 - effective);
  });
}
