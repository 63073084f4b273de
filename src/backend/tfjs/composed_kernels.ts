// Gradients that WebAssembly has no right kernels of, composed of operations that it has.
import type { NamedAttrMap, Tensor, Tensor4D } from '@tensorflow/tfjs';
import type { Pair } from '../../graph/graph.ts';
import type { Tf } from './tf.ts';
import { spread, tapOf } from './windows.ts';

/** A kernel on tensors; undefined where it does not take the attributes. */
export type ComposedKernel = (tf: Tf, inputs: Record<string, Tensor4D>, attrs: NamedAttrMap) => Tensor4D | undefined;

/** By the name that TensorFlow.js's own autodiff asks for. */
export const composedKernels: Readonly<Record<string, ComposedKernel>> = {
  DepthwiseConv2dNativeBackpropInput: (tf, { dy, filter }, attrs) => {
    const stride = strideOf(attrs);
    if (stride === undefined || filter.shape[3] !== 1) return undefined;
    const [, height, width] = attrs['inputShape'] as number[];
    const [rows, columns] = filter.shape;
    // A convolution of what was spread by the stride with the filter turned round.
    const wide = spread(tf, dy, stride);
    const [bottom, right] = [height - wide.shape[1], width - wide.shape[2]];
    const full = tf.pad(wide, [[0, 0], [rows - 1, bottom], [columns - 1, right], [0, 0]]); // biome-ignore format: one axis after another
    return tf.depthwiseConv2d(full, tf.reverse(filter, [0, 1]), 1, 'valid');
  },
  DepthwiseConv2dNativeBackpropFilter: (tf, { x, dy }, attrs) => {
    const stride = strideOf(attrs);
    if (stride === undefined) return undefined;
    const [rows, columns, channels, multiplier] = attrs['filterShape'] as number[];
    if (multiplier !== 1) return undefined;
    const windows = { kernel: [rows, columns], stride, dilation: [1, 1], shape: dy.shape.slice(1) } as const;
    const pixels = dy.size / channels;
    const ones = tf.ones([1, pixels]);
    // One tap at a time, so that only one product of images is held.
    const sums = Array.from({ length: rows * columns }, (_, tap) =>
      tf.tidy(() => tf.matMul(ones, tf.reshape(tf.mul(tapOf(tf, x, windows, tap), dy), [pixels, channels]))),
    );
    return tf.reshape(tf.concat(sums, 0), [rows, columns, channels, 1]);
  },
  MaxPoolGrad: (tf, { dy, input, output }, attrs) => {
    const stride = strideOf(attrs);
    if (stride === undefined) return undefined;
    const [rows, columns] = pairOf(attrs['filterSize']);
    const [, height, width] = input.shape;
    const windows = { kernel: [rows, columns], stride, dilation: [1, 1], shape: dy.shape.slice(1) } as const;
    // The first of equal elements takes the whole gradient of its window.
    let left: Tensor = dy;
    let sum: Tensor4D = tf.zerosLike(input);
    for (let tap = 0; tap < rows * columns; tap++) {
      const took = tf.mul(left, tf.cast(tf.equal(tapOf(tf, input, windows, tap), output), 'float32')) as Tensor4D;
      left = tf.sub(left, took);
      const wide = spread(tf, took, stride);
      const [top, start] = [Math.floor(tap / columns), tap % columns];
      const [bottom, end] = [height - top - wide.shape[1], width - start - wide.shape[2]];
      sum = tf.add(sum, tf.pad(wide, [[0, 0], [top, bottom], [start, end], [0, 0]])); // biome-ignore format: one axis after another
    }
    return sum;
  },
};

/** Of windows that are neither padded nor dilated, as src/backend/tfjs/operations.ts has them. */
function strideOf({ strides, pad, dilations }: NamedAttrMap): Pair | undefined {
  const whole = (pad === 'valid' || pad === 0) && pairOf(dilations ?? 1).every((step) => step === 1);
  return whole ? pairOf(strides) : undefined;
}

function pairOf(value: NamedAttrMap[string]): Pair {
  const [down, across = down] = [value].flat() as number[];
  return [down, across];
}
