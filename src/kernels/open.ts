// Single ops, or chains of them, run and timed on plain arrays.

import { checkDropout } from '../backend/check_batch.ts';
import type {
  Device,
  DirectBatch,
  DropoutDraw,
  ExecuteOptions,
  KernelProfile,
  Outcome,
  Precision,
  Program,
} from '../backend/device.ts';
import type { Parameters } from '../backend/parameters.ts';
import { checkRecord, isRecord } from '../checks.ts';
import { BackendError, invalid } from '../errors.ts';
import type { Graph, Shape } from '../graph/graph.ts';
import { isLoss, readsLabels } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';
import { buildGraph, type KernelSource, outputLength, samplesOf } from './source.ts';

/** Options of {@link openKernel}: a kernel of the catalogue, or one of your own, and its batch. */
export interface KernelOptions<Name extends string> extends KernelSource<Name> {
  readonly batchSize: number;
  /** Draws the parameters' first values; 0 when absent. */
  readonly seed?: number;
  /** What the device computes in; `fp32` when absent. */
  readonly precision?: Precision;
}

/** A kernel's arrays by input, each `[batch, ...shape]`, of sequences `[time, column, ...shape]`; of integers an Int32Array. */
export type KernelInputs<Name extends string> = Readonly<Record<Name, Float32Array | Int32Array>>;

/** What {@link Kernel.backward} gives. */
export interface KernelGradients<Name extends string> {
  /** `[batch, ...outputShape]`; of a loss its one value. */
  readonly output: Float32Array;
  /** Of each input, in its shape; of integers zeros. */
  readonly inputs: Readonly<Record<Name, Float32Array>>;
  /** Of each weight and each table of architecture parameters, by name, in native layout (convolutions HWIO). */
  readonly parameters: Readonly<Record<string, Float32Array>>;
}

/** What a pass takes beside its inputs. */
export interface KernelPassOptions extends ExecuteOptions {
  /** `[batch]`; only for a loss. */
  readonly labels?: Int32Array;
  /** What dropout nodes draw from; nothing is dropped without. */
  readonly dropout?: DropoutDraw;
}

/** Options of {@link Kernel.time}. */
export interface KernelTiming extends KernelPassOptions {
  /** Passes that count; 20 when absent. */
  readonly runs?: number;
  /** Passes before them that do not; 3 when absent. */
  readonly warmUp?: number;
}

/** What {@link Kernel.measure} gives: each of the backend's kernels that ran, in the order of running. */
export interface KernelMeasurement {
  /** The forward pass of training, which keeps what the gradients need. */
  readonly forward: readonly KernelProfile[];
  /** The gradients of every input and parameter. */
  readonly backward: readonly KernelProfile[];
}

/** A graph that is compiled for one batch size, with parameters of its own. Work runs off the event loop. */
export interface Kernel<Name extends string> extends Disposable {
  readonly graph: Graph;
  /** Of sequences the columns. */
  readonly batchSize: number;
  /** Of sequences. */
  readonly length?: number;
  /** Of a batch: `batchSize`, of sequences times that. */
  readonly samples: number;
  /** Without the batch; empty for a loss. */
  readonly outputShape: Shape;
  /** Read and set by the names that `build` gave them. */
  readonly parameters: Parameters;
  /**
   * The output `[batch, ...outputShape]`, of a loss its one value; batch normalisation takes the batch's own statistics, as
   * in training.
   */
  forward(inputs: KernelInputs<Name>, options?: KernelPassOptions): Promise<Float32Array>;
  /**
   * The forward pass, then the gradients of sum(output · outputGradient); `outputGradient` is `[batch, ...outputShape]`, of a
   * loss the one number 1. Moves batch normalisation's running statistics, as a training step does.
   */
  backward(
    inputs: KernelInputs<Name>,
    outputGradient: Float32Array,
    options?: KernelPassOptions,
  ): Promise<KernelGradients<Name>>;
  /**
   * Milliseconds of each of a number of passes, in order. `forward` reads no output back; `backward` is what
   * {@link Kernel.backward} does, the forward pass included, for gradients of one. Both count the copy of the inputs.
   */
  time(pass: 'forward' | 'backward', inputs: KernelInputs<Name>, options?: KernelTiming): Promise<number[]>;
  /**
   * What {@link Kernel.backward} does, once, with each of the backend's kernels measured by itself: no copy of an array
   * counts. Throws BackendError where the backend does not measure kernels.
   */
  measure(
    inputs: KernelInputs<Name>,
    outputGradient: Float32Array,
    options?: KernelPassOptions,
  ): Promise<KernelMeasurement>;
  /** Frees the program and its parameters; the device stays. */
  dispose(): void;
}

/**
 * Compiles single ops, or a chain of them, to run on arrays. Throws ArgumentError for a faulty option and BackendError
 * where the device refuses the graph.
 */
export async function openKernel<Name extends string>(
  device: Device,
  options: KernelOptions<Name>,
): Promise<Kernel<Name>> {
  checkDevice(device);
  checkRecord('options', options, 'inputs, build and batchSize');
  const { batchSize, length, seed = 0, precision } = options;
  const graph = buildGraph(options);
  const parameters = await device.createParameters(graph, { seed });
  try {
    return kernelOf(device.compile(graph, { batchSize, length, parameters, precision }));
  } catch (error) {
    parameters.dispose();
    throw error;
  }
}

/** Throws ArgumentError unless a value can be used as a device. */
export function checkDevice(device: Device): void {
  const methods = ['createParameters', 'compile', 'execute'] as const;
  if (isRecord(device) && methods.every((method) => typeof device[method] === 'function')) return;
  throw invalid('device', 'a Device, as openDevice gives it,', device);
}

