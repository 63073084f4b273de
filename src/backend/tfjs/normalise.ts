import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import type { Norm, Surroundings } from './surroundings.ts';
import type { Tf } from './tf.ts';

/** (x - mean) / sqrt(variance + epsilon) per channel, with the statistics of the batch or given ones. */
export function normalise(around: Surroundings, x: Tensor, norm: Norm): Tensor {
  const { tf } = around;
  let statistics = around.running(norm);
  let centred: Tensor;
  if (statistics === undefined) {
    const mean = meanOfChannels(tf, x);
    centred = tf.sub(x, mean);
    statistics = { mean, variance: meanOfChannels(tf, tf.square(centred)) };
    around.measured(norm, statistics, x.size / mean.size);
  } else {
    centred = tf.sub(x, statistics.mean);
  }
  return tf.mul(centred, tf.rsqrt(tf.add(statistics.variance, norm.epsilon)));
}

/** Axis after axis: WebAssembly sums in float32, and short sums lose less. */
function meanOfChannels(tf: Tf, x: Tensor): Tensor1D {
  let mean = x;
  while (mean.shape.length > 1) mean = tf.mean(mean, mean.shape.length - 2);
  return mean as Tensor1D;
}
