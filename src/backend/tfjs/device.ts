// The Device of TensorFlow.js: the reference that is not ours, and the fallback where no addon can be built.
import type { ImageArrays } from '../../data/dataset.ts';
import { BackendError, invalid, throwIfAborted } from '../../errors.ts';
import type { Graph } from '../../graph/graph.ts';
import type {
  Batch,
  Command,
  CompileOptions,
  Device,
  DeviceDataset,
  ExecuteOptions,
  Outcome,
  Peak,
  Program,
} from '../device.ts';
import { type Arena, arenas, initialValues, type ParameterStore, Parameters, placeParameters } from '../parameters.ts';
import { CommandProgram } from '../program.ts';
import { gatherBatch, type MixedLabels } from './gather.ts';
import { adam, average, hypergradient, sgd } from './optimisers.ts';
import { type Arenas, type PassOptions, type PassResult, runPass } from './pass.ts';
import { type OpenPlatform, openPlatform, type Platform } from './platform.ts';

/** Options of {@link openTfjsDevice}. */
export interface TfjsDeviceOptions {
  /** The best that is installed when absent. */
  readonly platform?: Platform;
}

/** Opens a device of TensorFlow.js. Throws BackendError, saying what to install. */
export async function openTfjsDevice({ platform }: TfjsDeviceOptions = {}): Promise<Device> {
  return new TfjsDevice(await openPlatform(platform));
}

