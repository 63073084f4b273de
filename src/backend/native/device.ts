import type { ImageArrays } from '../../data/dataset.ts';
import { abortedBy, BackendError, DartsmithError, invalid, throwIfAborted } from '../../errors.ts';
import type { Graph } from '../../graph/graph.ts';
import {
  type BackendName,
  type Command,
  type CompileOptions,
  type Device,
  type DeviceDataset,
  type ExecuteOptions,
  type Outcome,
  type Peak,
  type Program,
  precisions,
} from '../device.ts';
import { type Arena, arenas, initialValues, type ParameterStore, Parameters, placeParameters } from '../parameters.ts';
import { CommandProgram } from '../program.ts';
import {
  type Addon,
  type Handle,
  loadAddon,
  type NativeDeviceOptions,
  type NativeJob,
  type NativeOutcome,
} from './addon.ts';
import { encodeCommand, encodeGraph, type HandleLookup } from './encode.ts';

/** Opens a device of the engine. Throws BackendError. */
export function openNativeDevice(backend: BackendName, options: NativeDeviceOptions): Device {
  const { addon } = loadAddon(backend === 'simt' ? 'simt' : 'dartsmith');
  return deviceOf(
    backend,
    addon,
    translated(() => addon.openDevice(options)),
  );
}

/** The device behind an addon's handle. */
export function deviceOf(backend: BackendName, addon: Addon, handle: Handle): Device {
  return new NativeDevice(backend, addon, handle);
}

/** Of images that cross the border at once: copying more would block the event loop. */
const bytesAPart = 4 << 20;

class NativeDevice implements Device {
  readonly backend: BackendName;
  readonly description: string;
  readonly #addon: Addon;
  readonly #handle: Handle;
  /** Handles of what this device made, so that an object of another device is refused by name. */
  readonly #handles = new WeakMap<object, Handle>();

  constructor(backend: BackendName, addon: Addon, handle: Handle) {
    this.backend = backend;
    this.#addon = addon;
    this.#handle = handle;
    const { description } = addon.describeDevice(handle);
    this.description = backend === 'simt' ? description.replace(/^cuda/, 'simt') : description;
  }

  get recordedKernels(): number {
    return this.#addon.describeDevice(this.#handle).recordedKernels;
  }

