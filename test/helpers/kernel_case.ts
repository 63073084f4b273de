import type {
  Device,
  DirectBatch,
  DropoutDraw,
  HiddenStates,
  Mixing,
  PassStatistics,
  Precision,
} from '../../src/backend/device.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import type { Graph, Initialiser, Shape } from '../../src/graph/graph.ts';
import { crossEntropiesOf, isLoss, isLossNode } from '../../src/graph/losses.ts';
import { normal, uniform } from '../../src/random/philox.ts';
import { type ReferenceOptions, type ReferenceResult, runReference } from '../../src/reference/interpreter.ts';
import { allowedError, errorGrowth, largestMagnitude, tolerance } from '../../src/reference/tolerance.ts';

/**
 * What a case's inputs hold: standard normal numbers, small integers (ties and exact zeros), normal numbers a thousand
 * deviations from zero, only negative ones, ones as large as logits get, or normal ones whose first channel is zero.
 */
export type InputData = 'normal' | 'integers' | 'offset' | 'negative' | 'large' | 'deadChannel';

/** One graph that the kernels are checked on. Its output is a tensor or a loss. */
export interface KernelCase {
  readonly name: string;
  /** Samples; of sequences times · columns. */
  readonly batchSize: number;
  /** Of sequences; with it `length` says how long the longest may be. */
  readonly columns?: number;
  readonly length?: number;
  readonly build: (builder: GraphBuilder) => Tensor;
  /** `normal` unless told. */
  readonly data?: InputData;
  /** Mixing weights given from outside, a table each, or a row each where some follow from alpha. */
  readonly mixing?: Readonly<Record<string, readonly number[] | readonly (readonly number[] | undefined)[]>>;
  /** What dropout nodes draw from. */
  readonly dropout?: DropoutDraw;
  /** Those of training unless told. */
  readonly statistics?: PassStatistics;
  /** Hidden states that the graph declares. */
  readonly states?: HiddenStates;
}

/** A case with all its numbers, every one of them exact in float32. */
export interface PreparedCase {
  readonly graph: Graph;
  readonly batchSize: number;
  readonly columns?: number;
  readonly length?: number;
  readonly parameters: ReadonlyMap<string, Float64Array>;
  readonly inputs: Readonly<Record<string, Float64Array>>;
  /** Only for a loss. */
  readonly labels?: Int32Array;
  /** Only where the output is not a loss. */
  readonly outputGradient?: Float64Array;
  readonly mixing?: ReferenceOptions['mixing'];
  readonly dropout?: DropoutDraw;
  readonly statistics?: PassStatistics;
  readonly states?: HiddenStates;
  /** What the first of the states holds. */
  readonly hidden?: Float64Array;
}

/** What one tensor of a case should be: `[batch, ...shape]` or a parameter's own shape, and the absolute error allowed. */
export interface ExpectedTensor {
  readonly values: Float64Array;
  readonly shape: Shape;
  readonly tolerance: number;
}

const seed = 20260101;

const inputValues: Readonly<Record<InputData, (value: number, channel: number) => number>> = {
  normal: (value) => value,
  integers: (value) => Math.round(1.5 * value),
  offset: (value) => value + 1000,
  negative: (value) => -5 - Math.abs(value),
  large: (value) => 50 * value,
  deadChannel: (value, channel) => (channel === 0 ? 0 : value),
};

/** `count` standard normal numbers, exact in float32; another `step` gives others. */
export function gaussian(count: number, step: number): Float64Array {
  return Float64Array.from(Float32Array.from(normal({ seed, purpose: 'weights', epoch: 0, step }, count)));
}

/** Builds a case's graph and draws its numbers; `data` replaces the case's own kind of inputs. */
export function prepareCase(kernelCase: KernelCase, data: InputData = kernelCase.data ?? 'normal'): PreparedCase {
  const builder = new GraphBuilder();
  const graph = builder.finish(kernelCase.build(builder));
  const { batchSize, columns, length, dropout, statistics, states } = kernelCase;
  const drawn = prepareGraph(graph, batchSize, data);
  return {
    ...drawn,
    ...{ columns, length, dropout, statistics, states },
    mixing: doubles(kernelCase.mixing),
    hidden: drawn.parameters.get(states?.from ?? ''),
  };
}

