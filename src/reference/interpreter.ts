import type { DropoutDraw, Mixing, PassStatistics } from '../backend/device.ts';
import type {
  AvgPoolNode,
  BatchNormNode,
  ConcatNode,
  Conv2dNode,
  CosineDistanceNode,
  CropNode,
  CrossEntropyNode,
  DistillationNode,
  DropoutNode,
  EmbeddingNode,
  GlobalAvgPoolNode,
  Graph,
  LinearNode,
  MaxPoolNode,
  MeanSquaredErrorNode,
  MixedNode,
  Node,
  NoiseNode,
  RecurrentCellNode,
  ReluNode,
  ScaleNode,
  SequenceMask,
  Shape,
  SigmoidNode,
  SmoothL1Node,
  SoftmaxScaleNode,
  TanhNode,
  TiedLinearNode,
  VariationalDropoutNode,
} from '../graph/graph.ts';
import { crossEntropiesOf, isLossNode } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';
import * as reference from './primitives.ts';
import { type CellRun, type RecurrentCell, runCell, runCellBackward } from './recurrent.ts';
import { cellOf } from './recurrent_node.ts';
import * as sequences from './sequences.ts';

/** What a graph is run on; every array is flat, activations `[batch, ...shape]`, parameters in native layout. */
export interface ReferenceOptions {
  /** Samples; of sequences times · columns, time after time. */
  readonly batchSize: number;
  /** Of sequences; `batchSize` when absent, which is one time. */
  readonly columns?: number;
  /** The hidden state `[columns, channels]` that a recurrent cell begins with; zeros when absent. */
  readonly hidden?: Float64Array;
  /** Every parameter of the graph, batch-norm buffers and architecture parameters included. */
  readonly parameters: ReadonlyMap<string, Float64Array>;
  /** Integers as well. */
  readonly inputs: Readonly<Record<string, Float64Array>>;
  readonly labels?: Int32Array;
  /** A backward pass, and batch statistics unless told; otherwise forward only, and running statistics unless told. */
  readonly training: boolean;
  readonly statistics?: PassStatistics;
  /** Mixing weights in place of the tables' own, rows one after another or one by one; see {@link Mixing} for those of 0. */
  readonly mixing?: Readonly<Record<string, Float64Array | readonly (Float64Array | undefined)[]>>;
  /** What dropout nodes draw from; nothing is dropped without. */
  readonly dropout?: DropoutDraw;
  /** What is kept of a node's output instead of the output itself: rounded values, say. */
  readonly keep?: (node: Node, output: Float64Array) => Float64Array;
  /** Gradient of the output node; 1 when that is a loss. Without one there is no backward pass. */
  readonly outputGradient?: Float64Array;
}

/** What a graph gives in float64. */
export interface ReferenceResult {
  /** By node; empty for nodes of branches left out. */
  readonly outputs: readonly Float64Array[];
  readonly loss?: number;
  readonly correct?: number;
  /** Of every weight and every table of architecture parameters (of its mixing weights, where those were given). */
  readonly gradients: ReadonlyMap<string, Float64Array>;
  /** Of integers zeros. */
  readonly inputGradients: Readonly<Record<string, Float64Array>>;
  /** Batch-norm buffers after the pass. */
  readonly buffers: ReadonlyMap<string, Float64Array>;
  /** The hidden state that a recurrent cell leaves. */
  readonly hidden?: Float64Array;
  /** By recurrent cell: what each of its normalisations took, `[columns, channels]`, in their order. */
  readonly normalised: ReadonlyMap<number, readonly Float64Array[]>;
  /** By table of a searched cell: the largest root of a sum of squares of what an element of its gradient adds up. */
  readonly summed: ReadonlyMap<string, number>;
}