class TfjsDevice implements Device {
  readonly backend = 'tfjs';
  readonly description: string;
  readonly recordedKernels = 0;
  readonly #platform: OpenPlatform;
  readonly #arenas = new WeakMap<Parameters, Arenas>();
  readonly #datasets = new WeakMap<DeviceDataset, ImageArrays>();
  readonly #programs = new WeakSet<Program>();
  /** Ends when all commands so far are done. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(platform: OpenPlatform) {
    this.#platform = platform;
    this.description = `tfjs (${platform.description})`;
  }

  async measurePeak(): Promise<Peak> {
    throw new BackendError('TensorFlow.js does not measure what the machine does at best');
  }

  async createParameters(graph: Graph, { seed }: { seed: number }): Promise<Parameters> {
    if (!Number.isSafeInteger(seed) || seed < 0) throw invalid('seed', 'a non-negative integer below 2^53', seed);
    const map = placeParameters(graph);
    const { weight, buffer, alpha } = map.totals;
    const values: Record<Arena, Float32Array> = {
      weights: initialValues(map, 'weight', seed),
      weightGradients: new Float32Array(weight),
      momentum: new Float32Array(weight),
      buffers: initialValues(map, 'buffer', seed),
      alpha: initialValues(map, 'alpha', seed),
      alphaGradients: new Float32Array(alpha),
      alphaMean: new Float32Array(alpha),
      alphaVariance: new Float32Array(alpha),
    };
    if (values.buffers.length !== buffer) throw new BackendError('expected buffers as the graph has them');
    const parameters = new Parameters(map, new HostStore(values, (work) => this.#queue(work)));
    this.#arenas.set(parameters, values);
    return parameters;
  }

  async createDataset(images: ImageArrays): Promise<DeviceDataset> {
    const dispose = () => this.#datasets.delete(dataset);
    const { count, shape } = { count: images.labels.length, shape: images.shape };
    const replace = (pixels: Uint8Array, labels: Int32Array) =>
      this.#queue(() => {
        if (!this.#datasets.has(dataset)) throw new BackendError('the dataset was disposed');
        if (pixels.length !== images.images.length || labels.length !== count) {
          throw new BackendError('[dataset] expected as many images and labels as there are, of the same size');
        }
        if (labels.some((label) => label < 0)) throw new BackendError('[dataset] expected labels from 0');
        this.#datasets.set(dataset, { images: pixels, labels, shape });
      });
    const dataset: DeviceDataset = {
      count,
      shape,
      replace,
      dispose,
      [Symbol.dispose]: dispose,
    };
    this.#datasets.set(dataset, images);
    return dataset;
  }

  compile(graph: Graph, { batchSize, parameters, fusion = 'on', precision = 'fp32' }: CompileOptions): Program {
    if (!(Number.isInteger(batchSize) && batchSize >= 1)) throw invalid('batchSize', 'a positive integer', batchSize);
    if (fusion !== 'on' && fusion !== 'off') throw invalid('fusion', "'on' or 'off'", fusion);
    if (precision !== 'fp32') {
      throw new BackendError(
        `[compile] expected precision fp32 but got ${precision}: TensorFlow.js computes in float32`,
      );
    }
    if (!this.#arenas.has(parameters)) throw invalid('parameters', 'parameters of this device', 'those of another');
    const program = new TfjsProgram(this, graph, batchSize, parameters);
    this.#programs.add(program);
    return program;
  }

  execute(commands: readonly Command[], { signal }: ExecuteOptions = {}): Promise<Outcome[]> {
    return this.#queue(async () => {
      const outcomes: Outcome[] = [];
      for (const command of commands) {
        // Lets the event loop breathe, and an abort arrive.
        await new Promise((resolve) => setImmediate(resolve));
        throwIfAborted(signal);
        await this.#platform.activate();
        outcomes.push(this.#run(command, signal));
      }
      return outcomes;
    });
  }

  dispose(): void {
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #queue<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#disposed) throw new BackendError('the device was disposed');
      return work();
    });
    this.#last = result.catch(() => {});
    return result;
  }

  #run(command: Command, signal: AbortSignal | undefined): Outcome {
    switch (command.kind) {
      case 'sgd':
        return { gradientNorm: sgd(this.#arenasOf(command.parameters), command) };
      case 'adam':
        if (!(command.epsilon > 0)) throw invalid('epsilon', 'a positive number', command.epsilon);
        adam(this.#arenasOf(command.parameters), command);
        return {};
      case 'average': {
        const { parameters, averages, decay } = command;
        if (!(decay >= 0 && decay <= 1)) throw invalid('decay', 'a number from 0 to 1', decay);
        const [from, to] = [this.#arenasOf(parameters), this.#arenasOf(averages)];
        if (from.weights.length !== to.weights.length || from.buffers.length !== to.buffers.length) {
          throw new BackendError('[average] expected averages laid out as the parameters');
        }
        average(to, from, decay);
        return {};
      }
      case 'hypergradient': {
        const { program, train, validation } = command;
        const pass = (batch: Batch, weights: boolean, alpha: boolean, statistics: PassOptions['statistics']) =>
          this.#pass(program, batch, { statistics, gradients: { weights, alpha, inputs: false }, signal });
        const passes = {
          trainWeights: () => pass(train, true, false, 'training'),
          validation: () => pass(validation, true, true, 'batch'),
          trainAlpha: () => pass(train, false, true, 'training'),
        };
        const { loss, correct } = hypergradient(this.#arenasOf(program.parameters), command, passes);
        return { loss, correct };
      }
      case 'evaluate': {
        const { program, batch, statistics, mixing, read, profile } = command;
        refuseProfile(profile);
        const gradients = { weights: false, alpha: false, inputs: false };
        return outcomeOf(this.#pass(program, batch, { statistics, gradients, mixing, read, signal }));
      }
      case 'gradients': {
        const { program, batch, target, mixing, read, profile } = command;
        refuseProfile(profile);
        const gradients = { weights: target !== 'alpha', alpha: target !== 'weights', inputs: false };
        return outcomeOf(this.#pass(program, batch, { statistics: 'training', gradients, mixing, read, signal }));
      }
      case 'vjp': {
        const { program, batch, mixing, outputGradient, profile } = command;
        refuseProfile(profile);
        const gradients = { weights: true, alpha: true, inputs: true };
        const read = [program.graph.output];
        const options = { statistics: 'training', gradients, mixing, outputGradient, read, signal } as const;
        const { inputGradients, ...outcome } = this.#pass(program, batch, options);
        const filled = program.graph.nodes.flatMap((node) => {
          if (node.op !== 'input') return [];
          const zeros = () => new Float32Array(elementsOf(node.shape, program.batchSize));
          return [[node.name, inputGradients[node.name] ?? zeros()] as const];
        });
        return { ...outcomeOf({ ...outcome, inputGradients }), inputGradients: Object.fromEntries(filled) };
      }
    }
  }

  #pass(
    program: Program,
    batch: Batch,
    options: Pick<PassOptions, 'statistics' | 'gradients' | 'mixing' | 'outputGradient' | 'signal'> & {
      readonly read?: readonly number[];
    },
  ): PassResult {
    if (!this.#programs.has(program)) throw invalid('program', 'a program of this device', 'one of another');
    const { graph, batchSize, parameters } = program;
    checkMixing(options.mixing, parameters);
    const { inputs, labels, mixed } = this.#inputs(graph, batchSize, batch);
    const { read = [] } = options;
    return runPass({
      ...options,
      tf: this.#platform.tf,
      graph,
      map: parameters.map,
      arenas: this.#arenasOf(parameters),
      batchSize,
      inputs,
      labels,
      mixed,
      dropout: batch.dropout,
      read,
    });
  }

  /** Tensors of a batch by input node; refuses what does not fit. */
  #inputs(graph: Graph, batchSize: number, batch: Batch) {
    const images = graph.nodes.filter((node) => node.op === 'input');
    let labels: Int32Array | undefined;
    let mixed: MixedLabels | undefined;
    let inputs: Readonly<Record<string, Float32Array>>;
    if ('dataset' in batch) {
      const dataset = this.#datasets.get(batch.dataset);
      if (dataset === undefined) throw invalid('dataset', 'a dataset of this device', 'one of another');
      if (images.length !== 1)
        throw new BackendError('[batch] expected a graph with one input for images of a dataset');
      if (batch.indices.length !== batchSize) throw invalid('indices', `${batchSize} positions`, batch.indices.length);
      if (batch.indices.some((index) => index >= dataset.labels.length)) {
        throw invalid('indices', `positions below ${dataset.labels.length}`, Math.max(...batch.indices));
      }
      const gathered = gatherBatch(dataset, batch.indices, batch.augmentation);
      inputs = { [images[0].name]: gathered.images };
      ({ labels, mixed } = gathered);
    } else {
      ({ inputs, labels } = batch);
    }
    for (const { name, shape } of images) {
      const count = elementsOf(shape, batchSize);
      if (!(inputs[name] instanceof Float32Array) || inputs[name].length !== count) {
        throw invalid(`inputs.${name}`, `a Float32Array of ${count} elements`, inputs[name]);
      }
    }
    checkLabels(graph, batchSize, labels);
    return { inputs, labels, mixed };
  }

  #arenasOf(parameters: Parameters): Arenas {
    const found = this.#arenas.get(parameters);
    if (found === undefined) throw invalid('parameters', 'parameters of this device', 'those of another');
    return found;
  }
}