/** Draws the numbers of a graph: parameters around their initialisers, inputs, labels or a gradient of the output. */
export function prepareGraph(graph: Graph, batchSize: number, data: InputData = 'normal', firstStep = 0): PreparedCase {
  let step = firstStep;
  const parameters = new Map(
    graph.parameters.map(({ name, shape, initialiser }) => {
      const values = gaussian(
        shape.reduce((product, length) => product * length, 1),
        step++,
      );
      return [name, values.map((value) => Math.fround(drawn(value, initialiser)))];
    }),
  );
  const inputs: Record<string, Float64Array> = {};
  for (const node of graph.nodes) {
    if (node.op !== 'input') continue;
    if (node.below !== undefined) {
      inputs[node.name] = Float64Array.from(integersBelow(node.below, batchSize, step++));
      continue;
    }
    const channels = node.shape[node.shape.length - 1];
    const values = gaussian(tensorLength(batchSize, node.shape), step++);
    inputs[node.name] = values.map((value, i) => Math.fround(inputValues[data](value, i % channels)));
  }
  const output = graph.nodes[graph.output];
  if (!isLoss(graph)) {
    const outputGradient = gaussian(tensorLength(batchSize, output.shape), step++);
    return { graph, batchSize, parameters, inputs, outputGradient };
  }
  const classes = crossEntropiesOf(graph).map(({ inputs: [logits] }) => graph.nodes[logits].shape[0]);
  // None where no loss reads labels.
  if (classes.length === 0) return { graph, batchSize, parameters, inputs };
  return { graph, batchSize, parameters, inputs, labels: integersBelow(Math.min(...classes), batchSize, step) };
}

function integersBelow(bound: number, count: number, step: number): Int32Array {
  const draws = uniform({ seed, purpose: 'weights', epoch: 1, step }, count);
  return Int32Array.from(draws, (u) => Math.floor(u * bound));
}

/** The reference's result for a case's pass with gradients. */
export function referenceOf(prepared: PreparedCase): ReferenceResult {
  return runReference(prepared.graph, { ...prepared, training: true });
}

/** Every tensor that a case's training pass gives, by name: output, gradients, running statistics, hidden states, loss. */
export function expectedTensors(prepared: PreparedCase): Map<string, ExpectedTensor> {
  const { graph, batchSize, columns, states } = prepared;
  const result = referenceOf(prepared);
  const growth = errorGrowth(graph, batchSize, result, columns);
  const node = graph.nodes[visibleOutput(graph)];
  const expected = new Map<string, ExpectedTensor>();
  const put = (name: string, values: Float64Array, shape: Shape, direction: 'forward' | 'backward', terms = 0) =>
    expected.set(name, { values, shape, tolerance: tolerance(values, growth, direction, terms) });

  put('output', result.outputs[node.id], [batchSize, ...node.shape], 'forward');
  for (const { name, shape, role } of graph.parameters) {
    const state = name === states?.to ? result.hidden : prepared.parameters.get(name);
    if (role === 'state' && state !== undefined) put(name, state, shape, 'forward');
    const gradient = result.gradients.get(name);
    if (gradient !== undefined) put(`gradient of ${name}`, gradient, shape, 'backward', result.summed.get(name));
    const buffer = result.buffers.get(name);
    if (buffer !== undefined) put(name, buffer, shape, 'forward');
  }
  if (result.loss !== undefined) {
    // The loss is a difference of numbers as large as the logits.
    const magnitude = Math.max(largestMagnitude(result.outputs[node.id]), result.loss);
    const allowed = allowedError(magnitude, growth.forward, growth.cancellation);
    expected.set('loss', { values: Float64Array.of(result.loss), shape: [], tolerance: allowed });
    expected.set('correct', { values: Float64Array.of(result.correct ?? 0), shape: [], tolerance: 0 });
    return expected;
  }
  for (const input of graph.nodes) {
    if (input.op !== 'input') continue;
    const gradient = result.inputGradients[input.name];
    put(`gradient of input ${input.name}`, gradient, [batchSize, ...input.shape], 'backward');
  }
  return expected;
}

const references = new Map<KernelCase, { prepared: PreparedCase; expected: Map<string, ExpectedTensor> }>();

/** A case and what it should give; computed once, for every backend and instruction set. */
export function caseWithReference(kernelCase: KernelCase) {
  let entry = references.get(kernelCase);
  if (entry === undefined) {
    const prepared = prepareCase(kernelCase);
    entry = { prepared, expected: expectedTensors(prepared) };
    references.set(kernelCase, entry);
  }
  return entry;
}

/** A prepared case's parameters on a device. */
async function parametersOf(device: Device, prepared: PreparedCase): Promise<Parameters> {
  const parameters = await device.createParameters(prepared.graph, { seed: 0 });
  for (const [name, values] of prepared.parameters) await parameters.set(name, Float32Array.from(values));
  return parameters;
}