/** One run: what the forward pass leaves for the backward pass, and what both give. */
interface Run {
  readonly graph: Graph;
  readonly options: ReferenceOptions;
  readonly skipped: ReadonlySet<number>;
  readonly outputs: Float64Array[];
  readonly statistics: Map<number, reference.Statistics>;
  readonly buffers: Map<string, Float64Array>;
  readonly gradients: Map<string, Float64Array>;
  readonly slopes: Map<number, Float64Array>;
  readonly cells: Map<number, { readonly cell: RecurrentCell; readonly run: CellRun }>;
  readonly summed: Map<string, number>;
  hidden?: Float64Array;
  loss?: number;
  correct?: number;
  /** Samples classified right, by loss. */
  readonly hits: Map<number, number>;
}

/** Runs a graph in float64, forward and (in training, from a loss or a given gradient) backward. */
export function runReference(graph: Graph, options: ReferenceOptions): ReferenceResult {
  const run: Run = {
    graph,
    options,
    skipped: skippedNodes(graph, options),
    outputs: [],
    statistics: new Map(),
    buffers: new Map(),
    gradients: new Map(),
    slopes: new Map(),
    cells: new Map(),
    summed: new Map(),
    hits: new Map(),
  };
  for (const { name, role } of graph.parameters) {
    const values = parameter(run, name);
    if (role === 'buffer') run.buffers.set(name, values.slice());
    else if (role !== 'state') run.gradients.set(name, new Float64Array(values.length));
  }
  for (const node of graph.nodes) {
    const output = run.skipped.has(node.id) ? new Float64Array(0) : forward(run, node);
    if (!run.skipped.has(node.id) && output.length !== elements(run, node)) {
      throw new Error(
        `[${node.op}] expected ${elements(run, node)} elements at node ${node.id} but got ${output.length}`,
      );
    }
    run.outputs.push(options.keep?.(node, output) ?? output);
  }
  const last = graph.nodes[graph.output];
  const start = options.outputGradient ?? (isLossNode(last) ? Float64Array.of(1) : undefined);
  if (options.training && start !== undefined) backpropagate(run, start);
  const inputs = graph.nodes.filter((node) => node.op === 'input');
  const { outputs, loss, correct, gradients, buffers, hidden } = run;
  const inputGradients = Object.fromEntries(
    inputs.map((node) => [node.name, run.slopes.get(node.id) ?? new Float64Array(elements(run, node))]),
  );
  const normalised = new Map(
    [...run.cells].map(([id, { cell, run }]) => [
      id,
      cell.normalisation === undefined ? [] : run.steps.flatMap(({ nodes }) => nodes.map(({ raw }) => raw)),
    ]),
  );
  const state = hidden && { hidden };
  return { outputs, loss, correct, gradients, inputGradients, buffers, normalised, summed: run.summed, ...state };
}

/** Nodes that neither the output nor anything it needs reads: a mixed node does not read a branch that is left out. */
function skippedNodes(graph: Graph, options: ReferenceOptions): Set<number> {
  const needed = new Set([graph.output]);
  for (const node of [...graph.nodes].reverse()) {
    if (!needed.has(node.id)) continue;
    const read = node.op === 'mixed' ? countedBranches(graph, node, options) : node.inputs;
    for (const input of read) needed.add(input);
  }
  const isDead = ({ id, op }: Node) => !needed.has(id) && op !== 'input';
  return new Set(graph.nodes.filter(isDead).map(({ id }) => id));
}

/** The outputs of the branches that are not left out: what only the others need is not computed, the edge's input included. */
function countedBranches(graph: Graph, node: MixedNode, options: ReferenceOptions): number[] {
  const given = givenWeights(graph, node, options);
  return node.branches.flatMap(({ output }, k) => (leavesOut(node, given, k) ? [] : [output]));
}

/** Whether a branch is not run: its weight was given as 0. */
function leavesOut({ runsAll }: MixedNode, given: Float64Array | undefined, branch: number): boolean {
  return !runsAll && given?.[branch] === 0;
}

/** The mixing weights that are given for a row. */
function givenWeights(graph: Graph, node: Row, { mixing }: ReferenceOptions): Float64Array | undefined {
  const table = mixing?.[node.alpha];
  return table instanceof Float64Array ? table.slice(...rowRange(graph, node)) : table?.[node.row];
}