function kernelOf<Name extends string>(program: Program): Kernel<Name> {
  const { graph, batchSize, length, parameters } = program;
  const samples = samplesOf({ length }, batchSize);
  const outputShape = graph.nodes[graph.output].shape;
  const trained = parameters.names().filter((name) => parameters.map.places.get(name)?.spec.role !== 'buffer');
  const evaluate = (inputs: KernelInputs<Name>, read: readonly number[], options: KernelPassOptions) => {
    const batch = checkedBatch(program, inputs, options);
    return program.evaluate({ batch, statistics: 'batch', read, signal: options.signal });
  };
  const differentiate = (
    inputs: KernelInputs<Name>,
    slope: Float32Array,
    options: KernelPassOptions,
    profile = false,
  ) => {
    const batch = checkedBatch(program, inputs, options);
    const outputGradient = givenGradient(program, slope);
    return program.vjp({ batch, outputGradient, profile, signal: options.signal });
  };
  const forward: Kernel<Name>['forward'] = async (inputs, options = {}) =>
    outputOf(graph, await evaluate(inputs, isLoss(graph) ? [] : [graph.output], options));
  const backward: Kernel<Name>['backward'] = async (inputs, outputGradient, options = {}) => {
    // Reads queue behind the pass at once, so that a pass begun meanwhile cannot come between.
    const pass = differentiate(inputs, outputGradient, options);
    const reads = trained.map(async (name) => [name, (await parameters.gradient(name)).data] as const);
    const [outcome, gradients] = await Promise.all([pass, Promise.all(reads)]);
    return {
      output: outputOf(graph, outcome),
      inputs: outcome.inputGradients as KernelGradients<Name>['inputs'],
      parameters: Object.fromEntries(gradients),
    };
  };
  const measure: Kernel<Name>['measure'] = async (inputs, outputGradient, options = {}) =>
    byDirection((await differentiate(inputs, outputGradient, options, true)).profile);
  const time: Kernel<Name>['time'] = async (pass, inputs, options = {}) => {
    const ones = new Float32Array(outputLength(graph, samples)).fill(1);
    const runs = { forward: () => evaluate(inputs, [], options), backward: () => backward(inputs, ones, options) };
    if (!Object.hasOwn(runs, pass)) throw invalid('pass', "'forward' or 'backward'", pass);
    return timeRuns(runs[pass], options);
  };
  const dispose = () => {
    program.dispose();
    parameters.dispose();
  };
  const passes = { forward, backward, time, measure };
  const sizes = { batchSize, samples, ...(length !== undefined && { length }) };
  return { graph, ...sizes, outputShape, parameters, ...passes, dispose, [Symbol.dispose]: dispose };
}

function outputOf(graph: Graph, { outputs, loss }: Outcome): Float32Array {
  return isLoss(graph) ? Float32Array.of(loss!) : outputs!.get(graph.output)!;
}

function byDirection(profile: readonly KernelProfile[] | undefined): KernelMeasurement {
  if (profile === undefined) throw new BackendError('this backend does not measure kernels: use time instead');
  const [forward, backward] = ['forward', 'backward'].map((direction) =>
    profile.filter(({ kernel }) => kernel.endsWith(` ${direction}`)),
  );
  return { forward, backward };
}

async function timeRuns(run: () => Promise<unknown>, { runs = 20, warmUp = 3 }: KernelTiming): Promise<number[]> {
  if (!(Number.isInteger(runs) && runs >= 1)) throw invalid('runs', 'a positive integer', runs);
  if (!(Number.isInteger(warmUp) && warmUp >= 0)) throw invalid('warmUp', 'a non-negative integer', warmUp);
  const millis: number[] = [];
  for (let count = 0; count < warmUp + runs; count++) {
    const began = performance.now();
    await run();
    if (count >= warmUp) millis.push(performance.now() - began);
  }
  return millis;
}

function checkedBatch(
  { graph, batchSize, length }: Program,
  inputs: DirectBatch['inputs'],
  options: KernelPassOptions,
): DirectBatch {
  checkRecord('options', options, 'labels, dropout and signal');
  const { labels, dropout } = options;
  if (dropout !== undefined) checkDropout('dropout', dropout);
  const samples = samplesOf({ length }, batchSize);
  for (const node of graph.nodes) {
    if (node.op !== 'input') continue;
    const type = node.below === undefined ? Float32Array : Int32Array;
    checkArray(`inputs.${node.name}`, inputs?.[node.name], [samples, ...node.shape], type);
  }
  if (!readsLabels(graph)) return { inputs, dropout };
  if (labels instanceof Int32Array && labels.length === samples) return { inputs, labels, dropout };
  throw invalid('labels', `an Int32Array of [${samples}]`, labels);
}

/** The gradient as a vjp takes it. */
function givenGradient({ graph, batchSize, length }: Program, outputGradient: Float32Array): Float32Array {
  if (!isLoss(graph)) {
    const samples = samplesOf({ length }, batchSize);
    checkArray('outputGradient', outputGradient, [samples, ...graph.nodes[graph.output].shape], Float32Array);
    return outputGradient;
  }
  if (!(outputGradient instanceof Float32Array && outputGradient.length === 1 && outputGradient[0] === 1)) {
    throw invalid('outputGradient', 'a Float32Array of the one number 1, as of any loss,', outputGradient);
  }
  return new Float32Array(0);
}

function checkArray(name: string, values: unknown, shape: Shape, type: typeof Float32Array | typeof Int32Array): void {
  if (values instanceof type && values.length === elementsOf(shape)) return;
  throw invalid(name, `a${type === Int32Array ? 'n' : ''} ${type.name} of [${shape}]`, values);
}
