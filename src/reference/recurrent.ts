// A recurrent cell over a sequence, forward and backward through time, as plain float64 loops: one product after another, every
// derivative by the chain rule as it stands. Arrays of one time are [columns, channels].
import type { RecurrentActivation } from '../graph/graph.ts';
import * as reference from './primitives.ts';
import { masked } from './sequences.ts';

/** What leads to a node: an earlier node, and how much each activation counts. Of a derived cell one edge, with one part of 1. */
export interface CellEdge {
  readonly from: number;
  readonly parts: readonly { readonly activation: RecurrentActivation; readonly weight: number }[];
}

/** A cell with its numbers. */
export interface RecurrentCell {
  readonly columns: number;
  readonly channels: number;
  /** W0 [2C, 2C], then W_i [C, 2C] of each node. */
  readonly weights: readonly Float64Array[];
  /** By node, from node 1 on. */
  readonly edges: readonly (readonly CellEdge[])[];
  readonly outputs: readonly number[];
  readonly inputMask?: Float64Array;
  readonly hiddenMask?: Float64Array;
  /** Of searched cells: the statistics that a node's values are normalised with, once a use, in the order of uses. */
  readonly normalisation?: {
    readonly epsilon: number;
    readonly statisticsOf: (values: Float64Array) => reference.Statistics;
  };
}

/** A node at one time. */
interface NodeState {
  /** Before it is normalised. */
  readonly raw: Float64Array;
  readonly state: Float64Array;
  readonly statistics?: reference.Statistics;
}

/** What one time leaves for its backward pass. */
interface Step {
  readonly input: Float64Array;
  readonly hidden: Float64Array;
  readonly nodes: readonly NodeState[];
}

/** A forward pass. */
export interface CellRun {
  /** `[times, columns, channels]`. */
  readonly output: Float64Array;
  /** Of the last time. */
  readonly hidden: Float64Array;
  readonly steps: readonly Step[];
}

/** Gradients of a cell's input, of each weight, and of each part of each edge of each node. */
export interface CellGradients {
  readonly input: Float64Array;
  readonly weights: readonly Float64Array[];
  readonly parts: readonly (readonly Float64Array[])[];
  /** Sums of the squares of what those of `parts` add up. */
  readonly squares: readonly (readonly Float64Array[])[];
}

const first: readonly CellEdge['parts'][number][] = [{ activation: 'tanh', weight: 1 }];

/** Runs a cell over x `[times, columns, channels]` from a hidden state `[columns, channels]`, zeros when absent. */
export function runCell(cell: RecurrentCell, x: Float64Array, start?: Float64Array): CellRun {
  const width = cell.columns * cell.channels;
  const output = new Float64Array(x.length);
  const steps: Step[] = [];
  let hidden = start ?? new Float64Array(width);
  for (let begin = 0; begin < x.length; begin += width) {
    const input = x.slice(begin, begin + width);
    const nodes = runStep(cell, input, hidden);
    steps.push({ input, hidden, nodes });
    hidden = new Float64Array(width).map((_, i) =>
      cell.outputs.reduce((sum, node) => sum + nodes[node].state[i] / cell.outputs.length, 0),
    );
    output.set(hidden, begin);
  }
  return { output, hidden, steps };
}

function runStep(cell: RecurrentCell, input: Float64Array, hidden: Float64Array): NodeState[] {
  const joined = joinedInputs(cell, input, hidden);
  const nodes = [normalised(cell, highway(hidden, gates(cell, 0, joined), first))];
  for (const [index, edges] of cell.edges.entries()) {
    const sum = new Float64Array(hidden.length);
    for (const { from, parts } of edges) {
      const { state } = nodes[from];
      highway(state, gates(cell, index + 1, masked(state, cell.hiddenMask)), parts).forEach((value, i) => {
        sum[i] += value;
      });
    }
    nodes.push(normalised(cell, sum));
  }
  return nodes;
}

/** [x·m_x, h·m_h] side by side. */
function joinedInputs(cell: RecurrentCell, input: Float64Array, hidden: Float64Array): Float64Array {
  const sides = [masked(input, cell.inputMask), masked(hidden, cell.hiddenMask)];
  return reference.concat(sides, [cell.channels, cell.channels]);
}

/** Arguments of a gate's logistic function and of its candidate's activation. */
interface Gates {
  readonly gate: Float64Array;
  readonly candidate: Float64Array;
}

function gates({ weights, channels }: RecurrentCell, weight: number, factors: Float64Array): Gates {
  const both = reference.linear(factors, weights[weight], new Float64Array(2 * channels));
  return {
    gate: reference.channelSlice(both, 2 * channels, 0, channels),
    candidate: reference.channelSlice(both, 2 * channels, channels, channels),
  };
}

function highway(state: Float64Array, { gate, candidate }: Gates, parts: CellEdge['parts']): Float64Array {
  const sum = new Float64Array(state.length);
  for (const { activation, weight } of parts) {
    if (activation === 'none') continue;
    const { value } = activations[activation];
    for (let i = 0; i < sum.length; i++) {
      sum[i] += weight * (state[i] + logistic(gate[i]) * (value(candidate[i]) - state[i]));
    }
  }
  return sum;
}