/** A row of a table of architecture parameters. */
type Row = Pick<MixedNode, 'alpha' | 'row'>;

/** Where a row begins and ends within its table. */
function rowRange(graph: Graph, node: Row): [number, number] {
  const lengths = graph.parameters.find(({ name }) => name === node.alpha)?.rowLengths ?? [];
  const begin = lengths.slice(0, node.row).reduce((sum, length) => sum + length, 0);
  return [begin, begin + lengths[node.row]];
}

function parameter(run: Run, name: string): Float64Array {
  const values = run.options.parameters.get(name);
  if (values === undefined) throw new Error(`the reference was given no parameter ${name}`);
  return values;
}

function optional(run: Run, name: string | undefined): Float64Array | undefined {
  return name === undefined ? undefined : parameter(run, name);
}

function elements(run: Run, node: Node): number {
  if (isLossNode(node)) return 1;
  return elementsOf(node.shape, run.options.batchSize);
}

function imageSize(run: Run, shape: Shape): reference.ImageSize {
  const [height, width, channels] = shape.length === 3 ? shape : [1, 1, shape[0]];
  return { batch: run.options.batchSize, height, width, channels };
}

function mixing(run: Run, node: MixedNode): Float64Array {
  const row = () => parameter(run, node.alpha).slice(...rowRange(run.graph, node));
  return givenWeights(run.graph, node, run.options) ?? reference.mixingWeights(row(), node.activation);
}

function forward(run: Run, node: Node): Float64Array {
  const inputs = node.inputs.map((id) => run.outputs[id]);
  const sizes = node.inputs.map((id) => imageSize(run, run.graph.nodes[id].shape));
  const [x] = inputs;
  const [size] = sizes;
  switch (node.op) {
    case 'input': {
      const values = run.options.inputs[node.name];
      if (values === undefined) throw new Error(`the reference was given no input ${node.name}`);
      return values;
    }
    case 'conv2d':
      return reference.conv2d(x, size, parameter(run, node.weight), { ...node, outputChannels: node.shape[2] });
    case 'batchNorm':
      return batchNorm(run, node, x, size.channels);
    case 'relu':
      return reference.relu(x);
    case 'tanh':
      return reference.tanh(x);
    case 'sigmoid':
      return reference.sigmoid(x);
    case 'scale':
      return scaled(x, node.factor);
    case 'softmaxScale':
      return scaled(x, reference.mixingWeights(parameter(run, node.weight), 'softmax')[node.index]);
    case 'noise':
      return reference.noise(x, node, run.options.dropout);
    case 'maxPool':
      return reference.maxPool(x, size, node).output;
    case 'avgPool':
      return reference.avgPool(x, size, node, node.countIncludePad);
    case 'globalAvgPool':
      return reference.globalAvgPool(x, size);
    case 'linear':
      return reference.linear(x, parameter(run, node.weight), parameter(run, node.bias));
    case 'add':
      return x.map((_, i) => inputs.reduce((sum, input) => sum + input[i], 0));
    case 'concat': {
      const channels = sizes.map((part) => part.channels);
      return reference.concat(inputs, channels);
    }
    case 'crop':
      return reference.crop(x, size, node.top, node.left);
    case 'dropout':
      return dropped(run, node, x);
    case 'zero':
      return new Float64Array(elements(run, node));
    case 'mixed':
      return mixed(run, node);
    case 'detach':
      return x;
    case 'distillation':
    case 'smoothL1':
    case 'meanSquaredError':
    case 'cosineDistance':
      return lossOf(run, pairLoss(node, x, inputs[1], size.channels).loss);
    case 'embedding':
      return sequences.embedding(x, parameter(run, node.weight), node.shape[0], embeddingMask(run, node));
    case 'variationalDropout':
      return sequences.masked(x, columnMask(run, node, node.mask));
    case 'recurrentCell':
      return recurrentCell(run, node, x);
    case 'tiedLinear':
      return sequences.tiedLinear(x, parameter(run, node.weight), parameter(run, node.bias));
    case 'meanSquare':
      return lossOf(run, sequences.meanSquare(x).loss);
    case 'slowness':
      return lossOf(run, sequences.slowness(x, columnsOf(run) * size.channels).loss);
    case 'lossSum':
      return lossOf(
        run,
        node.weights.reduce((sum, weight, i) => sum + weight * inputs[i][0], 0),
        run.hits.get(crossEntropiesOf(run.graph)[0]?.id),
      );
    case 'softmaxCrossEntropy': {
      const terms = inputs.map((logits) => reference.softmaxCrossEntropy(logits, labels(run), node.smoothing));
      const loss = terms.reduce((sum, term, i) => sum + node.weights[i] * term.loss, 0);
      run.hits.set(node.id, terms[0].correct);
      return lossOf(run, loss, terms[0].correct);
    }
  }
}