function elementsOf(shape: readonly number[], batchSize: number): number {
  return shape.reduce((product, size) => product * size, batchSize);
}

function refuseProfile(profile: boolean | undefined): void {
  if (profile) throw new BackendError('TensorFlow.js does not measure kernels one by one');
}

function checkMixing(mixing: PassOptions['mixing'], { map }: Parameters): void {
  for (const [name, weights] of Object.entries(mixing ?? {})) {
    const place = map.places.get(name);
    if (place?.spec.role !== 'alpha') throw invalid('mixing', 'names of architecture parameter tables', name);
    if (!(weights instanceof Float32Array) || weights.length !== place.size) {
      throw invalid(`mixing.${name}`, `a Float32Array of ${place.size} weights`, weights);
    }
  }
}

function checkLabels(graph: Graph, batchSize: number, labels: Int32Array | undefined): void {
  const output = graph.nodes[graph.output];
  if (output.op !== 'softmaxCrossEntropy') return;
  if (labels?.length !== batchSize) throw invalid('labels', `an Int32Array of ${batchSize} labels`, labels);
  const classes = graph.nodes[output.inputs[0]].shape[0];
  const wrong = labels.find((label) => label < 0 || label >= classes);
  if (wrong !== undefined) throw invalid('labels', `labels below ${classes}`, wrong);
}

function outcomeOf({ loss, correct, outputs }: PassResult): Outcome {
  return { loss, correct, ...(outputs.size > 0 ? { outputs } : {}) };
}

/** Arenas in the host's memory; reads and writes queue behind commands. */
class HostStore implements ParameterStore {
  readonly #values: Record<Arena, Float32Array>;
  readonly #queue: <T>(work: () => T) => Promise<T>;
  #disposed = false;

  constructor(values: Record<Arena, Float32Array>, queue: <T>(work: () => T) => Promise<T>) {
    this.#values = values;
    this.#queue = queue;
  }

  read(arena: Arena): Promise<Float32Array> {
    return this.#queue(() => this.#alive()[arena].slice());
  }

  write(arena: Arena, offset: number, values: Float32Array): Promise<void> {
    return this.#queue(() => {
      const target = this.#alive()[arena];
      if (!arenas.includes(arena) || offset < 0 || offset + values.length > target.length) {
        throw new BackendError(`expected at most ${target.length} values in ${arena}`);
      }
      target.set(values, offset);
    });
  }

  dispose(): void {
    this.#disposed = true;
  }

  #alive(): Record<Arena, Float32Array> {
    if (this.#disposed) throw new BackendError('the parameters were disposed');
    return this.#values;
  }
}

class TfjsProgram extends CommandProgram {
  /** What the nodes' outputs take; gradients as much again. TensorFlow.js plans nothing. */
  async memory() {
    const elements = this.graph.nodes.reduce((sum, { shape }) => sum + elementsOf(shape, this.batchSize), 0);
    const evaluate = 4 * elements;
    return { evaluate, weights: 2 * evaluate, alpha: 2 * evaluate, both: 2 * evaluate };
  }

  dispose(): void {}
}