function normalised({ normalisation }: RecurrentCell, raw: Float64Array): NodeState {
  if (normalisation === undefined) return { raw, state: raw };
  const statistics = normalisation.statisticsOf(raw);
  if (statistics.count < 2)
    throw new Error('[recurrentCell] expected at least 2 columns for the statistics of a batch');
  return { raw, state: reference.normalise(raw, statistics, normalisation.epsilon), statistics };
}

/** Gradients of {@link runCell} from that of its output; none flows into the first hidden state. */
export function runCellBackward(cell: RecurrentCell, { steps }: CellRun, dy: Float64Array): CellGradients {
  const width = cell.columns * cell.channels;
  const gradients = {
    input: new Float64Array(dy.length),
    weights: cell.weights.map(({ length }) => new Float64Array(length)),
    parts: zeroParts(cell),
    squares: zeroParts(cell),
  };
  let next: Float64Array = new Float64Array(width);
  for (const [time, step] of [...steps.entries()].reverse()) {
    const slope = next.map((value, i) => value + dy[time * width + i]);
    const { input, hidden } = stepBackward(cell, step, slope, gradients);
    gradients.input.set(input, time * width);
    next = hidden;
  }
  return gradients;
}

function zeroParts({ edges }: RecurrentCell): Float64Array[][] {
  return edges.map((incoming) => incoming.map(({ parts }) => new Float64Array(parts.length)));
}

function stepBackward(cell: RecurrentCell, step: Step, dy: Float64Array, gradients: CellGradients) {
  const { nodes } = step;
  const slopes = nodes.map((_, node) =>
    dy.map((slope) => (cell.outputs.includes(node) ? slope / cell.outputs.length : 0)),
  );
  for (let node = nodes.length - 1; node >= 1; node--) {
    const slope = rawGradient(cell, nodes[node], slopes[node]);
    for (const [e, { from, parts }] of cell.edges[node - 1].entries()) {
      const { state } = nodes[from];
      const factors = masked(state, cell.hiddenMask);
      const edge = highwayBackward(state, gates(cell, node, factors), parts, slope);
      const product = gatesBackward(cell, node, factors, edge, gradients);
      add(slopes[from], edge.state);
      add(slopes[from], masked(product, cell.hiddenMask));
      add(gradients.parts[node - 1][e], edge.parts);
      add(gradients.squares[node - 1][e], edge.squares);
    }
  }
  const joined = joinedInputs(cell, step.input, step.hidden);
  const edge = highwayBackward(step.hidden, gates(cell, 0, joined), first, rawGradient(cell, nodes[0], slopes[0]));
  const product = gatesBackward(cell, 0, joined, edge, gradients);
  const side = (index: number) =>
    reference.channelSlice(product, 2 * cell.channels, index * cell.channels, cell.channels);
  const hidden = edge.state;
  add(hidden, masked(side(1), cell.hiddenMask));
  return { input: masked(side(0), cell.inputMask), hidden };
}

/** Gradient of what a node's state is normalised from. */
function rawGradient({ normalisation }: RecurrentCell, { raw, statistics }: NodeState, dy: Float64Array): Float64Array {
  if (normalisation === undefined || statistics === undefined) return dy;
  return reference.batchNormBackward(raw, statistics, normalisation.epsilon, undefined, dy).input;
}

function highwayBackward(
  state: Float64Array,
  { gate, candidate }: Gates,
  parts: CellEdge['parts'],
  dy: Float64Array,
): Gates & Readonly<Record<'state' | 'parts' | 'squares', Float64Array>> {
  const zeros = (length = state.length) => new Float64Array(length);
  const sums = { parts: zeros(parts.length), squares: zeros(parts.length) };
  const slopes = { state: zeros(), gate: zeros(), candidate: zeros(), ...sums };
  for (const [k, { activation, weight }] of parts.entries()) {
    if (activation === 'none') continue;
    const { value, slope } = activations[activation];
    for (let i = 0; i < dy.length; i++) {
      const [open, rise] = [logistic(gate[i]), value(candidate[i]) - state[i]];
      const term = dy[i] * (state[i] + open * rise);
      slopes.parts[k] += term;
      slopes.squares[k] += term ** 2;
      slopes.state[i] += dy[i] * weight * (1 - open);
      slopes.gate[i] += dy[i] * weight * rise * open * (1 - open);
      slopes.candidate[i] += dy[i] * weight * open * slope(candidate[i]);
    }
  }
  return slopes;
}

/** Adds a weight's gradient and gives that of its factors. */
function gatesBackward(
  { weights, channels }: RecurrentCell,
  weight: number,
  factors: Float64Array,
  { gate, candidate }: Gates,
  gradients: CellGradients,
): Float64Array {
  const both = reference.concat([gate, candidate], [channels, channels]);
  const product = reference.linearBackward(factors, weights[weight], 2 * channels, both);
  add(gradients.weights[weight], product.weight);
  return product.input;
}

function add(sum: Float64Array, values: Float64Array): void {
  values.forEach((value, i) => {
    sum[i] += value;
  });
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Activations and their derivatives; that of relu is 0 at 0. */
const activations: Readonly<
  Record<Exclude<RecurrentActivation, 'none'>, Readonly<Record<'value' | 'slope', (x: number) => number>>>
> = {
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
  relu: { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  sigmoid: { value: logistic, slope: (x) => logistic(x) * (1 - logistic(x)) },
  identity: { value: (x) => x, slope: () => 1 },
};