/** Running statistics and how they move. */
type Norm = Pick<BatchNormNode, 'runningMean' | 'runningVariance' | 'momentum'>;

function labels(run: Run): Int32Array {
  if (run.options.labels === undefined) throw new Error('the reference was given no labels');
  return run.options.labels;
}

/** What a value is normalised with, of the batch or running; running ones move where they are to. */
function statisticsOf(run: Run, node: Norm, x: Float64Array, channels: number): reference.Statistics {
  // As the last node before that uses them has left them.
  const running = {
    mean: run.buffers.get(node.runningMean) ?? parameter(run, node.runningMean),
    variance: run.buffers.get(node.runningVariance) ?? parameter(run, node.runningVariance),
    // As of so many values that none of them moves the statistics: no gradient flows through these.
    count: Number.POSITIVE_INFINITY,
  };
  const used = run.options.statistics ?? (run.options.training ? 'moving' : 'running');
  const statistics = used === 'running' ? running : reference.batchStatistics(x, channels);
  if (used === 'moving') {
    const moved = reference.runningStatistics(running, statistics, node.momentum);
    run.buffers.set(node.runningMean, moved.mean).set(node.runningVariance, moved.variance);
  }
  return statistics;
}

function batchNorm(run: Run, node: BatchNormNode, x: Float64Array, channels: number): Float64Array {
  const statistics = statisticsOf(run, node, x, channels);
  run.statistics.set(node.id, statistics);
  const normalised = reference.normalise(x, statistics, node.epsilon);
  return reference.affine(normalised, channels, optional(run, node.scale), optional(run, node.shift));
}

function mixed(run: Run, node: MixedNode): Float64Array {
  const output = new Float64Array(elements(run, node));
  mixing(run, node).forEach((weight, k) => {
    const branch = run.outputs[node.branches[k].output];
    // A skipped branch has no elements, so its weight of 0 meets nothing.
    for (let i = 0; i < branch.length; i++) output[i] += weight * branch[i];
  });
  return output;
}

function backpropagate(run: Run, start: Float64Array): void {
  accumulate(run, run.graph.output, start);
  for (let id = run.graph.output; id >= 0; id--) {
    const slope = run.slopes.get(id);
    if (slope !== undefined && !run.skipped.has(id)) backward(run, run.graph.nodes[id], slope);
  }
}

function accumulate(run: Run, id: number, slope: Float64Array): void {
  const sum = run.slopes.get(id);
  run.slopes.set(id, sum === undefined ? slope : sum.map((value, i) => value + slope[i]));
}

function accumulateParameter(run: Run, name: string, slope: Float64Array, offset = 0): void {
  const sum = run.gradients.get(name);
  slope.forEach((value, i) => {
    if (sum !== undefined) sum[offset + i] += value;
  });
}

