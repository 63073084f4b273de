// The Device of TensorFlow.js: the reference that is not ours, and the fallback where no addon can be built.
import { checkOptional, checkOptions, oneOf } from '../../checks.ts';
import type { ImageArrays } from '../../data/dataset.ts';
import { BackendError, throwIfAborted } from '../../errors.ts';
import type { Graph } from '../../graph/graph.ts';
import { elementsOf } from '../../graph/shape.ts';
import { inSlices } from '../../slices.ts';
import { Belongings } from '../belongings.ts';
import { isGathered, samplesOf } from '../check_batch.ts';
import { checkCommands, checkExecuteOptions } from '../check_commands.ts';
import { checkCompile, checkedParameters } from '../check_compile.ts';
import { copiedParts } from '../copied_parts.ts';
import { checkImages, HeldDataset } from '../dataset.ts';
import type {
  Batch,
  Command,
  CompileOptions,
  Device,
  DeviceDataset,
  ExecuteOptions,
  Outcome,
  ParametersOptions,
  Peak,
  Program,
  ProgramMemory,
} from '../device.ts';
import { inputsLeft } from '../graph_ends.ts';
import { initialValueSteps } from '../initial_values.ts';
import { type Arena, arenas } from '../parameter_map.ts';
import { type ParameterStore, Parameters } from '../parameters.ts';
import { CommandProgram, type Runner } from '../program.ts';
import { gatherBatch } from './gather.ts';
import { adam, average, clip, hypergradient, sgd } from './optimisers.ts';
import { type Arenas, type PassOptions, type PassResult, runPass } from './pass.ts';
import { penalise } from './penalty.ts';
import { type OpenPlatform, openPlatform, type Platform, platforms } from './platform.ts';

/** Options of {@link openTfjsDevice}. */
export interface TfjsDeviceOptions {
  /** The best that is installed when absent. */
  readonly platform?: Platform;
}

/** Opens a device of TensorFlow.js. Throws ArgumentError for a bad option and BackendError, saying what to install. */
export async function openTfjsDevice(options: TfjsDeviceOptions = {}): Promise<Device> {
  checkOptions('options', options, ['platform']);
  const { platform } = options;
  checkOptional('platform', platform, oneOf(platforms));
  return new TfjsDevice(await openPlatform(platform));
}

/** What a dataset holds; nothing once it was disposed of. */
interface HostImages {
  arrays?: ImageArrays;
}

