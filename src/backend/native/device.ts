import type { ImageArrays } from '../../data/dataset.ts';
import { abortedBy, BackendError, DartsmithError, throwIfAborted } from '../../errors.ts';
import type { Graph } from '../../graph/graph.ts';
import { eachInSlices } from '../../slices.ts';
import { Belongings } from '../belongings.ts';
import { checkCommands, checkExecuteOptions } from '../check_commands.ts';
import { checkCompile, checkedParameters } from '../check_compile.ts';
import { checkImages, type DatasetStore, HeldDataset } from '../dataset.ts';
import {
  type BackendName,
  type Command,
  type CompileOptions,
  type Device,
  type DeviceDataset,
  type ExecuteOptions,
  type Outcome,
  type ParametersOptions,
  type Peak,
  type Program,
  type ProgramMemory,
  precisions,
} from '../device.ts';
import { initialBlocks } from '../initial_values.ts';
import { type Arena, arenas } from '../parameter_map.ts';
import { type ParameterStore, Parameters } from '../parameters.ts';
import { CommandProgram, type Runner } from '../program.ts';
import {
  type Addon,
  type Handle,
  loadAddon,
  type NativeDeviceOptions,
  type NativeJob,
  type NativeOutcome,
} from './addon.ts';
import { encodeCommand, encodeGraph, type Handles } from './encode.ts';
import { Tuner } from './tuner.ts';

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

/** What crosses the border at once: the addon copies it on this thread, a few hundred microseconds for that much. */
const bytesAPart = 2 << 20;

