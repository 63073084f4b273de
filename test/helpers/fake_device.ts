// A device for tests of what runs above one: no network is computed, but losses, gradients and batch-norm buffers are
// deterministic functions of weights, images and random streams, so any difference in what it is asked for shows.
import { copiedParts } from '../../src/backend/copied_parts.ts';
import type {
  Batch,
  Command,
  Device,
  DeviceDataset,
  EvaluateCommand,
  ExecuteOptions,
  GradientTarget,
  Outcome,
  Program,
  SgdCommand,
} from '../../src/backend/device.ts';
import { initialValues } from '../../src/backend/initial_values.ts';
import { type Arena, arenas, placeParameters, unionOf } from '../../src/backend/parameter_map.ts';
import { type ParameterStore, Parameters } from '../../src/backend/parameters.ts';
import { throwIfAborted } from '../../src/errors.ts';
import type { Graph, ParameterRole } from '../../src/graph/graph.ts';

/** A fake device and what it was asked for. */
export interface FakeDevice extends Device {
  /** Every `execute` so far. */
  readonly calls: (readonly Command[])[];
}

/** Hooks of a fake device. */
export interface FakeOptions {
  /** Runs before each `execute`, with its number from 0. */
  readonly before?: (call: number) => void;
  /** Replaces the outcomes of a call. */
  readonly spoil?: (outcomes: Outcome[], call: number) => Outcome[];
}

class FakeStore implements ParameterStore {
  readonly arenas: Record<Arena, Float32Array>;

  constructor(arrays: Record<Arena, Float32Array>) {
    this.arenas = arrays;
  }

  async read(arena: Arena, offset = 0, length = this.arenas[arena].length - offset): Promise<Float32Array> {
    return this.arenas[arena].slice(offset, offset + length);
  }

  async write(arena: Arena, offset: number, values: Float32Array): Promise<void> {
    this.arenas[arena].set(values, offset);
  }

  dispose(): void {}
}

/** Parameters in plain memory with the initial values of `seed`. */
export function fakeParameters(graphs: Graph | readonly Graph[], seed: number, secondMoments = false): Parameters {
  const map = placeParameters(unionOf([graphs].flat()), { secondMoments });
  const roleOf = (arena: Arena): ParameterRole => {
    if (arena === 'buffers') return 'buffer';
    if (arena === 'states') return 'state';
    return arena.startsWith('alpha') ? 'alpha' : 'weight';
  };
  const initial: Partial<Record<Arena, Float32Array>> = {
    weights: initialValues(map, 'weight', seed),
    buffers: initialValues(map, 'buffer', seed),
    alpha: initialValues(map, 'alpha', seed),
  };
  const arrays = Object.fromEntries(
    arenas.map((arena) => [arena, initial[arena] ?? new Float32Array(map.totals[roleOf(arena)])]),
  );
  return new Parameters(map, new FakeStore(arrays as Record<Arena, Float32Array>));
}

