// What a kernel has to compute and to move, whatever the backend: the yardstick of its figures.

import type { Graph, Node, ParameterSpec, RecurrentActivation, RecurrentCellNode } from '../graph/graph.ts';
import { readsLabels } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';
import { outputLength } from './source.ts';

/** What one pass has to do. */
export interface PassWork {
  /** Additions, multiplications, divisions, comparisons and exponentials; a multiply-add is two. */
  readonly flops: number;
  /** Each tensor that must be read or written, moved once, as float32. */
  readonly bytes: number;
}

/** What a kernel has to do for a batch. */
export interface KernelWork {
  /** Reads the inputs and the parameters, writes the output. */
  readonly forward: PassWork;
  /**
   * The gradients of all inputs and parameters alone: reads the gradient of the output, the parameters, and the inputs
   * where their gradient depends on their values; writes a gradient for each input and each parameter.
   */
  readonly backward: PassWork;
}

const bytesPerNumber = 4;

/**
 * Counts a graph's work on so many samples. FLOPs are those of the nodes as the graph states them, in padding too; a backend that computes
 * something twice does not do more, one that shares equal nodes does not do less. Bytes are those of the graph's own inputs,
 * parameters and output: what lies between its nodes is the backend's affair, so no backend can move less from memory.
 * Running statistics, a few numbers a channel, do not count.
 */
export function countWork(graph: Graph, samples: number): KernelWork {
  const flops = graph.nodes.map((node) => flopsOf(graph, node));
  const total = (pass: 'forward' | 'backward') => samples * flops.reduce((sum, node) => sum + node[pass], 0);
  const sizes = movedNumbers(graph, samples);
  return {
    forward: { flops: total('forward'), bytes: bytesPerNumber * (sizes.inputs + sizes.read + sizes.output) },
    backward: {
      flops: total('backward'),
      bytes:
        bytesPerNumber * (sizes.output + sizes.readAgain + sizes.inputGradients + sizes.factors + sizes.parameters),
    },
  };
}

function movedNumbers(graph: Graph, samples: number) {
  const inputs = graph.nodes.filter((node) => node.op === 'input');
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const sizesOf = (nodes: readonly Node[]) => sum(nodes.map(({ shape }) => elementsOf(shape, samples)));
  const trained = graph.parameters.filter(({ role }) => role === 'weight' || role === 'alpha');
  const isTable = new Set(trained.filter(({ name }) => isLookedUp(graph, name)));
  const size = ({ shape }: ParameterSpec) => elementsOf(shape);
  // Of a table that words are only looked up in their rows.
  const rows = (spec: ParameterSpec) => Math.min(size(spec), samples * (spec.shape[1] ?? 1));
  return {
    inputs: sizesOf(inputs),
    readAgain: sizesOf(inputs.filter(({ id }) => gradientNeedsValue(graph, id))),
    inputGradients: sizesOf(inputs.filter(({ below }) => below === undefined)),
    read: sum(trained.map((spec) => (isTable.has(spec) ? rows(spec) : size(spec)))),
    /** Parameters that gradients are products of. */
    factors: sum(trained.filter((spec) => !isTable.has(spec)).map(size)),
    parameters: sum(trained.map(size)),
    // A loss against labels also reads one a sample.
    output: outputLength(graph, samples) + (readsLabels(graph) ? samples : 0),
  };
}

/** Whether nothing but embeddings reads a parameter. */
function isLookedUp({ nodes }: Graph, name: string): boolean {
  const readers = nodes.filter((node) => 'weight' in node && node.weight === name);
  return readers.length > 0 && readers.every(({ op }) => op === 'embedding');
}

/** Ops whose gradients do not depend on their input's values. */
const constantSlope: ReadonlySet<Node['op']> = new Set([
  'add',
  'avgPool',
  'globalAvgPool',
  'concat',
  'crop',
  'dropout',
  'scale',
  'noise',
  'variationalDropout',
]);

/** Whether anything that a node's value leads to needs values for its gradients. */
function gradientNeedsValue(graph: Graph, id: number): boolean {
  return graph.nodes.some(
    (node) => node.inputs.includes(id) && (!constantSlope.has(node.op) || gradientNeedsValue(graph, node.id)),
  );
}