/** Adds a node's gradients to those of its inputs and parameters. */
function backward(run: Run, node: Node, dy: Float64Array): void {
  switch (node.op) {
    case 'input':
    case 'zero':
      break;
    case 'conv2d':
      conv2dBackward(run, node, dy);
      break;
    case 'batchNorm':
      batchNormBackward(run, node, dy);
      break;
    case 'linear':
      linearBackward(run, node, dy);
      break;
    case 'add':
      for (const id of node.inputs) accumulate(run, id, dy);
      break;
    case 'concat':
      concatBackward(run, node, dy);
      break;
    case 'mixed':
      mixedBackward(run, node, dy);
      break;
    case 'softmaxCrossEntropy':
      crossEntropyBackward(run, node, dy);
      break;
    case 'detach':
      break;
    case 'embedding':
      embeddingBackward(run, node, dy);
      break;
    case 'recurrentCell':
      recurrentCellBackward(run, node, dy);
      break;
    case 'tiedLinear':
      tiedLinearBackward(run, node, dy);
      break;
    case 'meanSquare':
      accumulate(run, node.inputs[0], scaled(sequences.meanSquare(run.outputs[node.inputs[0]]).gradient, dy[0]));
      break;
    case 'slowness': {
      const width = columnsOf(run) * run.graph.nodes[node.inputs[0]].shape[0];
      accumulate(run, node.inputs[0], scaled(sequences.slowness(run.outputs[node.inputs[0]], width).gradient, dy[0]));
      break;
    }
    case 'softmaxScale':
      softmaxScaleBackward(run, node, dy);
      break;
    case 'distillation':
    case 'smoothL1':
    case 'meanSquaredError':
    case 'cosineDistance':
      pairBackward(run, node, dy[0]);
      break;
    case 'lossSum':
      node.inputs.forEach((id, i) => {
        accumulate(run, id, Float64Array.of(node.weights[i] * dy[0]));
      });
      break;
    default:
      accumulate(run, node.inputs[0], inputGradient(run, node, dy));
  }
}

/** Gradient of the only input of an op without parameters. */
function inputGradient(
  run: Run,
  node:
    | ReluNode
    | TanhNode
    | SigmoidNode
    | ScaleNode
    | NoiseNode
    | MaxPoolNode
    | AvgPoolNode
    | GlobalAvgPoolNode
    | CropNode
    | DropoutNode
    | VariationalDropoutNode,
  dy: Float64Array,
): Float64Array {
  const x = run.outputs[node.inputs[0]];
  const size = imageSize(run, run.graph.nodes[node.inputs[0]].shape);
  switch (node.op) {
    case 'relu':
      return reference.reluBackward(x, dy);
    case 'tanh':
      return dy.map((slope, i) => slope * (1 - Math.tanh(x[i]) ** 2));
    case 'sigmoid':
      return dy.map((slope, i) => slope / (2 + Math.exp(x[i]) + Math.exp(-x[i])));
    case 'scale':
      return scaled(dy, node.factor);
    case 'noise':
      return dy;
    case 'maxPool':
      return reference.maxPoolBackward(x.length, reference.maxPool(x, size, node).winners, dy);
    case 'avgPool':
      return reference.avgPoolBackward(size, node, node.countIncludePad, dy);
    case 'globalAvgPool':
      return reference.globalAvgPoolBackward(size, dy);
    case 'crop':
      return reference.cropBackward(size, node.top, node.left, dy);
    case 'dropout':
      return dropped(run, node, dy);
    case 'variationalDropout':
      return sequences.masked(dy, columnMask(run, node, node.mask));
  }
}

function crossEntropyBackward(run: Run, { inputs, weights, smoothing }: CrossEntropyNode, dy: Float64Array): void {
  inputs.forEach((id, i) => {
    const { gradient } = reference.softmaxCrossEntropy(run.outputs[id], labels(run), smoothing);
    accumulate(run, id, scaled(gradient, weights[i] * dy[0]));
  });
}

/** What a loss gives; the last one is the graph's. */
function lossOf(run: Run, loss: number, correct = 0): Float64Array {
  Object.assign(run, { loss, correct });
  return Float64Array.of(loss);
}

