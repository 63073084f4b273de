// How windows lie on images, in operations that every platform of TensorFlow.js has.
import type { Tensor, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs';
import type { Pair, Shape } from '../../graph/graph.ts';
import type { Tf } from './tf.ts';

/** Windows over an image that was padded. */
export interface Windows {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  /** [outputHeight, outputWidth, ...] */
  readonly shape: Shape;
}

/** `[batch, height, width, channels]` with zeros between its rows and columns, so that they lie `steps` apart. */
export function spread(tf: Tf, x: Tensor4D, [down, across]: Pair): Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const rows = spreadAxis(tf, tf.reshape(x, [batch, height, width * channels]), down);
  const both = spreadAxis(tf, tf.reshape(rows, [batch * rows.shape[1], width, channels]), across);
  return tf.reshape(both, [batch, rows.shape[1], both.shape[1], channels]);
}

/** `[a, n, c]` with `step` - 1 zeros behind every entry of the middle axis but the last. */
function spreadAxis(tf: Tf, x: Tensor3D, step: number): Tensor3D {
  if (step === 1) return x;
  const [outer, count, inner] = x.shape;
  const wide = tf.pad(tf.reshape(x, [outer * count, 1, inner]), [[0, 0], [0, step - 1], [0, 0]]); // biome-ignore format: axes
  const all = tf.reshape(wide, [outer, count * step, inner]) as Tensor3D;
  return tf.slice(all, [0, 0, 0], [outer, (count - 1) * step + 1, inner]);
}

/**
 * What a tap of a window, counted in row order, sees of `x`: `[batch, outputHeight, outputWidth, channels]`. Slices are of rows
 * as a whole, since WebAssembly copies along the last axis only.
 */
export function tapOf(tf: Tf, x: Tensor4D, { kernel, stride, dilation, shape }: Windows, tap: number): Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const [rows, columns] = [(shape[0] - 1) * stride[0] + 1, (shape[1] - 1) * stride[1] + 1];
  const lines = tf.reshape(x, [batch, height, width * channels]) as Tensor3D;
  const [top, left] = [Math.floor(tap / kernel[1]) * dilation[0], (tap % kernel[1]) * dilation[1]];
  const all = height === rows && width === columns;
  const window = all ? lines : tf.slice(lines, [0, top, left * channels], [batch, rows, columns * channels]);
  return everyOther(tf, window, stride, [shape[0], shape[1], channels]);
}

/** Every `stride`-th row and column of `[batch, rows, columns * channels]`, beginning with the first. */
function everyOther(
  tf: Tf,
  x: Tensor3D,
  [down, across]: Pair,
  [height, width, channels]: readonly [number, number, number],
): Tensor4D {
  const [batch, rows, line] = x.shape;
  let kept: Tensor = x;
  if (down > 1) {
    const full = tf.pad(x, [[0, 0], [0, height * down - rows], [0, 0]]); // biome-ignore format: one axis after another
    kept = tf.slice(tf.reshape(full, [batch * height, down * line]) as Tensor2D, [0, 0], [batch * height, line]);
  }
  if (across > 1) {
    const full = tf.pad(tf.reshape(kept, [batch * height, line]) as Tensor2D, [[0, 0], [0, width * across * channels - line]]); // biome-ignore format: one axis after another
    const pixels = batch * height * width;
    kept = tf.slice(tf.reshape(full, [pixels, across * channels]) as Tensor2D, [0, 0], [pixels, channels]);
  }
  return tf.reshape(kept, [batch, height, width, channels]) as Tensor4D;
}
