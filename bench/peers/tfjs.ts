// A search step in TensorFlow.js on its GPU backend, from our graph: every node as TensorFlow.js has it. Windows are padded by
// hand, since its gradients know no padding of one's own; running statistics, which it would only store, are left out.
import { initialValues } from '../../src/backend/initial_values.ts';
import { placeParameters } from '../../src/backend/parameter_map.ts';
import type { Graph, Node } from '../../src/graph/graph.ts';
import { normal } from '../../src/random/philox.ts';
import { supernetOf } from '../gpu/pass.ts';
import type { NetworkSize } from '../gpu/sizes.ts';
import { timed } from '../support/measure.ts';

/** A tensor of TensorFlow.js, as far as it is used here. */
// biome-ignore lint/suspicious/noExplicitAny: the package is not installed where this is compiled
type Tensor = any;
/** The package itself. */
// biome-ignore lint/suspicious/noExplicitAny: the package is not installed where this is compiled
type TensorFlow = any;

/** Takes search steps in TensorFlow.js. */
export interface TfjsPeer {
  /** With the version. */
  readonly name: string;
  /** Seconds of one step. */
  time(order: 'first order' | 'second order'): Promise<number>;
  /** Mean loss of one of its two batches at the current values, to compare with another library. */
  loss(batch: 'train' | 'validation'): Promise<number>;
  close(): void;
}

const packageName: string = '@tensorflow/tfjs-node-gpu';

/** Opens the peer. Rejects, saying why, where the package cannot be imported. */
export async function openTfjsPeer(
  size: NetworkSize,
  load: () => Promise<TensorFlow> = () => import(packageName),
): Promise<TfjsPeer> {
  let tf: TensorFlow;
  try {
    tf = await load();
  } catch (error) {
    throw new Error(`no ${packageName}: ${(error as Error).message.split('\n')[0]}`);
  }
  await tf.ready();
  const network = createNetwork(tf, supernetOf(size), size);
  const step = { 'first order': () => firstOrder(network), 'second order': () => secondOrder(network) };
  return {
    name: `TensorFlow.js ${tf.version_core ?? ''}, fp32`,
    time: (order) =>
      timed(async () => {
        const value: Tensor = step[order]();
        await value.data();
        value.dispose();
      }),
    loss: async (batch) => {
      const value: Tensor = tf.tidy(() => network.loss(network[batch]));
      const [loss] = await value.data();
      value.dispose();
      return loss;
    },
    close: () => tf.disposeVariables(),
  };
}

interface Batch {
  readonly images: Tensor;
  readonly labels: Tensor;
}

interface Network {
  readonly tf: TensorFlow;
  readonly weights: Tensor[];
  readonly alpha: Tensor[];
  readonly momenta: Tensor[];
  readonly adam: Tensor;
  readonly train: Batch;
  readonly validation: Batch;
  loss(batch: Batch): Tensor;
}

function createNetwork(tf: TensorFlow, graph: Graph, { batch, image }: NetworkSize): Network {
  const map = placeParameters(graph);
  const variables = new Map<string, Tensor>();
  for (const role of ['weight', 'alpha'] as const) {
    const values = initialValues(map, role, 3);
    for (const [name, { spec, offset, size }] of map.places) {
      if (spec.role !== role) continue;
      variables.set(name, tf.variable(tf.tensor(values.slice(offset, offset + size), [...spec.shape])));
    }
  }
  const ofRole = (role: string) =>
    graph.parameters.filter((spec) => spec.role === role).map(({ name }) => variables.get(name));
  const draw = (step: number): Batch => {
    const elements = batch * image[0] * image[1] * image[2];
    const images = Float32Array.from(normal({ seed: 1, purpose: 'split', epoch: 0, step }, elements));
    const labels = Int32Array.from({ length: batch }, (_, index) => (3 * index) % 10);
    return { images: tf.tensor(images, [batch, ...image]), labels: tf.oneHot(tf.tensor1d(labels, 'int32'), 10) };
  };
  const weights = ofRole('weight');
  return {
    tf,
    weights,
    alpha: ofRole('alpha'),
    momenta: weights.map((weight) => tf.variable(tf.zerosLike(weight))),
    adam: tf.train.adam(3e-4, 0.5, 0.999),
    train: draw(0),
    validation: draw(1),
    loss: (given) => runGraph(tf, graph, variables, given),
  };
}