  measurePeak(): Promise<Peak> {
    return settled(() => this.#addon.measurePeak(this.#handle));
  }

  async createParameters(graph: Graph, { seed }: { seed: number }): Promise<Parameters> {
    if (!Number.isSafeInteger(seed) || seed < 0) throw invalid('seed', 'a non-negative integer below 2^53', seed);
    const map = placeParameters(graph);
    const { weight, buffer, alpha } = map.totals;
    const handle = translated(() => this.#addon.createParameters(this.#handle, weight, buffer, alpha));
    const store = new NativeStore(this.#addon, handle);
    await store.write('weights', 0, initialValues(map, 'weight', seed));
    await store.write('buffers', 0, initialValues(map, 'buffer', seed));
    await store.write('alpha', 0, initialValues(map, 'alpha', seed));
    const parameters = new Parameters(map, store);
    this.#handles.set(parameters, handle);
    return parameters;
  }

  async createDataset({ images, labels, shape }: ImageArrays): Promise<DeviceDataset> {
    const [height, width, channels] = shape;
    const pixels = height * width * channels;
    if (images.length !== labels.length * pixels) {
      throw invalid('images', `${labels.length * pixels} bytes, as many images as labels`, images);
    }
    const handle = translated(() => this.#addon.createDataset(this.#handle, labels.length, height, width, channels));
    const write = (first: number, images: Uint8Array, labels: Int32Array) =>
      settled(() => this.#addon.writeImages(handle, first, images, labels));
    const dispose = () => this.#addon.disposeDataset(handle);
    try {
      const part = Math.max(1, Math.floor(bytesAPart / pixels));
      for (let first = 0; first < labels.length; first += part) {
        const end = first + part;
        await write(first, images.subarray(first * pixels, end * pixels), labels.subarray(first, end));
      }
    } catch (error) {
      dispose();
      throw error;
    }
    const replace = async (images: Uint8Array, labels: Int32Array) => {
      if (labels.length !== dataset.count) throw invalid('labels', `${dataset.count} labels`, labels);
      await write(0, images, labels);
    };
    const dataset = { count: labels.length, shape, replace, dispose, [Symbol.dispose]: dispose };
    this.#handles.set(dataset, handle);
    return dataset;
  }

  compile(graph: Graph, { batchSize, parameters, fusion = 'on', precision = 'fp32' }: CompileOptions): Program {
    if (!(Number.isInteger(batchSize) && batchSize >= 1)) throw invalid('batchSize', 'a positive integer', batchSize);
    if (fusion !== 'on' && fusion !== 'off') throw invalid('fusion', "'on' or 'off'", fusion);
    if (!precisions.includes(precision)) throw invalid('precision', `one of ${precisions.join(', ')}`, precision);
    const encoded = encodeGraph(graph, parameters.map);
    const handle = translated(() =>
      this.#addon.compile(this.#handle, encoded, batchSize, fusion === 'on', precisions.indexOf(precision)),
    );
    const program = new NativeProgram(this, this.#addon, handle, graph, batchSize, parameters);
    this.#handles.set(program, handle);
    return program;
  }

  async execute(commands: readonly Command[], { signal }: ExecuteOptions = {}): Promise<Outcome[]> {
    throwIfAborted(signal);
    const lookup = (kind: string) => (object: object) => {
      const handle = this.#handles.get(object);
      if (handle === undefined) throw invalid(kind, `a ${kind} of this device`, 'one of another');
      return handle;
    };
    const handles: HandleLookup = {
      program: lookup('program'),
      parameters: lookup('parameters'),
      dataset: lookup('dataset'),
    };
    const encoded = commands.map((command) => encodeCommand(command, handles));
    const outcomes = await settled(() => this.#addon.execute(this.#handle, encoded), signal);
    return outcomes.map((outcome, i) => readOutcome(outcome, commands[i]));
  }

  dispose(): void {
    this.#addon.disposeDevice(this.#handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

class NativeStore implements ParameterStore {
  readonly #addon: Addon;
  readonly #handle: Handle;

  constructor(addon: Addon, handle: Handle) {
    this.#addon = addon;
    this.#handle = handle;
  }

  read(arena: Arena): Promise<Float32Array> {
    return settled(() => this.#addon.readParameters(this.#handle, arenas.indexOf(arena)));
  }

  async write(arena: Arena, offset: number, values: Float32Array): Promise<void> {
    await settled(() => this.#addon.writeParameters(this.#handle, arenas.indexOf(arena), offset, values));
  }

  dispose(): void {
    this.#addon.disposeParameters(this.#handle);
  }
}

class NativeProgram extends CommandProgram {
  readonly #addon: Addon;
  readonly #handle: Handle;

  constructor(
    device: NativeDevice,
    addon: Addon,
    handle: Handle,
    graph: Graph,
    batchSize: number,
    parameters: Parameters,
  ) {
    super(device, graph, batchSize, parameters);
    this.#addon = addon;
    this.#handle = handle;
  }

  async memory() {
    const [evaluate, weights, alpha, both] = await settled(() => this.#addon.programMemory(this.#handle));
    return { evaluate, weights, alpha, both };
  }

  dispose(): void {
    this.#addon.disposeProgram(this.#handle);
  }
}

function readOutcome(outcome: NativeOutcome, command: Command): Outcome {
  const { loss, correct, gradientNorm, profile } = outcome;
  const result: { -readonly [K in keyof Outcome]: Outcome[K] } = { loss, correct, gradientNorm, profile };
  if (outcome.outputs.length > 0) result.outputs = new Map(outcome.outputs);
  if (command.kind === 'vjp') {
    const names = new Map(command.program.graph.nodes.map((node) => [node.id, node.op === 'input' ? node.name : '']));
    result.inputGradients = Object.fromEntries(outcome.inputGradients.map(([id, values]) => [names.get(id), values]));
  }
  return result;
}

/** Runs a synchronous call of the addon; its errors become BackendErrors. */
function translated<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translate(error);
  }
}

/** Waits for a job of the addon, which an abort cancels. */
async function settled<T>(start: () => NativeJob<T>, signal?: AbortSignal): Promise<T> {
  const job = translated(start);
  const cancel = () => job.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await job.promise;
  } catch (error) {
    throw translate(error, signal);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

function translate(error: unknown, signal?: AbortSignal): Error {
  if (error instanceof DartsmithError) return error;
  const { message, cancelled } = error as Error & { cancelled?: boolean };
  return cancelled ? abortedBy(signal) : new BackendError(message, { cause: error });
}
