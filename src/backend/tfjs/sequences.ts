// What language models have beside their cell. Sequences are time-major: sample = time·columns + column.
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs';
import type { EmbeddingNode, SequenceMask, TiedLinearNode } from '../../graph/graph.ts';
import type { Surroundings } from './surroundings.ts';

/** Rows of a table by integers [samples, 1]. */
export function embedding(around: Surroundings, input: Tensor, { weight, mask }: EmbeddingNode): Tensor {
  const { tf } = around;
  const table = around.parameter(weight) as Tensor2D;
  const words = tf.reshape(input, [-1]) as Tensor1D;
  // TensorFlow.js's own gradient goes through the table once a row of it.
  const lookUp = tf.customGrad((values) => ({
    value: tf.gather(values as Tensor2D, words),
    gradFunc: (slope) => tf.scatterND(tf.reshape(words, [-1, 1]), slope, table.shape),
  }));
  const rows = lookUp(table);
  const kept = around.sequenceMask(mask, table.shape[0]);
  return kept === undefined ? rows : tf.mul(rows, tf.gather(tf.reshape(kept, [-1, 1]), words));
}

/** x times a mask that is the same at all times. */
export function variationalDropout(around: Surroundings, x: Tensor, mask: SequenceMask): Tensor {
  const { tf, columns } = around;
  const channels = x.size / around.batchSize;
  const kept = around.sequenceMask(mask, columns * channels);
  if (kept === undefined) return tf.clone(x);
  const times = tf.mul(tf.reshape(x, [-1, columns, channels]), tf.reshape(kept, [columns, channels]));
  return tf.reshape(times, [-1, channels]);
}

/** x times the transpose of a table, plus bias. */
export function tiedLinear({ tf, parameter }: Surroundings, x: Tensor, { weight, bias }: TiedLinearNode): Tensor {
  return tf.add(tf.matMul(x as Tensor2D, parameter(weight) as Tensor2D, false, true), parameter(bias));
}

/** Shares of the samples in the mean of the squares of what changes from time to time. */
export function slowness({ tf, columns, batchSize }: Surroundings, x: Tensor): Tensor {
  // Zeros that depend on x, as gradients want it.
  if (batchSize === columns) return tf.mul(tf.mean(x, 1), 0);
  const count = batchSize - columns;
  const change = tf.sub(tf.slice(x, [columns, 0], [count, -1]), tf.slice(x, [0, 0], [count, -1]));
  const squares = tf.mul(tf.mean(tf.square(change), 1), batchSize / count);
  return tf.pad(squares as Tensor1D, [[0, columns]]);
}