/** The same tensors as a device computes them, from a vector-Jacobian product or, for a loss, from its gradients. */
export async function deviceTensors(
  device: Device,
  prepared: PreparedCase,
  precision: Precision = 'fp32',
): Promise<Map<string, Float32Array>> {
  const { graph, statistics } = prepared;
  using parameters = await parametersOf(device, prepared);
  using program = device.compile(graph, { ...sizesOf(prepared), parameters, precision });
  const batch = directBatch(prepared);
  const mixing = singleMixing(prepared.mixing);
  const read = visibleOutput(graph);
  const outcome =
    prepared.outputGradient === undefined
      ? await program.gradients({ batch, target: 'both', statistics, mixing, read: [read] })
      : await program.vjp({ batch, outputGradient: Float32Array.from(prepared.outputGradient), statistics, mixing });

  const tensors = new Map<string, Float32Array>();
  tensors.set('output', outcome.outputs?.get(read) ?? new Float32Array(0));
  if (outcome.loss !== undefined) tensors.set('loss', Float32Array.of(outcome.loss));
  if (outcome.correct !== undefined) tensors.set('correct', Float32Array.of(outcome.correct));
  for (const [name, gradient] of Object.entries(outcome.inputGradients ?? {})) {
    tensors.set(`gradient of input ${name}`, gradient);
  }
  for (const { name, role } of graph.parameters) {
    if (role === 'buffer' || role === 'state') tensors.set(name, (await parameters.get(name)).data);
    else tensors.set(`gradient of ${name}`, (await parameters.gradient(name)).data);
  }
  return tensors;
}

/** What a forward pass without gradients leaves: the output and the batch-norm buffers. */
export async function evaluateCase(device: Device, prepared: PreparedCase, statistics: PassStatistics) {
  const { graph } = prepared;
  using parameters = await parametersOf(device, prepared);
  using program = device.compile(graph, { ...sizesOf(prepared), parameters });
  const { labels, ...batch } = directBatch(prepared);
  const mixing = singleMixing(prepared.mixing);
  const { outputs } = await program.evaluate({ batch, statistics, mixing, read: [graph.output] });
  const buffers = new Map<string, Float32Array>();
  for (const name of parameters.names('buffer')) buffers.set(name, (await parameters.get(name)).data);
  return { output: outputs?.get(graph.output) ?? new Float32Array(0), buffers };
}

/** The output of a case with running statistics. */
export function expectedEvaluation(prepared: PreparedCase): ExpectedTensor {
  const { graph, batchSize, columns } = prepared;
  const result = runReference(graph, { ...prepared, training: false, statistics: 'running' });
  const values = result.outputs[graph.output];
  const growth = errorGrowth(graph, batchSize, result, columns);
  const shape = [batchSize, ...graph.nodes[graph.output].shape];
  return { values, shape, tolerance: tolerance(values, growth, 'forward') };
}

/** What a program of a case is compiled for. */
export function sizesOf({ batchSize, columns, length }: PreparedCase): { batchSize: number; length?: number } {
  return columns === undefined ? { batchSize } : { batchSize: columns, length };
}

/** A prepared case as a device takes it. */
export function directBatch({ graph, inputs, labels, dropout, states }: PreparedCase): DirectBatch {
  const given = graph.nodes.flatMap((node): [string, Float32Array | Int32Array][] => {
    if (node.op !== 'input') return [];
    const values = inputs[node.name];
    return [[node.name, node.below === undefined ? Float32Array.from(values) : Int32Array.from(values)]];
  });
  return { inputs: Object.fromEntries(given), labels, dropout, ...(states && { hidden: states }) };
}

/** The node whose output is compared: of a loss what it is of, of a sum of losses what its first one is of. */
function visibleOutput(graph: Graph, id = graph.output): number {
  const node = graph.nodes[id];
  return isLossNode(node) ? visibleOutput(graph, node.inputs[0]) : node.id;
}

function tensorLength(batchSize: number, shape: Shape): number {
  return shape.reduce((product, length) => product * length, batchSize);
}

/** A parameter's value from a normal number: spread like its initialiser; constants are shaken by less than a third. */
function drawn(value: number, initialiser: Initialiser): number {
  if (initialiser.kind === 'constant') return initialiser.value + 0.3 * Math.tanh(value);
  return initialiser.kind === 'uniform' ? initialiser.bound * value : value;
}

/** Exact in float32. */
function doubles(mixing: KernelCase['mixing']): PreparedCase['mixing'] {
  if (mixing === undefined) return undefined;
  const exact = (values: readonly number[]) => Float64Array.from(Float32Array.from(values));
  const isTable = (rows: readonly unknown[]): rows is readonly number[] => typeof rows[0] === 'number';
  const tables = Object.entries(mixing).map(([name, rows]) => [
    name,
    isTable(rows) ? exact(rows) : rows.map((row) => row && exact(row)),
  ]);
  return Object.fromEntries(tables);
}

/** Mixing weights in float32; those of a prepared case lose nothing. */
export function singleMixing(mixing: PreparedCase['mixing']): Mixing | undefined {
  if (mixing === undefined) return undefined;
  const tables = Object.entries(mixing).map(([name, rows]) => [
    name,
    rows instanceof Float64Array ? Float32Array.from(rows) : rows.map((row) => row && Float32Array.from(row)),
  ]);
  return Object.fromEntries(tables);
}