/** FLOPs of a node for one sample: of its output, and of the gradients of its inputs and parameters. */
function flopsOf(graph: Graph, node: Node): { forward: number; backward: number } {
  const output = elementsOf(node.shape);
  const input = node.inputs.length === 0 ? 0 : elementsOf(graph.nodes[node.inputs[0]].shape);
  switch (node.op) {
    case 'conv2d': {
      const products = node.shape[0] * node.shape[1] * parameterSize(graph, node.weight);
      return { forward: 2 * products, backward: 4 * products };
    }
    case 'linear': {
      const products = parameterSize(graph, node.weight);
      return { forward: 2 * products + output, backward: 4 * products + output };
    }
    case 'batchNorm':
      // Forward: sums of x and of x², then x·a + b. Backward: sums of dy and of dy·x, then dy·a + x·b + c.
      return { forward: 5 * input, backward: 7 * input };
    case 'relu':
      return { forward: input, backward: input };
    case 'maxPool':
      return { forward: output * node.kernel[0] * node.kernel[1], backward: output };
    case 'avgPool': {
      const taps = output * node.kernel[0] * node.kernel[1];
      return { forward: taps, backward: taps };
    }
    case 'globalAvgPool':
      return { forward: input, backward: output };
    case 'tanh':
    case 'sigmoid':
      // An exponential, a sum and a quotient; backward two products and a difference.
      return { forward: 3 * output, backward: 3 * output };
    case 'noise':
      return { forward: 2 * output, backward: 0 };
    case 'softmaxScale':
      // Backward: a product, and a sum of products for the weights.
      return { forward: output, backward: 3 * output };
    case 'scale':
    case 'dropout':
      return { forward: output, backward: output };
    case 'add':
      return { forward: output * (node.inputs.length - 1), backward: 0 };
    case 'mixed': {
      // A branch that is zero takes no part. Backward: a dot product for alpha, and the branch's own gradient.
      const branches = node.branches.filter((branch) => graph.nodes[branch.output].op !== 'zero').length;
      return { forward: 2 * branches * output, backward: 3 * branches * output };
    }
    case 'softmaxCrossEntropy':
      // Forward: maximum, difference, exponential, sum. Backward: quotient, difference.
      return { forward: 4 * input, backward: 2 * input };
    case 'distillation':
      // Two softmaxes, then a difference and a product; backward the same and quotients.
      return { forward: 10 * input, backward: 16 * input };
    case 'embedding':
      return { forward: node.mask === undefined ? 0 : output, backward: output };
    case 'variationalDropout':
      return { forward: output, backward: output };
    case 'recurrentCell':
      return recurrentFlops(node, output);
    case 'tiedLinear': {
      const products = parameterSize(graph, node.weight);
      return { forward: 2 * products + output, backward: 4 * products + output };
    }
    case 'meanSquare':
      return { forward: 2 * input, backward: 2 * input };
    case 'slowness':
      return { forward: 3 * input, backward: 4 * input };
    case 'smoothL1':
      return { forward: 4 * input, backward: 3 * input };
    case 'meanSquaredError':
      return { forward: 3 * input, backward: 4 * input };
    case 'cosineDistance':
      // Three sums of products; backward a product, a difference and a quotient for each.
      return { forward: 6 * input, backward: 6 * input };
    case 'lossSum':
      return { forward: 2 * node.inputs.length, backward: 0 };
    case 'detach':
    case 'input':
    case 'concat':
    case 'crop':
    case 'zero':
      return { forward: 0, backward: 0 };
  }
}

/** Of an activation and of its slope, an element. */
const activationFlops: Readonly<Record<RecurrentActivation, number>> = {
  none: 0,
  tanh: 3,
  relu: 1,
  sigmoid: 3,
  identity: 0,
};

/** Products, and what is done with each of their elements: gates, activations, sums, and norms of a searched cell. */
function recurrentFlops({ weights, edges = [], mixing }: RecurrentCellNode, channels: number) {
  const nodes = weights.length - 1;
  const pairs = mixing === undefined ? nodes : (nodes * (nodes + 1)) / 2;
  const products = (2 + pairs) * 2 * channels * channels;
  const sum = (activations: readonly RecurrentActivation[], more: number) =>
    activations.reduce((flops, name) => flops + (name === 'none' ? 0 : activationFlops[name] + more), 0);
  // A gate takes 3, and a state moves along it in 3 more; a searched edge weighs each activation.
  const elements =
    mixing === undefined
      ? 9 + sum(edges.map(({ activation }) => activation), 6) // biome-ignore format: one term
      : 9 + pairs * (6 + sum(mixing.candidates, 2)) + 5 * weights.length;
  return { forward: 2 * products + channels * elements, backward: 4 * products + 2 * channels * elements };
}

function parameterSize(graph: Graph, name: string): number {
  return elementsOf(graph.parameters.find((spec) => spec.name === name)?.shape ?? []);
}