/** Opens a fake device. */
export function createFakeDevice(options: FakeOptions = {}): FakeDevice {
  const calls: (readonly Command[])[] = [];
  const dispose = () => {};
  return {
    backend: 'cpu',
    recordedKernels: 0,
    description: 'fake',
    calls,
    measurePeak: async () => ({ flopsPerSecond: 1, bytesPerSecond: 1 }),
    createParameters: async (graphs, { seed, secondMoments }) => fakeParameters(graphs, seed, secondMoments),
    createDataset: async ({ shape, labels }): Promise<DeviceDataset> => ({
      count: labels.length,
      shape,
      replace: async () => {},
      dispose,
      [Symbol.dispose]: dispose,
    }),
    compile: (graph, { batchSize, length, parameters }) => ({ ...fakeProgram(graph, batchSize, parameters), length }),
    execute: async (commands, { signal }: ExecuteOptions = {}) => {
      const call = calls.push(commands) - 1;
      options.before?.(call);
      throwIfAborted(signal);
      const outcomes = commands.map(run);
      return options.spoil?.(outcomes, call) ?? outcomes;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

function fakeProgram(graph: Graph, batchSize: number, parameters: Parameters): Program {
  const unused = () => Promise.reject(new Error('the search uses execute'));
  const dispose = () => {};
  return {
    graph,
    batchSize,
    parameters,
    memory: async () => ({ evaluate: 0, weights: 0, alpha: 0, both: 0 }),
    gradients: unused,
    evaluate: unused,
    hypergradient: unused,
    vjp: unused,
    dispose,
    [Symbol.dispose]: dispose,
  };
}

function storeOf(parameters: Parameters): FakeStore['arenas'] {
  return (parameters.store as FakeStore).arenas;
}

function run(command: Command): Outcome {
  switch (command.kind) {
    case 'gradients':
      return gradients(command.program, command.batch, command.target, true);
    case 'hypergradient': {
      const outcome = gradients(command.program, command.validation, 'alpha', true);
      const { alphaGradients } = storeOf(command.program.parameters);
      const other = fingerprint(command.train) * command.learningRate;
      fill(alphaGradients, command.program.parameters, 'alpha', (i) => alphaGradients[i] - Math.sin(other + i));
      return outcome;
    }
    case 'evaluate':
      return evaluate(command);
    case 'sgd': {
      const arenas = storeOf(command.parameters);
      const [values, gradients, momentum] =
        command.of === 'alpha'
          ? [arenas.alpha, arenas.alphaGradients, arenas.alphaMean]
          : [arenas.weights, arenas.weightGradients, momentumOf(command)];
      const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g * g, 0));
      const scale = Math.min(1, command.maxNorm / (norm + 1e-6));
      for (let i = 0; i < values.length; i++) {
        momentum[i] = command.momentum * momentum[i] + scale * gradients[i] + command.weightDecay * values[i];
        values[i] -= command.learningRate * momentum[i];
      }
      return { gradientNorm: norm };
    }
    case 'clip': {
      const arenas = storeOf(command.parameters);
      const parts = command.alpha ? [arenas.weightGradients, arenas.alphaGradients] : [arenas.weightGradients];
      const norm = Math.sqrt(parts.flatMap((part) => [...part]).reduce((sum, g) => sum + g * g, 0));
      const scale = Math.min(1, command.maxNorm / (norm + 1e-6));
      for (const part of parts) for (let i = 0; i < part.length; i++) part[i] *= scale;
      return { gradientNorm: norm };
    }
    case 'average': {
      const [from, to] = [storeOf(command.parameters), storeOf(command.averages)];
      for (const arena of ['weights', 'buffers'] as const) {
        for (let i = 0; i < to[arena].length; i++) {
          to[arena][i] = command.decay * to[arena][i] + (1 - command.decay) * from[arena][i];
        }
      }
      return {};
    }
    case 'adam': {
      const { of = 'alpha', maxNorm, betas } = command;
      const arenas = storeOf(command.parameters);
      const [values, gradients, means, variances] =
        of === 'alpha'
          ? [arenas.alpha, arenas.alphaGradients, arenas.alphaMean, arenas.alphaVariance]
          : [arenas.weights, arenas.weightGradients, arenas.momentum, arenas.variance];
      const [beta1, beta2] = betas;
      const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g * g, 0));
      const scale = maxNorm === undefined ? 1 : Math.min(1, maxNorm / (norm + 1e-6));
      for (let i = 0; i < values.length; i++) {
        const gradient = scale * gradients[i] + command.weightDecay * values[i];
        means[i] = beta1 * means[i] + (1 - beta1) * gradient;
        variances[i] = beta2 * variances[i] + (1 - beta2) * gradient * gradient;
        const mean = means[i] / (1 - beta1 ** command.step);
        const variance = variances[i] / (1 - beta2 ** command.step);
        values[i] -= (command.learningRate * mean) / (Math.sqrt(variance) + command.epsilon);
      }
      return maxNorm === undefined ? {} : { gradientNorm: norm };
    }
    case 'copy': {
      const [from, to] = [storeOf(command.parameters), storeOf(command.target)];
      for (const part of copiedParts(command)) {
        to[part.arena].set(from[part.arena].slice(part.from, part.from + part.size), part.to);
      }
      return {};
    }
    case 'penalty': {
      const { alpha, alphaGradients } = storeOf(command.parameters);
      fill(alphaGradients, command.parameters, 'alpha', (i) => alphaGradients[i] + command.weight * Math.sin(alpha[i]));
      return { penalty: alpha.reduce((sum, value) => sum + Math.cos(value), 0) / alpha.length };
    }
    case 'vjp':
      throw new Error('the search uses no vjp');
  }
}

