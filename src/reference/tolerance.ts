// The one place that says how far float32 kernels may be from the float64 reference, and why.
//
// A sum of n rounded terms errs by about sqrt(n)·2^-24 of the size of the result when signs are random (Higham and Mary,
// "A new approach to probabilistic rounding error analysis", 2019). Batch normalisation subtracts the mean, which keeps the
// absolute error of inputs that are |x|/deviation times larger than what remains. Both are relative to the tensor's largest
// magnitude; `safety` covers the constants (several roundings a term, tails of the distribution).

import type { DistillationNode, Graph, Node } from '../graph/graph.ts';
import { elementsOf } from '../graph/shape.ts';
import type { ReferenceResult } from './interpreter.ts';

const roundoff = 2 ** -24;
const safety = 4;

/** What the rounding errors of a pass grow with. */
export interface ErrorGrowth {
  /** Terms summed on the way to an output, over all nodes. */
  readonly forward: number;
  /** The same on the way to a gradient. */
  readonly backward: number;
  /**
   * Sum over normalisations of the largest ratio of a channel's root mean square to its deviation; and over distillations of the largest
   * exponent, whose rounding is relative to the exponential.
   */
  readonly cancellation: number;
}

/** Absolute error allowed in a tensor whose largest magnitude is `magnitude`, after sums of `terms` terms. */
export function allowedError(magnitude: number, terms: number, cancellation: number): number {
  return safety * (Math.sqrt(terms) + cancellation) * roundoff * magnitude;
}

/** Absolute error allowed in a tensor of a pass whose exact values are `values`; sums of larger terms, which cancel, err as those. */
export function tolerance(
  values: Float64Array,
  growth: ErrorGrowth,
  direction: 'forward' | 'backward',
  terms = 0,
): number {
  return allowedError(Math.max(largestMagnitude(values), terms), growth[direction], growth.cancellation);
}

/** Largest magnitude of an array; 0 when it is empty. */
export function largestMagnitude(values: Float64Array): number {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** How errors grow through a graph that gave a result; of sequences the samples are times of so many columns. */
export function errorGrowth(
  graph: Graph,
  batchSize: number,
  { outputs, normalised }: Pick<ReferenceResult, 'outputs' | 'normalised'>,
  columns = batchSize,
): ErrorGrowth {
  const growth = { forward: 0, backward: 0, cancellation: 0 };
  for (const node of graph.nodes) {
    if (outputs[node.id].length === 0) continue;
    const terms = summedTerms(graph, node, batchSize, columns);
    growth.forward += terms.forward;
    growth.backward += terms.forward + terms.backward;
    if (node.op === 'recurrentCell' && node.mixing !== undefined) {
      const { epsilon } = node.mixing;
      for (const values of normalised.get(node.id) ?? []) {
        growth.cancellation += cancellation(values, node.shape, epsilon);
      }
    }
    if (node.op === 'distillation') growth.cancellation += exponents(node, outputs);
    if (node.op === 'batchNorm') growth.cancellation += cancellation(outputs[node.inputs[0]], node.shape, node.epsilon);
  }
  return growth;
}

function summedTerms(
  graph: Graph,
  node: Node,
  batchSize: number,
  columns: number,
): { forward: number; backward: number } {
  const elements = elementsOf(node.shape);
  switch (node.op) {
    case 'conv2d': {
      const taps = node.kernel[0] * node.kernel[1];
      const inputs = graph.nodes[node.inputs[0]].shape[2] / node.groups;
      const pixels = batchSize * node.shape[0] * node.shape[1];
      return { forward: taps * inputs, backward: Math.max((taps * node.shape[2]) / node.groups, pixels) };
    }
    case 'batchNorm': {
      const count = (batchSize * elements) / node.shape[node.shape.length - 1];
      return { forward: count, backward: count };
    }
    case 'avgPool':
    case 'maxPool': {
      const taps = node.kernel[0] * node.kernel[1];
      return { forward: taps, backward: taps };
    }
    case 'globalAvgPool': {
      const [height, width] = graph.nodes[node.inputs[0]].shape;
      return { forward: height * width, backward: 1 };
    }
    case 'linear':
      return { forward: graph.nodes[node.inputs[0]].shape[0], backward: Math.max(elements, batchSize) };
    case 'embedding':
      return { forward: 1, backward: batchSize };
    case 'tiedLinear':
      return { forward: graph.nodes[node.inputs[0]].shape[0], backward: Math.max(elements, batchSize) };
    case 'recurrentCell': {
      // One node after another, one time after another; a weight's gradient sums over all samples, that of alpha over all elements.
      const nodes = node.weights.length;
      const forward = (batchSize / columns) * nodes * (2 * elements + (node.mixing === undefined ? 0 : columns));
      return { forward, backward: 2 * forward + batchSize * (node.mixing === undefined ? 1 : elements) };
    }
    case 'mixed':
      return { forward: node.branches.length, backward: batchSize * elements };
    case 'softmaxScale':
      return { forward: 1, backward: batchSize * elements };
    case 'distillation':
    case 'smoothL1':
    case 'meanSquaredError':
    case 'cosineDistance':
    case 'meanSquare':
    case 'slowness':
    case 'softmaxCrossEntropy':
      return { forward: graph.nodes[node.inputs[0]].shape[0] + batchSize, backward: 1 };
    default:
      return { forward: node.inputs.length, backward: node.inputs.length };
  }
}

function exponents({ inputs, temperature }: DistillationNode, outputs: readonly Float64Array[]): number {
  return Math.max(...inputs.map((id) => largestMagnitude(outputs[id]))) / temperature;
}

function cancellation(x: Float64Array, shape: readonly number[], epsilon: number): number {
  const channels = shape[shape.length - 1];
  const count = x.length / channels;
  let worst = 0;
  for (let c = 0; c < channels; c++) {
    let mean = 0;
    let square = 0;
    for (let i = c; i < x.length; i += channels) mean += x[i] / count;
    for (let i = c; i < x.length; i += channels) square += (x[i] - mean) ** 2 / count;
    worst = Math.max(worst, Math.sqrt((mean ** 2 + square) / (square + epsilon)));
  }
  return worst;
}