/** The graph's loss on a batch. */
function runGraph(tf: TensorFlow, graph: Graph, variables: ReadonlyMap<string, Tensor>, batch: Batch): Tensor {
  const outputs: Tensor[] = [];
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => outputs[id]);
    outputs.push(runNode(tf, graph, node, inputs, outputs, variables, batch));
  }
  return outputs[graph.output];
}

function runNode(
  tf: TensorFlow,
  graph: Graph,
  node: Node,
  inputs: Tensor[],
  outputs: readonly Tensor[],
  variables: ReadonlyMap<string, Tensor>,
  batch: Batch,
): Tensor {
  const [x] = inputs;
  switch (node.op) {
    case 'input':
      return batch.images;
    case 'conv2d':
      return convolve(tf, padded(tf, x, node.padding, 0), variables.get(node.weight), node);
    case 'batchNorm': {
      const { mean, variance } = tf.moments(x, [0, 1, 2]);
      const normal = x.sub(mean).mul(variance.add(node.epsilon).rsqrt());
      return node.scale && node.shift ? normal.mul(variables.get(node.scale)).add(variables.get(node.shift)) : normal;
    }
    case 'relu':
      return x.relu();
    case 'maxPool':
      return tf.maxPool(padded(tf, x, node.padding, -1e30), [...node.kernel], [...node.stride], 'valid');
    case 'avgPool': {
      const pool = (values: Tensor) =>
        tf.avgPool(padded(tf, values, node.padding, 0), [...node.kernel], [...node.stride], 'valid');
      return node.countIncludePad ? pool(x) : pool(x).div(pool(tf.ones([1, ...x.shape.slice(1, 3), 1])));
    }
    case 'globalAvgPool':
      return x.mean([1, 2]);
    case 'linear': {
      const weight = variables.get(node.weight);
      return tf.matMul(x, weight, false, weight.shape[0] !== x.shape[1]).add(variables.get(node.bias));
    }
    case 'add':
      return tf.addN(inputs);
    case 'concat':
      return tf.concat(inputs, 3);
    case 'crop':
      return tf.slice(x, [0, node.top, node.left, 0], [-1, -1, -1, -1]);
    case 'zero':
      return tf.zeros([batch.images.shape[0], ...node.shape]);
    case 'mixed': {
      const table = variables.get(node.alpha);
      const row = tf.slice(table, [node.row, 0], [1, node.branches.length]).reshape([-1]);
      const mixing = node.activation === 'sigmoid' ? row.sigmoid() : row.softmax();
      // A candidate that is zero adds nothing.
      const terms = node.branches.flatMap(({ output }, k) =>
        graph.nodes[output].op === 'zero' ? [] : [outputs[output].mul(mixing.slice([k], [1]))],
      );
      return tf.addN(terms);
    }
    case 'softmaxCrossEntropy':
      return tf.neg(tf.sum(tf.mul(tf.logSoftmax(x), batch.labels))).div(batch.images.shape[0]);
  }
}

function padded(tf: TensorFlow, x: Tensor, [height, width]: readonly number[], value: number): Tensor {
  if (height === 0 && width === 0) return x;
  return tf.pad(
    x,
    [
      [0, 0],
      [height, height],
      [width, width],
      [0, 0],
    ],
    value,
  );
}

function convolve(tf: TensorFlow, x: Tensor, weight: Tensor, node: Extract<Node, { op: 'conv2d' }>): Tensor {
  const [stride, dilation] = [[...node.stride], [...node.dilation]];
  if (node.groups === 1) return tf.conv2d(x, weight, stride, 'valid', 'NHWC', dilation);
  const filter = dilated(tf, weight, dilation);
  const [height, width, channels] = filter.shape;
  return tf.depthwiseConv2d(x, filter.reshape([height, width, channels, 1]), stride, 'valid');
}

