// A recurrent cell as operations of TensorFlow.js, one time after another: its own autodiff goes back through them.
import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { BackendError } from '../../errors.ts';
import type { RecurrentActivation, RecurrentCellNode, RecurrentMixing, SequenceMask } from '../../graph/graph.ts';
import { normalise } from './normalise.ts';
import type { Surroundings } from './surroundings.ts';
import type { Tf } from './tf.ts';

/** What leads from an earlier node to a later one. */
interface Edge {
  readonly from: number;
  readonly parts: readonly Part[];
  /** Sum of the parts' weights; 1 when absent. */
  readonly share?: Tensor;
}

/** An activation and its weight [1], which is 1 when absent. */
interface Part {
  readonly activation: Exclude<RecurrentActivation, 'none'>;
  readonly weight?: Tensor;
}

/** The nodes' outputs of all times [times · columns, channels]. Throws BackendError where one column has no statistics. */
export function recurrentCell(around: Surroundings, x: Tensor, node: RecurrentCellNode): Tensor {
  const { tf, columns, batchSize } = around;
  const { mixing, outputs } = node;
  const [channels] = node.shape;
  const maskOf = (mask: SequenceMask | undefined) => {
    const elements = around.sequenceMask(mask, columns * channels);
    return elements && tf.reshape(elements, [columns, channels]);
  };
  const [inputMask, hiddenMask] = [maskOf(node.inputMask), maskOf(node.hiddenMask)];
  const masked = (values: Tensor) => (hiddenMask === undefined ? values : tf.mul(values, hiddenMask));
  const [first, ...matrices] = node.weights.map((name) => around.parameter(name) as Tensor2D);
  const ofHidden = tf.slice(first, [channels, 0], [channels, -1]);
  const edges = edgesOf(around, node);
  const normalised = (y: Tensor) => (mixing === undefined ? y : normalise(around, y, checkedColumns(around, mixing)));

  // What comes of the inputs does not wait for the hidden state: one product for all times.
  const times = tf.reshape(x, [-1, columns, channels]);
  const inputs = tf.reshape(inputMask === undefined ? times : tf.mul(times, inputMask), [batchSize, channels]);
  const products = tf.matMul(inputs as Tensor2D, tf.slice(first, [0, 0], [channels, -1]));
  // The gradient of unstack fails on one part.
  const driven = batchSize === columns ? [products] : tf.unstack(tf.reshape(products, [-1, columns, 2 * channels]));
  let hidden: Tensor = around.hidden ?? tf.zeros([columns, channels]);
  const states = driven.map((product) => {
    const gates = tf.add(product, tf.matMul(masked(hidden) as Tensor2D, ofHidden));
    const nodes = [normalised(highway(tf, hidden, gates, start))];
    const factors = [masked(nodes[0])];
    for (const [index, incoming] of edges.entries()) {
      const terms = incoming.map((edge) => {
        const product = tf.matMul(factors[edge.from] as Tensor2D, matrices[index]);
        return highway(tf, nodes[edge.from], product, edge);
      });
      nodes.push(normalised(terms.length === 1 ? terms[0] : tf.addN(terms)));
      factors.push(masked(nodes[index + 1]));
    }
    hidden = tf.div(tf.addN(outputs.map((id) => nodes[id])), outputs.length);
    return hidden;
  });
  around.leave(hidden);
  return tf.concat(states, 0);
}

/** The parameters that a cell's output depends on: those of nodes that lead to it. */
export function cellParameters({ weights, edges, mixing, outputs }: RecurrentCellNode): string[] {
  const leading = new Set(outputs);
  const names: string[] = [];
  for (let node = weights.length - 1; node >= 1; node--) {
    const activations = mixing?.candidates ?? [edges?.[node - 1].activation];
    if (!leading.has(node) || activations.every((activation) => activation === 'none')) continue;
    names.push(weights[node]);
    for (const from of mixing === undefined ? [edges?.[node - 1].from ?? 0] : Array(node).keys()) leading.add(from);
  }
  if (leading.has(0)) names.push(weights[0]);
  return names.length === 0 || mixing === undefined ? names : [...names, mixing.alpha];
}

const start: Omit<Edge, 'from'> = { parts: [{ activation: 'tanh' }] };

function edgesOf(around: Surroundings, { weights, edges = [], mixing }: RecurrentCellNode): Edge[][] {
  if (mixing === undefined) {
    return edges.map(({ from, activation }) => [{ from, parts: activation === 'none' ? [] : [{ activation }] }]);
  }
  const { alpha, candidates } = mixing;
  return weights.slice(1).map((_, index) =>
    Array.from({ length: index + 1 }, (_, from) => {
      const shares = around.row({ alpha, row: (index * (index + 1)) / 2 + from, activation: 'softmax' });
      const parts = candidates.flatMap((activation, k) =>
        activation === 'none' ? [] : [{ activation, weight: shares[k] }],
      );
      return { from, parts, ...(parts.length > 0 && { share: around.tf.addN(parts.map(({ weight }) => weight)) }) };
    }),
  );
}

/** The sum over its parts of s + σ(a)·(f(g) - s), [a, g] being the halves of `gates`. */
function highway(tf: Tf, state: Tensor, gates: Tensor, { parts, share }: Omit<Edge, 'from'>): Tensor {
  // Zeros that depend on the state, as gradients want it.
  if (parts.length === 0) return tf.mul(state, 0);
  const [gate, candidate] = tf.split(gates, 2, 1);
  const terms = parts.map(({ activation, weight }) => {
    const value = activations[activation](tf, candidate);
    return weight === undefined ? value : tf.mul(value, weight);
  });
  const kept = share === undefined ? state : tf.mul(state, share);
  const moved = terms.length === 1 ? terms[0] : tf.addN(terms);
  return tf.add(kept, tf.mul(tf.sigmoid(gate), tf.sub(moved, kept)));
}

const activations: Readonly<Record<Part['activation'], (tf: Tf, x: Tensor) => Tensor>> = {
  tanh: (tf, x) => tf.tanh(x),
  relu: (tf, x) => tf.relu(x),
  sigmoid: (tf, x) => tf.sigmoid(x),
  identity: (_, x) => x,
};

/** Batch statistics of one column say nothing. */
function checkedColumns({ columns, running }: Surroundings, mixing: RecurrentMixing): RecurrentMixing {
  if (columns > 1 || running(mixing) !== undefined) return mixing;
  throw new BackendError('[recurrentCell] expected at least 2 columns for the statistics of a batch');
}