class NativeDevice implements Device {
  readonly backend: BackendName;
  readonly description: string;
  readonly #addon: Addon;
  readonly #handle: Handle;
  readonly #tuner: Tuner;
  #recompute = 0;
  readonly #belongings: Handles = new Belongings();
  readonly #runner: Runner = {
    belongings: this.#belongings,
    run: (commands, signal) => this.#run(commands, signal),
  };

  constructor(backend: BackendName, addon: Addon, handle: Handle) {
    this.backend = backend;
    this.#addon = addon;
    this.#handle = handle;
    const { description } = addon.describeDevice(handle);
    try {
      this.#tuner = new Tuner(addon, handle, description);
    } catch (error) {
      addon.disposeDevice(handle);
      throw error;
    }
    this.description = backend === 'simt' ? description.replace(/^cuda/, 'simt') : description;
  }

  get recordedKernels(): number {
    return this.#addon.describeDevice(this.#handle).recordedKernels;
  }

  measurePeak(): Promise<Peak> {
    return settled(() => this.#addon.measurePeak(this.#handle));
  }

  async createParameters(graph: Graph | readonly Graph[], options: ParametersOptions): Promise<Parameters> {
    const map = checkedParameters(graph, options);
    const { weight, buffer, alpha, state } = map.totals;
    const handle = await settled(() =>
      this.#addon.createParameters(this.#handle, weight, buffer, alpha, map.secondMoments, state),
    );
    const store = new NativeStore(this.#addon, handle);
    for (const [arena, role] of [
      ['weights', 'weight'],
      ['buffers', 'buffer'],
      ['alpha', 'alpha'],
    ] as const) {
      for await (const { offset, values } of eachInSlices(initialBlocks(map, role, options.seed))) {
        await store.write(arena, offset, values);
      }
    }
    const parameters = new Parameters(map, store);
    this.#belongings.add('parameters', parameters, handle);
    return parameters;
  }

  async createDataset(arrays: ImageArrays): Promise<DeviceDataset> {
    const classes = checkImages(arrays);
    const { images, labels, shape } = arrays;
    const [height, width, channels] = shape;
    const handle = translated(() => this.#addon.createDataset(this.#handle, labels.length, height, width, channels));
    const store = new NativeImages(this.#addon, handle, height * width * channels);
    try {
      await store.fill(images, labels);
    } catch (error) {
      store.dispose();
      throw error;
    }
    const dataset = new HeldDataset(arrays, classes, store);
    this.#belongings.add('dataset', dataset, handle);
    return dataset;
  }

  compile(graph: Graph, options: CompileOptions): Program {
    checkCompile(graph, options, this.#belongings);
    const { batchSize, length = 0, parameters, fusion = 'on', precision = 'fp32' } = options;
    const encoded = encodeGraph(graph, parameters.map);
    const handle = translated(() =>
      this.#addon.compile(this.#handle, encoded, batchSize, length, fusion === 'on', precisions.indexOf(precision)),
    );
    this.#tuner.prepare(graph, batchSize);
    const program = new NativeProgram(this.#runner, this.#addon, handle, graph, options);
    this.#belongings.add('program', program, handle);
    return program;
  }

  async execute(commands: readonly Command[], options: ExecuteOptions = {}): Promise<Outcome[]> {
    checkExecuteOptions(options);
    checkCommands(commands, this.#belongings);
    return this.#run(commands, options.signal);
  }

  async #run(commands: readonly Command[], signal: AbortSignal | undefined): Promise<Outcome[]> {
    throwIfAborted(signal);
    const encoded = commands.map((command) => encodeCommand(command, this.#belongings));
    const outcomes = await settled(() => this.#addon.execute(this.#handle, encoded), signal);
    this.#tellOfRecompute(outcomes[0]?.recompute ?? 0);
    return outcomes.map((outcome, i) => readOutcome(outcome, commands[i]));
  }

  /** Once, and once more where that was not enough. */
  #tellOfRecompute(recompute: number): void {
    if (recompute <= this.#recompute) return;
    this.#recompute = recompute;
    const what = recompute === 1 ? 'single convolutions' : 'convolutions';
    process.emitWarning(
      `memory is short: what ${what} leave is computed twice instead of kept: slower, with the same results`,
      { code: 'DARTSMITH_RECOMPUTES' },
    );
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

  read(arena: Arena, offset?: number, length?: number): Promise<Float32Array> {
    return settled(() => this.#addon.readParameters(this.#handle, arenas.indexOf(arena), offset, length));
  }

  async write(arena: Arena, offset: number, values: Float32Array): Promise<void> {
    const part = bytesAPart / values.BYTES_PER_ELEMENT;
    for (let first = 0; first < values.length; first += part) {
      const some = values.subarray(first, first + part);
      await settled(() => this.#addon.writeParameters(this.#handle, arenas.indexOf(arena), offset + first, some));
    }
  }

  dispose(): void {
    this.#addon.disposeParameters(this.#handle);
  }
}

/** A dataset's images on the device. */
class NativeImages implements DatasetStore {
  readonly #addon: Addon;
  readonly #handle: Handle;
  /** Of one image. */
  readonly #pixels: number;

  constructor(addon: Addon, handle: Handle, pixels: number) {
    this.#addon = addon;
    this.#handle = handle;
    this.#pixels = pixels;
  }

  /** The first images, part by part. */
  async fill(images: Uint8Array, labels: Int32Array): Promise<void> {
    const part = Math.max(1, Math.floor(bytesAPart / this.#pixels));
    for (let first = 0; first < labels.length; first += part) {
      const end = first + part;
      const pixels = images.subarray(first * this.#pixels, end * this.#pixels);
      await this.#write(first, pixels, labels.subarray(first, end));
    }
  }

  /** At once, so that no command finds a part of them. */
  async replace(images: Uint8Array, labels: Int32Array): Promise<void> {
    await this.#write(0, images, labels);
  }

  dispose(): void {
    this.#addon.disposeDataset(this.#handle);
  }

  #write(first: number, images: Uint8Array, labels: Int32Array): Promise<undefined> {
    return settled(() => this.#addon.writeImages(this.#handle, first, images, labels));
  }
}

class NativeProgram extends CommandProgram {
  readonly #addon: Addon;
  readonly #handle: Handle;

  constructor(runner: Runner, addon: Addon, handle: Handle, graph: Graph, options: CompileOptions) {
    super(runner, graph, options);
    this.#addon = addon;
    this.#handle = handle;
  }

  async memory(): Promise<ProgramMemory> {
    const [evaluate, weights, alpha, both] = await settled(() => this.#addon.programMemory(this.#handle));
    return { evaluate, weights, alpha, both };
  }

  dispose(): void {
    this.#addon.disposeProgram(this.#handle);
  }
}

function readOutcome(outcome: NativeOutcome, command: Command): Outcome {
  const { loss, terms, correct, gradientNorm, directionNorm, penalty, profile } = outcome;
  const result: { -readonly [K in keyof Outcome]: Outcome[K] } = {
    loss,
    terms,
    correct,
    gradientNorm,
    directionNorm,
    penalty,
    profile,
  };
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