/** A loss between two outputs. */
type PairNode = DistillationNode | SmoothL1Node | MeanSquaredErrorNode | CosineDistanceNode;

function pairLoss(node: PairNode, first: Float64Array, second: Float64Array, channels: number) {
  switch (node.op) {
    case 'distillation':
      return reference.distillation(first, second, channels, node.temperature);
    case 'smoothL1':
      return reference.smoothL1(first, second);
    case 'meanSquaredError':
      return reference.meanSquaredError(first, second);
    case 'cosineDistance':
      return reference.cosineDistance(first, second, channels);
  }
}

function softmaxScaleBackward(run: Run, { inputs: [input], weight, index }: SoftmaxScaleNode, dy: Float64Array): void {
  const shares = reference.mixingWeights(parameter(run, weight), 'softmax');
  const slopes = new Float64Array(shares.length);
  slopes[index] = reference.dot(run.outputs[input], dy);
  accumulate(run, input, scaled(dy, shares[index]));
  accumulateParameter(run, weight, reference.mixingBackward(shares, slopes, 'softmax'));
}

function pairBackward(run: Run, node: PairNode, slope: number): void {
  const [first, second] = node.inputs.map((id) => run.outputs[id]);
  const [channels] = run.graph.nodes[node.inputs[0]].shape;
  const { gradients } = pairLoss(node, first, second, channels);
  node.inputs.forEach((id, i) => {
    accumulate(run, id, scaled(gradients[i], slope));
  });
}

function dropped(run: Run, node: DropoutNode, values: Float64Array): Float64Array {
  return reference.dropout(values, run.options.batchSize, node, run.options.dropout);
}

function scaled(values: Float64Array, factor: number): Float64Array {
  return values.map((value) => value * factor);
}

function conv2dBackward(run: Run, node: Conv2dNode, dy: Float64Array): void {
  const [input] = node.inputs;
  const size = imageSize(run, run.graph.nodes[input].shape);
  const convolution = { ...node, outputChannels: node.shape[2] };
  const weight = parameter(run, node.weight);
  const gradients = reference.conv2dBackward(run.outputs[input], size, weight, convolution, dy);
  accumulate(run, input, gradients.input);
  accumulateParameter(run, node.weight, gradients.weight);
}

function linearBackward(run: Run, node: LinearNode, dy: Float64Array): void {
  const [input] = node.inputs;
  const weight = parameter(run, node.weight);
  const gradients = reference.linearBackward(run.outputs[input], weight, node.shape[0], dy);
  accumulate(run, input, gradients.input);
  accumulateParameter(run, node.weight, gradients.weight);
  accumulateParameter(run, node.bias, gradients.bias);
}

function concatBackward(run: Run, node: ConcatNode, dy: Float64Array): void {
  let first = 0;
  for (const id of node.inputs) {
    const channels = run.graph.nodes[id].shape[2];
    accumulate(run, id, reference.channelSlice(dy, node.shape[2], first, channels));
    first += channels;
  }
}

function batchNormBackward(run: Run, node: BatchNormNode, dy: Float64Array): void {
  const x = run.outputs[node.inputs[0]];
  const statistics = run.statistics.get(node.id);
  if (statistics === undefined) throw new Error(`node ${node.id} has no statistics`);
  const gradients = reference.batchNormBackward(x, statistics, node.epsilon, optional(run, node.scale), dy);
  accumulate(run, node.inputs[0], gradients.input);
  if (node.scale !== undefined) accumulateParameter(run, node.scale, gradients.scale);
  if (node.shift !== undefined) accumulateParameter(run, node.shift, gradients.shift);
}

