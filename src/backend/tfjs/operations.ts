// Each node of a graph as TensorFlow.js has it. What it lacks is composed of what it has, so that its own autodiff gives every
// gradient: windows are padded beforehand, dense convolutions are products of matrices.
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs';
import { BackendError } from '../../errors.ts';
import type {
  AvgPoolNode,
  BatchNormNode,
  Conv2dNode,
  CrossEntropyNode,
  LinearNode,
  Node,
  Pair,
} from '../../graph/graph.ts';
import { normalise } from './normalise.ts';
import { recurrentCell } from './recurrent.ts';
import { embedding, slowness, tiedLinear, variationalDropout } from './sequences.ts';
import type { Surroundings } from './surroundings.ts';
import type { Tf } from './tf.ts';
import { spread, tapOf } from './windows.ts';

/** The value of a node; `outputs` holds those of earlier ones, undefined for branches that are left out. */
export function runNode(node: Node, outputs: readonly (Tensor | undefined)[], around: Surroundings): Tensor {
  const { tf } = around;
  const inputs = node.op === 'mixed' ? [] : node.inputs.map((id) => outputs[id] as Tensor);
  const [x] = inputs;
  switch (node.op) {
    case 'input':
      return around.input(node.name);
    case 'conv2d':
      return conv2d(tf, x as Tensor4D, around.parameter(node.weight) as Tensor4D, node);
    case 'batchNorm':
      return batchNorm(around, x, node);
    case 'relu':
      return tf.relu(x);
    case 'tanh':
      return tf.tanh(x);
    case 'sigmoid':
      return tf.sigmoid(x);
    case 'scale':
      return tf.mul(x, node.factor);
    case 'softmaxScale':
      return tf.mul(x, tf.slice(tf.softmax(around.parameter(node.weight)), [node.index], [1]));
    case 'noise': {
      const noise = around.noise(node);
      return noise === undefined ? tf.clone(x) : tf.add(x, noise);
    }
    case 'maxPool':
      return tf.maxPool(padded(tf, x as Tensor4D, node.padding, -3e38), [...node.kernel], [...node.stride], 'valid');
    case 'avgPool':
      return avgPool(tf, x as Tensor4D, node);
    case 'globalAvgPool':
      return tf.mean(x, [1, 2]);
    case 'linear':
      return linear(around, x, node);
    case 'add':
      return tf.addN(inputs);
    case 'concat':
      return tf.concat(inputs, 3);
    case 'crop':
      return tf.slice(x, [0, node.top, node.left, 0], [-1, -1, -1, -1]);
    case 'dropout': {
      const mask = around.mask(node);
      return mask === undefined ? tf.clone(x) : tf.mul(x, mask);
    }
    case 'zero':
      return tf.zeros([around.batchSize, ...node.shape]);
    case 'mixed': {
      const terms = around.mixing(node).flatMap((weight, k) => {
        const branch = outputs[node.branches[k].output];
        return branch === undefined || weight === undefined ? [] : [tf.mul(branch, weight)];
      });
      return terms.length === 0 ? tf.zeros([around.batchSize, ...node.shape]) : tf.addN(terms);
    }
    case 'detach':
      return around.detach(x);
    case 'distillation':
      return distillation(tf, x, inputs[1], node.temperature);
    case 'smoothL1':
      return smoothL1(tf, x, inputs[1]);
    case 'meanSquaredError':
      return tf.mean(tf.square(tf.sub(x, inputs[1])), 1);
    case 'cosineDistance':
      return cosineDistance(tf, x, inputs[1]);
    case 'embedding':
      return embedding(around, x, node);
    case 'variationalDropout':
      return variationalDropout(around, x, node.mask);
    case 'recurrentCell':
      return recurrentCell(around, x, node);
    case 'tiedLinear':
      return tiedLinear(around, x, node);
    case 'meanSquare':
      return tf.mean(tf.square(x), 1);
    case 'slowness':
      return slowness(around, x);
    case 'lossSum':
      return tf.addN(inputs.map((loss, i) => tf.mul(loss, node.weights[i])));
    case 'softmaxCrossEntropy': {
      const labels = around.labels(x.shape[1] as number);
      if (labels === undefined) throw new BackendError('[softmaxCrossEntropy] expected labels in the batch');
      return crossEntropy(around, labels, inputs, node);
    }
  }
}

function padded(tf: Tf, x: Tensor4D, [down, across]: Pair, value: number): Tensor4D {
  if (down === 0 && across === 0) return x;
  return tf.pad(x, [[0, 0], [down, down], [across, across], [0, 0]], value); // biome-ignore format: one axis after another
}