/** A depthwise filter [height, width, 1, C] with zeros between its taps: it has no gradient of a dilated convolution. */
function dilated(tf: TensorFlow, weight: Tensor, [down, across]: readonly number[]): Tensor {
  const [height, width, , channels] = weight.shape;
  const tall = tf.pad(weight.reshape([height, 1, width * channels]), [
    [0, 0],
    [0, down - 1],
    [0, 0],
  ]);
  const rows = (height - 1) * down + 1;
  const cut = tf.slice(tall.reshape([height * down, width * channels]), [0, 0], [rows, width * channels]);
  const wide = tf.pad(cut.reshape([rows, width, 1, channels]), [
    [0, 0],
    [0, 0],
    [0, across - 1],
    [0, 0],
  ]);
  const columns = (width - 1) * across + 1;
  return tf.slice(wide.reshape([rows, width * across, channels]), [0, 0, 0], [rows, columns, channels]);
}

const [learningRate, momentum, weightDecay, clip] = [0.025, 0.9, 3e-4, 5];

/** Loss and gradients, in the order of `variables`. */
function gradients({ tf, loss }: Network, batch: Batch, variables: Tensor[]): { value: Tensor; grads: Tensor[] } {
  const { value, grads } = tf.variableGrads(() => loss(batch), variables);
  return { value, grads: variables.map((variable) => grads[variable.name]) };
}

function firstOrder(network: Network): Tensor {
  const { tf, alpha, validation } = network;
  return tf.tidy(() => {
    alphaStep(network, gradients(network, validation, alpha).grads);
    return weightStep(network);
  });
}

/** As bench/peers/search_step.py. */
function secondOrder(network: Network): Tensor {
  const { tf, weights, alpha, momenta, train, validation } = network;
  return tf.tidy(() => {
    const kept = weights.map((weight) => weight.clone());
    const { grads } = gradients(network, train, weights);
    weights.forEach((weight, i) => {
      const slope = momenta[i].mul(momentum).add(grads[i]).add(weight.mul(weightDecay));
      weight.assign(weight.sub(slope.mul(learningRate)));
    });
    const both = gradients(network, validation, [...alpha, ...weights]).grads;
    const [direct, direction] = [both.slice(0, alpha.length), both.slice(alpha.length)];
    const epsilon = tf.div(0.01, tf.sqrt(tf.addN(direction.map((v) => v.square().sum()))));
    const [plus, minus] = [1, -1].map((sign) => {
      weights.forEach((weight, i) => {
        weight.assign(kept[i].add(direction[i].mul(epsilon.mul(sign))));
      });
      return gradients(network, train, alpha).grads;
    });
    weights.forEach((weight, i) => {
      weight.assign(kept[i]);
    });
    const slopes = direct.map((d, i) => d.sub(plus[i].sub(minus[i]).div(epsilon.mul(2)).mul(learningRate)));
    alphaStep(network, slopes);
    return weightStep(network);
  });
}

function alphaStep({ alpha, adam }: Network, slopes: readonly Tensor[]): void {
  const named = alpha.map((table, i) => [table.name, slopes[i].add(table.mul(1e-3))] as const);
  adam.applyGradients(Object.fromEntries(named));
}

function weightStep(network: Network): Tensor {
  const { tf, weights, momenta, train } = network;
  const { value, grads } = gradients(network, train, weights);
  const norm = tf.sqrt(tf.addN(grads.map((gradient) => gradient.square().sum())));
  const factor = tf.minimum(1, tf.div(clip, norm.add(1e-6)));
  weights.forEach((weight, i) => {
    momenta[i].assign(momenta[i].mul(momentum).add(grads[i].mul(factor)).add(weight.mul(weightDecay)));
    weight.assign(weight.sub(momenta[i].mul(learningRate)));
  });
  return value;
}