function momentumOf({ parameters, momentumIn }: SgdCommand): Float32Array {
  const { momentum, variance } = storeOf(parameters);
  return momentumIn === 'secondMoments' ? variance : momentum;
}

/** Values a parameter element by element; gaps between parameters keep their zeros, as on a real device. */
function fill(target: Float32Array, parameters: Parameters, role: ParameterRole, value: (i: number) => number): void {
  for (const { spec, offset, size } of parameters.map.places.values()) {
    if (spec.role !== role) continue;
    for (let i = offset; i < offset + size; i++) target[i] = value(i);
  }
}

function gradients(program: Program, batch: Batch, target: GradientTarget, training: boolean): Outcome {
  const { weights, weightGradients, buffers, alpha, alphaGradients } = storeOf(program.parameters);
  const samples = checkedSamples(program, batch);
  const mark = fingerprint(batch);
  const level = weights[0] + (alpha[0] ?? 0) + (buffers[0] ?? 0) + handOn(program, batch, mark);
  const set = (target: Float32Array, role: ParameterRole, value: (i: number) => number) =>
    fill(target, program.parameters, role, value);
  if (target !== 'alpha') set(weightGradients, 'weight', (i) => Math.sin(weights[i] + mark + i));
  if (target !== 'weights') set(alphaGradients, 'alpha', (i) => Math.cos(alpha[i] + mark + i));
  if (training) set(buffers, 'buffer', (i) => 0.9 * buffers[i] + 0.1 * Math.abs(Math.sin(mark + i)));
  const loss = 2 + Math.sin(level + mark);
  const terms = termsOf(program.graph).map((_, index) => loss + index);
  return {
    loss,
    ...(terms.length > 0 && { terms }),
    correct: Math.floor(samples * Math.abs(Math.sin(mark))),
  };
}

/** The losses that a graph's output sums. */
function termsOf({ nodes, output }: Graph): readonly number[] {
  const last = nodes[output];
  return last.op === 'lossSum' ? last.inputs : [];
}

function evaluate({ program, batch, read = [] }: EvaluateCommand): Outcome {
  const copy = { ...storeOf(program.parameters) };
  const parameters = new Parameters(program.parameters.map, new FakeStore(copy));
  const outcome = gradients({ ...program, parameters }, batch, 'alpha', false);
  const outputs = new Map(read.map((node) => [node, outputOf(program, node, outcome.loss ?? 0)]));
  return read.length === 0 ? outcome : { ...outcome, outputs };
}

/** Values of a node that follow from the loss. */
function outputOf({ graph, batchSize }: Program, node: number, loss: number): Float32Array {
  const length = graph.nodes[node].shape.reduce((product, size) => product * size, batchSize);
  return Float32Array.from({ length }, (_, i) => Math.sin(loss + i));
}

/** Moves the hidden state on, and tells what it was. */
function handOn({ parameters }: Program, batch: Batch, mark: number): number {
  const { from, to } = ('hidden' in batch ? batch.hidden : undefined) ?? {};
  const { states } = storeOf(parameters);
  const placeOf = (name: string) => parameters.map.places.get(name)!;
  const before = from === undefined ? 0 : states[placeOf(from).offset];
  if (to !== undefined) states.fill(Math.sin(before + mark), placeOf(to).offset, placeOf(to).offset + placeOf(to).size);
  return before;
}

function checkedSamples({ batchSize, length = 1 }: Program, batch: Batch): number {
  const samples = 'indices' in batch ? batch.indices.length : (batch.labels?.length ?? 0);
  const times = samples / batchSize;
  if (!Number.isInteger(times) || times < 1 || times > length)
    throw new Error('a batch must have the size of its program');
  return samples;
}

/** A number that depends on everything in a batch. */
function fingerprint(batch: Batch): number {
  const text = JSON.stringify('indices' in batch ? [[...batch.indices], batch.augmentation] : batch);
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash / 2 ** 24;
}
