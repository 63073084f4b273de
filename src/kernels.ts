// The package's entry point './kernels': single ops, or chains of them, run and timed on plain arrays.
import type { Device, ExecuteOptions, Program } from './backend/device.ts';
import type { Parameters } from './backend/parameters.ts';
import { invalid } from './errors.ts';
import { GraphBuilder, type Tensor } from './graph/builder.ts';
import type { Graph, Shape } from './graph/graph.ts';

/** Options of {@link openKernel}. */
export interface KernelOptions<Name extends string> {
  /** Shape of each input without the batch: `[height, width, channels]` or `[channels]`. */
  readonly inputs: Readonly<Record<Name, Shape>>;
  readonly batchSize: number;
  /** Draws the parameters' first values; 0 when absent. */
  readonly seed?: number;
  /** Builds what is run from its inputs and returns its output: a tensor, not a loss. */
  readonly build: (builder: GraphBuilder, inputs: Readonly<Record<Name, Tensor>>) => Tensor;
}

/** A kernel's arrays by input, each `[batch, ...shape]`. */
export type KernelInputs<Name extends string> = Readonly<Record<Name, Float32Array>>;

/** What {@link Kernel.backward} gives. */
export interface KernelGradients<Name extends string> {
  /** `[batch, ...outputShape]` */
  readonly output: Float32Array;
  /** Of each input, in its shape. */
  readonly inputs: KernelInputs<Name>;
  /** Of each weight and each table of architecture parameters, by name, in native layout (convolutions HWIO). */
  readonly parameters: Readonly<Record<string, Float32Array>>;
}

/** Options of {@link Kernel.time}. */
export interface KernelTiming extends ExecuteOptions {
  /** Passes that count; 20 when absent. */
  readonly runs?: number;
  /** Passes before them that do not; 3 when absent. */
  readonly warmUp?: number;
}

/** A graph that is compiled for one batch size, with parameters of its own. Work runs off the event loop. */
export interface Kernel<Name extends string> extends Disposable {
  readonly graph: Graph;
  readonly batchSize: number;
  /** Without the batch. */
  readonly outputShape: Shape;
  /** Read and set by the names that `build` gave them. */
  readonly parameters: Parameters;
  /** The output `[batch, ...outputShape]`; batch normalisation takes the batch's own statistics, as in training. */
  forward(inputs: KernelInputs<Name>, options?: ExecuteOptions): Promise<Float32Array>;
  /**
   * The forward pass, then the gradients of sum(output · outputGradient); `outputGradient` is `[batch, ...outputShape]`.
   * Moves batch normalisation's running statistics, as a training step does.
   */
  backward(
    inputs: KernelInputs<Name>,
    outputGradient: Float32Array,
    options?: ExecuteOptions,
  ): Promise<KernelGradients<Name>>;
  /**
   * Milliseconds of each of a number of passes, in order. `forward` reads no output back; `backward` is what
   * {@link Kernel.backward} does, the forward pass included, for gradients of one. Both count the copy of the inputs.
   */
  time(pass: 'forward' | 'backward', inputs: KernelInputs<Name>, options?: KernelTiming): Promise<number[]>;
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
  const { batchSize, seed = 0 } = options;
  const graph = buildGraph(options);
  const parameters = await device.createParameters(graph, { seed });
  try {
    return kernelOf(device.compile(graph, { batchSize, parameters }));
  } catch (error) {
    parameters.dispose();
    throw error;
  }
}

function buildGraph<Name extends string>({ inputs, build }: KernelOptions<Name>): Graph {
  const builder = new GraphBuilder();
  const names = Object.keys(inputs) as Name[];
  const tensors = Object.fromEntries(names.map((name) => [name, builder.input(name, inputs[name])]));
  const output = build(builder, tensors as Record<Name, Tensor>);
  if (!Array.isArray(output?.shape)) throw invalid('the output of build', 'a tensor of its builder', output);
  if (output.shape.length === 0) throw invalid('the output of build', 'a tensor, not a loss', 'a loss');
  return builder.finish(output);
}

function kernelOf<Name extends string>(program: Program): Kernel<Name> {
  const { graph, batchSize, parameters } = program;
  const outputShape = graph.nodes[graph.output].shape;
  const trained = parameters.names().filter((name) => parameters.map.places.get(name)?.spec.role !== 'buffer');
  const evaluate = (inputs: KernelInputs<Name>, read: readonly number[], { signal }: ExecuteOptions) => {
    checkInputs(program, inputs);
    return program.evaluate({ batch: { inputs }, statistics: 'batch', read, signal });
  };
  const forward: Kernel<Name>['forward'] = async (inputs, options = {}) => {
    const { outputs } = await evaluate(inputs, [graph.output], options);
    return outputs!.get(graph.output)!;
  };
  const backward: Kernel<Name>['backward'] = async (inputs, outputGradient, { signal } = {}) => {
    checkInputs(program, inputs);
    checkArray('outputGradient', outputGradient, batchSize, outputShape);
    // Reads queue behind the pass at once, so that a pass begun meanwhile cannot come between.
    const pass = program.vjp({ batch: { inputs }, outputGradient, signal });
    const reads = trained.map(async (name) => [name, (await parameters.gradient(name)).data] as const);
    const [{ outputs, inputGradients }, gradients] = await Promise.all([pass, Promise.all(reads)]);
    return {
      output: outputs!.get(graph.output)!,
      inputs: inputGradients as KernelInputs<Name>,
      parameters: Object.fromEntries(gradients),
    };
  };
  const time: Kernel<Name>['time'] = async (pass, inputs, options = {}) => {
    const ones = new Float32Array(elementsOf(batchSize, outputShape)).fill(1);
    const runs = { forward: () => evaluate(inputs, [], options), backward: () => backward(inputs, ones, options) };
    if (!Object.hasOwn(runs, pass)) throw invalid('pass', "'forward' or 'backward'", pass);
    return timeRuns(runs[pass], options);
  };
  const dispose = () => {
    program.dispose();
    parameters.dispose();
  };
  return { graph, batchSize, outputShape, parameters, forward, backward, time, dispose, [Symbol.dispose]: dispose };
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

function checkInputs({ graph, batchSize }: Program, inputs: Readonly<Record<string, Float32Array>>): void {
  for (const node of graph.nodes) {
    if (node.op === 'input') checkArray(`inputs.${node.name}`, inputs?.[node.name], batchSize, node.shape);
  }
}

function checkArray(name: string, values: unknown, batchSize: number, shape: Shape): void {
  if (values instanceof Float32Array && values.length === elementsOf(batchSize, shape)) return;
  throw invalid(name, `a Float32Array of [${[batchSize, ...shape]}]`, values);
}

function elementsOf(batchSize: number, shape: Shape): number {
  return shape.reduce((product, length) => product * length, batchSize);
}