function mixedBackward(run: Run, node: MixedNode, dy: Float64Array): void {
  const weights = mixing(run, node);
  const given = givenWeights(run.graph, node, run.options);
  // A branch left out was not computed, so it has no gradient: neither its nodes nor its mixing weight.
  const left = (k: number) => leavesOut(node, given, k);
  const slopes = weights.map((_, k) => (left(k) ? 0 : reference.dot(run.outputs[node.branches[k].output], dy)));
  const alpha = given !== undefined ? slopes : reference.mixingBackward(weights, slopes, node.activation);
  accumulateParameter(run, node.alpha, alpha, rowRange(run.graph, node)[0]);
  node.branches.forEach(({ output }, k) => {
    if (!left(k)) accumulate(run, output, scaled(dy, weights[k]));
  });
}

function columnsOf({ options: { columns, batchSize } }: Run): number {
  return columns ?? batchSize;
}

/** A mask that is the same at all times. */
function columnMask(run: Run, { shape }: Node, mask: SequenceMask | undefined): Float64Array | undefined {
  return mask && sequences.sequenceMask(mask, columnsOf(run) * shape[0], run.options.dropout);
}

function embeddingMask(run: Run, { mask, weight, shape }: EmbeddingNode): Float64Array | undefined {
  return mask && sequences.sequenceMask(mask, parameter(run, weight).length / shape[0], run.options.dropout);
}

function embeddingBackward(run: Run, node: EmbeddingNode, dy: Float64Array): void {
  const { length } = parameter(run, node.weight);
  const words = run.outputs[node.inputs[0]];
  const mask = embeddingMask(run, node);
  accumulateParameter(run, node.weight, sequences.embeddingBackward(words, length, node.shape[0], mask, dy));
}

function tiedLinearBackward(
  run: Run,
  { inputs: [input], weight, bias, shape }: TiedLinearNode,
  dy: Float64Array,
): void {
  const gradients = sequences.tiedLinearBackward(run.outputs[input], parameter(run, weight), shape[0], dy);
  accumulate(run, input, gradients.input);
  accumulateParameter(run, weight, gradients.weight);
  accumulateParameter(run, bias, gradients.bias);
}

function recurrentCell(run: Run, node: RecurrentCellNode, x: Float64Array): Float64Array {
  const cell = cellOf(node, {
    columns: columnsOf(run),
    parameter: (name) => parameter(run, name),
    mask: (mask) => columnMask(run, node, mask),
    shares: (alpha, row) => cellRow(run, alpha, row).shares,
    statistics: (mixing, values) => statisticsOf(run, mixing, values, node.shape[0]),
  });
  const result = runCell(cell, x, run.options.hidden);
  run.cells.set(node.id, { cell, run: result });
  run.hidden = result.hidden;
  return result.output;
}

/** A row of a searched cell's table as its mixing weights, and whether they were given. */
function cellRow(run: Run, alpha: string, row: number): { shares: Float64Array; isGiven: boolean; begin: number } {
  const [begin, end] = rowRange(run.graph, { alpha, row });
  const given = givenWeights(run.graph, { alpha, row }, run.options);
  const shares = given ?? reference.mixingWeights(parameter(run, alpha).slice(begin, end), 'softmax');
  return { shares, isGiven: given !== undefined, begin };
}

function recurrentCellBackward(run: Run, node: RecurrentCellNode, dy: Float64Array): void {
  const ran = run.cells.get(node.id);
  if (ran === undefined) throw new Error(`node ${node.id} did not run`);
  const gradients = runCellBackward(ran.cell, ran.run, dy);
  accumulate(run, node.inputs[0], gradients.input);
  node.weights.forEach((name, index) => {
    accumulateParameter(run, name, gradients.weights[index]);
  });
  if (node.mixing === undefined) return;
  const { alpha } = node.mixing;
  const squares = gradients.squares.flat().flatMap((row) => [...row]);
  run.summed.set(alpha, Math.max(run.summed.get(alpha) ?? 0, Math.sqrt(Math.max(...squares))));
  for (const [row, slopes] of gradients.parts.flat().entries()) {
    const { shares, isGiven, begin } = cellRow(run, alpha, row);
    const slope = isGiven ? slopes : reference.mixingBackward(shares, slopes, 'softmax');
    accumulateParameter(run, alpha, slope, begin);
  }
}