class TfjsDevice implements Device {
  readonly backend = 'tfjs';
  readonly description: string;
  readonly recordedKernels = 0;
  readonly #platform: OpenPlatform;
  readonly #belongings = new Belongings<{ program: undefined; parameters: Arenas; dataset: HostImages }>();
  readonly #runner: Runner = {
    belongings: this.#belongings,
    run: (commands, signal) => this.#execute(commands, signal),
  };
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

  async createParameters(graph: Graph | readonly Graph[], options: ParametersOptions): Promise<Parameters> {
    const map = checkedParameters(graph, options);
    const { weight, alpha, state } = map.totals;
    const drawn = (role: 'weight' | 'buffer' | 'alpha') => inSlices(initialValueSteps(map, role, options.seed));
    const values: Record<Arena, Float32Array> = {
      weights: await drawn('weight'),
      weightGradients: new Float32Array(weight),
      momentum: new Float32Array(weight),
      buffers: await drawn('buffer'),
      alpha: await drawn('alpha'),
      alphaGradients: new Float32Array(alpha),
      alphaMean: new Float32Array(alpha),
      alphaVariance: new Float32Array(alpha),
      variance: new Float32Array(map.secondMoments ? weight : 0),
      states: new Float32Array(state),
    };
    const parameters = new Parameters(map, new HostStore(values, (work) => this.#queue(work)));
    this.#belongings.add('parameters', parameters, values);
    return parameters;
  }

  async createDataset(arrays: ImageArrays): Promise<DeviceDataset> {
    const classes = checkImages(arrays);
    const held: HostImages = { arrays };
    const dataset = new HeldDataset(arrays, classes, {
      replace: (images, labels) =>
        this.#queue(() => {
          held.arrays = { ...imagesOf(held), images, labels };
        }),
      dispose: () => {
        held.arrays = undefined;
      },
    });
    this.#belongings.add('dataset', dataset, held);
    return dataset;
  }

  compile(graph: Graph, options: CompileOptions): Program {
    checkCompile(graph, options, this.#belongings);
    const { precision = 'fp32' } = options;
    if (precision !== 'fp32') {
      throw new BackendError(
        `[compile] expected precision fp32 but got ${precision}: TensorFlow.js computes in float32`,
      );
    }
    const program = new TfjsProgram(this.#runner, graph, options);
    this.#belongings.add('program', program, undefined);
    return program;
  }

  async execute(commands: readonly Command[], options: ExecuteOptions = {}): Promise<Outcome[]> {
    checkExecuteOptions(options);
    checkCommands(commands, this.#belongings);
    return this.#execute(commands, options.signal);
  }

  #execute(commands: readonly Command[], signal: AbortSignal | undefined): Promise<Outcome[]> {
    return this.#queue(async () => {
      throwIfAborted(signal);
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
        return { gradientNorm: adam(this.#arenasOf(command.parameters), command) };
      case 'clip':
        return { gradientNorm: clip(this.#arenasOf(command.parameters), command) };
      case 'average': {
        average(this.#arenasOf(command.averages), this.#arenasOf(command.parameters), command);
        return {};
      }
      case 'copy': {
        const [from, to] = [this.#arenasOf(command.parameters), this.#arenasOf(command.target)];
        for (const part of copiedParts(command)) {
          to[part.arena].set(from[part.arena].slice(part.from, part.from + part.size), part.to);
        }
        return {};
      }
      case 'penalty':
        return { penalty: penalise(this.#arenasOf(command.parameters), command) };
      case 'hypergradient': {
        const { program, train, validation, mixing, perturbed } = command;
        const pass = (batch: Batch, weights: boolean, alpha: boolean, statistics: PassOptions['statistics']) =>
          this.#pass(program, batch, { statistics, gradients: { weights, alpha, inputs: false }, mixing, signal });
        const passes = {
          trainWeights: () => pass(train, true, false, 'moving'),
          validation: () => pass(validation, true, true, 'batch'),
          trainAlpha: (which: 0 | 1) =>
            pass(perturbed === undefined ? train : { ...train, dropout: perturbed[which] }, false, true, 'moving'),
        };
        const outcome = hypergradient(this.#arenasOf(program.parameters), command, passes);
        const { loss, terms, correct, gradientNorm, directionNorm } = outcome;
        return { loss, ...(terms && { terms }), correct, gradientNorm, directionNorm };
      }
      case 'evaluate': {
        const { program, batch, statistics, mixing, read, profile } = command;
        refuseProfile(profile);
        const gradients = { weights: false, alpha: false, inputs: false };
        return outcomeOf(this.#pass(program, batch, { statistics, gradients, mixing, read, signal }));
      }
      case 'gradients': {
        const { program, batch, target, groups, accumulate, statistics = 'moving', mixing, read, profile } = command;
        refuseProfile(profile);
        const gradients = {
          weights: target !== 'alpha',
          alpha: target !== 'weights',
          inputs: false,
          groups,
          accumulate,
        };
        return outcomeOf(this.#pass(program, batch, { statistics, gradients, mixing, read, signal }));
      }
      case 'vjp': {
        const { program, batch, statistics = 'moving', mixing, outputGradient, profile } = command;
        refuseProfile(profile);
        const gradients = { weights: true, alpha: true, inputs: true };
        const read = [program.graph.output];
        const options = { statistics, gradients, mixing, outputGradient, read, signal };
        const { inputGradients, ...outcome } = this.#pass(program, batch, options);
        const filled = program.graph.nodes.flatMap((node) => {
          if (node.op !== 'input') return [];
          const zeros = () => new Float32Array(elementsOf(node.shape, samplesIn(batch, program)));
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
    const { graph, parameters, length } = program;
    const { inputs, labels, mixed } = this.#inputs(graph, batch);
    const batchSize = samplesIn(batch, program);
    const { read = [] } = options;
    return runPass({
      ...options,
      tf: this.#platform.tf,
      graph,
      map: parameters.map,
      arenas: this.#arenasOf(parameters),
      batchSize,
      columns: length === undefined ? batchSize : program.batchSize,
      inputs,
      labels,
      mixed,
      dropout: batch.dropout,
      hidden: isGathered(batch) ? undefined : batch.hidden,
      read,
    });
  }

  /** Tensors of a batch by input node. */
  #inputs(graph: Graph, batch: Batch): Pick<PassOptions, 'inputs' | 'labels' | 'mixed'> {
    if (!isGathered(batch)) return { inputs: batch.inputs, labels: batch.labels, mixed: undefined };
    const arrays = imagesOf(this.#belongings.of('dataset', batch.dataset));
    const { images, labels, mixed } = gatherBatch(arrays, batch.indices, batch.augmentation);
    const [{ name }] = inputsLeft(graph, batch.inputs);
    return { inputs: { ...batch.inputs, [name]: images }, labels, mixed };
  }

  #arenasOf(parameters: Parameters): Arenas {
    return this.#belongings.of('parameters', parameters);
  }
}

function imagesOf({ arrays }: HostImages): ImageArrays {
  if (arrays === undefined) throw new BackendError('the dataset was disposed of');
  return arrays;
}

function samplesIn(batch: Batch, program: Program): number {
  return isGathered(batch) ? program.batchSize : samplesOf('batch.inputs', batch.inputs, program);
}

function refuseProfile(profile: boolean | undefined): void {
  if (profile) throw new BackendError('TensorFlow.js does not measure kernels one by one');
}

function outcomeOf({ loss, terms, correct, outputs }: PassResult): Outcome {
  return { loss, ...(terms && { terms }), correct, ...(outputs.size > 0 ? { outputs } : {}) };
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

  read(arena: Arena, offset = 0, length?: number): Promise<Float32Array> {
    return this.#queue(() => this.#alive()[arena].slice(offset, length === undefined ? undefined : offset + length));
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
  async memory(): Promise<ProgramMemory> {
    const samples = this.batchSize * (this.length ?? 1);
    const elements = this.graph.nodes.reduce((sum, { shape }) => sum + elementsOf(shape, samples), 0);
    const evaluate = 4 * elements;
    return { evaluate, weights: 2 * evaluate, alpha: 2 * evaluate, both: 2 * evaluate };
  }

  dispose(): void {}
}