/** Dense convolutions are products of matrices, whose gradients every platform has. */
function conv2d(tf: Tf, input: Tensor4D, weight: Tensor4D, node: Conv2dNode): Tensor {
  const x = padded(tf, input, node.padding, 0);
  const inputs = x.shape[3] / node.groups;
  const outputs = weight.shape[3] / node.groups;
  if (inputs === 1 && outputs === 1 && node.stride[0] === node.stride[1]) return depthwise(tf, x, weight, node);
  const columns = Array.from({ length: node.kernel[0] * node.kernel[1] }, (_, tap) => tapOf(tf, x, node, tap));
  const parts = Array.from({ length: node.groups }, (_, group) => {
    const own = columns.map((column) => (node.groups === 1 ? column : channelsOf(tf, column, group * inputs, inputs)));
    const matrix = tf.reshape(own.length === 1 ? own[0] : tf.concat(own, 3), [-1, own.length * inputs]) as Tensor2D;
    const filter = tf.reshape(channelsOf(tf, weight, group * outputs, outputs), [-1, outputs]) as Tensor2D;
    const [batch, height, width] = columns[0].shape;
    return tf.reshape(tf.matMul(matrix, filter), [batch, height, width, outputs]);
  });
  return parts.length === 1 ? parts[0] : tf.concat(parts, 3);
}

/** With zeros between its taps where it is dilated: TensorFlow.js has no gradient of a dilated convolution. */
function depthwise(tf: Tf, x: Tensor4D, weight: Tensor4D, { dilation, stride }: Conv2dNode): Tensor {
  const [height, width, , channels] = weight.shape;
  const dense = tf.reshape(weight, [1, height, width, channels]) as Tensor4D;
  const wide = spread(tf, dense, dilation);
  const filter = tf.reshape(wide, [wide.shape[1], wide.shape[2], channels, 1]) as Tensor4D;
  return tf.depthwiseConv2d(x, filter, [...stride], 'valid');
}

function channelsOf(tf: Tf, x: Tensor4D, first: number, count: number): Tensor4D {
  return first === 0 && count === x.shape[3] ? x : tf.slice(x, [0, 0, 0, first], [-1, -1, -1, count]);
}

function avgPool(tf: Tf, x: Tensor4D, node: AvgPoolNode): Tensor {
  const pool = (values: Tensor4D) =>
    tf.avgPool(padded(tf, values, node.padding, 0), [...node.kernel], [...node.stride], 'valid');
  if (node.countIncludePad || (node.padding[0] === 0 && node.padding[1] === 0)) return pool(x);
  // The share of each window that lies within the image.
  const [, height, width] = x.shape;
  return tf.div(pool(x), pool(tf.ones([1, height, width, 1])));
}

function batchNorm(around: Surroundings, x: Tensor, node: BatchNormNode): Tensor {
  const { tf } = around;
  const normalised = normalise(around, x, node);
  if (node.scale === undefined || node.shift === undefined) return normalised;
  return tf.add(tf.mul(normalised, around.parameter(node.scale)), around.parameter(node.shift));
}

/** Losses give the samples' own; that of the batch is their mean. */
function crossEntropy(
  { tf }: Surroundings,
  labels: Tensor,
  logits: readonly Tensor[],
  { smoothing, weights }: CrossEntropyNode,
): Tensor {
  const [, classes] = labels.shape as [number, number];
  const target = smoothing === 0 ? labels : tf.add(tf.mul(labels, 1 - smoothing), smoothing / classes);
  const terms = logits.map((one, i) => tf.mul(tf.sum(tf.mul(tf.logSoftmax(one), target), 1), -weights[i]));
  return terms.length === 1 ? terms[0] : tf.addN(terms);
}

function distillation(tf: Tf, student: Tensor, teacher: Tensor, temperature: number): Tensor {
  const [p, q] = [student, teacher].map((logits) => tf.logSoftmax(tf.div(logits, temperature)));
  return tf.sum(tf.mul(tf.exp(q), tf.sub(q, p)), 1);
}

function smoothL1(tf: Tf, first: Tensor, second: Tensor): Tensor {
  const size = tf.abs(tf.sub(first, second));
  // What is beyond 1 counts once, what is below half its square.
  const small = tf.minimum(size, 1);
  return tf.mean(tf.add(tf.mul(tf.square(small), 0.5), tf.sub(size, small)), 1);
}

function cosineDistance(tf: Tf, first: Tensor, second: Tensor): Tensor {
  const squares = tf.mul(tf.sum(tf.square(first), 1), tf.sum(tf.square(second), 1));
  // The root of no less than the square of 1e-6: that of 0 has no slope.
  return tf.sub(1, tf.div(tf.sum(tf.mul(first, second), 1), tf.sqrt(tf.maximum(squares, 1e-12))));
}

function linear({ tf, parameter }: Surroundings, x: Tensor, node: LinearNode): Tensor {
  return tf.add(tf.matMul(x as never, parameter(node.weight) as never), parameter(node.bias));
}
