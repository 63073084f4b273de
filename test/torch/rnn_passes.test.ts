// Passes of language models against PyTorch's: the float64 reference to the last digits, the engine and TensorFlow.js as near as PyTorch's
// own float32.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import type { Device } from '../../src/backend/device.ts';
import { type OpenDeviceOptions, openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { GraphBuilder, type RecurrentCellOptions } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { elementsOf } from '../../src/graph/shape.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import { recurrentCells } from '../kernels/recurrent_cases.ts';
import { distances } from './goldens.ts';
import { masksOf, type RnnGolden, readRnnGolden, rnnPasses, rnnScores } from './rnn_goldens.ts';

/** The names that masks have here, by the published ones. */
const maskNames = { e: 'encoder', i: 'i', x: 'rnns.0.x', h: 'rnns.0.h', output: 'output' } as const;
const draw = { seed: 0, epoch: 0, step: 0 };

/** A network whose batches begin with the state `hidden` and leave `left`, and what of it the goldens tell. */
interface Model {
  readonly graph: Graph;
  readonly logits: number;
  readonly raw: number;
  readonly dropped: number;
}

function modelOf({ given, settings }: RnnGolden, cell: (typeof rnnPasses)[keyof typeof rnnPasses]): Model {
  const [words, channels] = given.get('encoder.weight')!.shape;
  const [, columns] = (given.get('tokens') ?? given.get('text'))!.shape;
  const builder = new GraphBuilder();
  for (const name of ['hidden', 'left']) builder.state(name, columns, channels);
  const form: RecurrentCellOptions =
    cell === 'search' ? { alpha: builder.alpha('alpha', new Array<number>(36).fill(5)) } : recurrentCells[cell];
  const embedded = builder.embedding('encoder', builder.integers('tokens', words), { channels, dropout: 0.2 });
  const input = builder.variationalDropout('i', embedded, 0.2);
  const raw = builder.recurrentCell('rnns.0', input, { ...form, inputDropout: 0.5, hiddenDropout: 0.2 });
  const dropped = builder.variationalDropout('output', raw, 0.5);
  const logits = builder.tiedLinear('decoder', dropped, 'encoder');
  const loss = builder.lossSum([
    { loss: builder.softmaxCrossEntropy(logits), weight: 1 },
    // A text is scored without them.
    { loss: builder.meanSquare(dropped), weight: settings['alpha'] ?? 0 },
    { loss: builder.slowness(raw), weight: settings['beta'] ?? 0 },
  ]);
  return { graph: builder.finish(loss), logits: logits.id, raw: raw.id, dropped: dropped.id };
}

type Values = Readonly<Record<'raw' | 'dropped' | 'logits', ArrayLike<number>>>;

/** What a forward pass gave, as the goldens have it. */
function told({ given }: RnnGolden, { raw, dropped, logits }: Values): Record<'raw' | 'dropped' | 'log', TorchTensor> {
  const [words, channels] = given.get('encoder.weight')!.shape;
  const times = given.get('tokens')!.shape;
  const tensor = (values: ArrayLike<number>, width: number) => ({
    shape: [...times, width],
    data: Float64Array.from(values),
  });
  const log = tensor(logits, words);
  for (let first = 0; first < log.data.length; first += words) {
    const row = log.data.subarray(first, first + words);
    const largest = Math.max(...row);
    const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) + largest;
    row.forEach((logit, k) => {
      row[k] = logit - total;
    });
  }
  return { raw: tensor(raw, channels), dropped: tensor(dropped, channels), log };
}

const number = (value: number | undefined): TorchTensor => ({ shape: [], data: Float64Array.of(value ?? Number.NaN) });

/** Mean of minus the targets' log-probabilities. */
function entropy({ given }: RnnGolden, { shape, data }: TorchTensor): number {
  const targets = given.get('targets')!.data;
  return targets.reduce((sum, target, row) => sum - data[row * shape[2] + target], 0) / targets.length;
}

/** Puts a pass's results under the goldens' names. */
class Results {
  readonly tensors = new Map<string, TorchTensor>();
  readonly #golden: RnnGolden;

  constructor(golden: RnnGolden) {
    this.#golden = golden;
  }

  put(name: string, like: string, data: ArrayLike<number>): void {
    const { shape } = this.#golden.given.get(like)!;
    this.tensors.set(name, { shape, data: Float64Array.from(data) });
  }

  parameter(name: string, role: string, data: ArrayLike<number>): void {
    if (role === 'buffer') this.put(`statistics.${name}`, name, data);
    if (role === 'weight') this.put(`gradient.${name}`, name, data);
    if (role === 'alpha') this.put('alphaGradient', name, data);
  }

  scored(values: Values, hidden: ArrayLike<number>): void {
    const { log } = told(this.#golden, values);
    this.tensors.set('scoredLogProbabilities', log).set('scoredNll', number(entropy(this.#golden, log)));
    this.put('scoredHidden', 'hidden', hidden);
  }

  trained(values: Values, hidden: ArrayLike<number>, loss: number | undefined, nll: number): void {
    const { raw, dropped, log } = told(this.#golden, values);
    this.tensors.set('raw', raw).set('dropped', dropped).set('logProbabilities', log);
    this.tensors.set('loss', number(loss)).set('nll', number(nll));
    this.put('lastHidden', 'hidden', hidden);
  }
}

function givenMasks(golden: RnnGolden): Record<string, Float32Array> {
  const masks = masksOf(golden);
  const names = Object.keys(maskNames) as (keyof typeof maskNames)[];
  return Object.fromEntries(names.map((name) => [maskNames[name], Float32Array.from(masks[name].data)]));
}

/** Of states zeros. */
function valuesOfParameters({ given }: RnnGolden, { parameters }: Graph): Map<string, Float64Array> {
  return new Map(
    parameters.map(({ name, shape }) => [name, given.get(name)?.data ?? new Float64Array(elementsOf(shape))]),
  );
}

async function onDevice(device: Device, golden: RnnGolden, graph: Graph): Promise<Parameters> {
  const parameters = await device.createParameters(graph, { seed: 0 });
  for (const [name, values] of valuesOfParameters(golden, graph)) {
    await parameters.set(name, Float32Array.from(values));
  }
  return parameters;
}

function referenceResults(golden: RnnGolden, { graph, logits, raw, dropped }: Model): Results {
  const { given } = golden;
  const [times, columns] = given.get('tokens')!.shape;
  const common = {
    ...{ batchSize: times * columns, columns, hidden: given.get('hidden')!.data },
    parameters: valuesOfParameters(golden, graph),
    inputs: { tokens: given.get('tokens')!.data },
    labels: Int32Array.from(given.get('targets')!.data),
  };
  const results = new Results(golden);
  const valuesOf = (outputs: readonly Float64Array[]) => ({
    ...{ raw: outputs[raw], dropped: outputs[dropped], logits: outputs[logits] },
  });
  const scored = runReference(graph, { ...common, training: false });
  results.scored(valuesOf(scored.outputs), scored.hidden!);
  const trained = runReference(graph, { ...common, training: true, dropout: { ...draw, masks: givenMasks(golden) } });
  const [entropyNode] = graph.nodes[graph.output].inputs;
  results.trained(valuesOf(trained.outputs), trained.hidden!, trained.loss, trained.outputs[entropyNode][0]);
  for (const { name, role } of graph.parameters) {
    const values = trained.gradients.get(name) ?? trained.buffers.get(name);
    if (values !== undefined) results.parameter(name, role, values);
  }
  return results;
}

async function deviceResults(device: Device, golden: RnnGolden, model: Model): Promise<Results> {
  const { given } = golden;
  const { graph, logits, raw, dropped } = model;
  const [times, columns] = given.get('tokens')!.shape;
  using parameters = await onDevice(device, golden, graph);
  await parameters.set('hidden', Float32Array.from(given.get('hidden')!.data));
  // Longer than the sequence.
  using program = device.compile(graph, { batchSize: columns, length: times + 3, parameters });
  const batch = {
    inputs: { tokens: Int32Array.from(given.get('tokens')!.data) },
    labels: Int32Array.from(given.get('targets')!.data),
    hidden: { from: 'hidden', to: 'left' },
  };
  const results = new Results(golden);
  const valuesOf = (outputs: ReadonlyMap<number, Float32Array> | undefined) => ({
    ...{ raw: outputs!.get(raw)!, dropped: outputs!.get(dropped)!, logits: outputs!.get(logits)! },
  });
  const read = [raw, dropped, logits];
  const scored = await program.evaluate({ batch, statistics: 'running', read });
  results.scored(valuesOf(scored.outputs), (await parameters.get('left')).data);
  const dropping = { ...batch, dropout: { ...draw, masks: givenMasks(golden) } };
  const trained = await program.gradients({ batch: dropping, target: 'both', read });
  const hidden = (await parameters.get('left')).data;
  results.trained(valuesOf(trained.outputs), hidden, trained.loss, trained.terms![0]);
  for (const { name, role } of graph.parameters) {
    if (role === 'state') continue;
    const { data } = role === 'buffer' ? await parameters.get(name) : await parameters.gradient(name);
    results.parameter(name, role, data);
  }
  return results;
}

const backends = ['cpu', 'tfjs'] as const satisfies readonly OpenDeviceOptions['backend'][];
const devices = new Map<string, Device>();
beforeAll(async () => {
  for (const backend of backends) devices.set(backend, await openDevice({ backend }));
});
afterAll(() => {
  for (const device of devices.values()) device.dispose();
});

describe.each(Object.keys(rnnPasses) as (keyof typeof rnnPasses)[])('%s', (name) => {
  const golden = readRnnGolden(name);
  const model = modelOf(golden, rnnPasses[name]);

  it('agrees with the float64 reference in every tensor', () => {
    const { tensors } = referenceResults(golden, model);
    expect([...tensors.keys()].sort()).toEqual([...golden.exact.keys()].sort());
    for (const [group, distance] of distances(golden, tensors)) expect(distance, group).toBeLessThan(1e-12);
  });

  it.each(backends)("agrees with %s as far as with PyTorch's float32", async (backend) => {
    const { tensors } = await deviceResults(devices.get(backend)!, golden, model);
    for (const [group, distance] of distances(golden, tensors)) {
      // Nobody's float32 is nearer than some roundings.
      expect(distance, group).toBeLessThan(Math.max(10 * golden.float32.get(group)!, 1e-6));
    }
  });
});

describe.each(Object.keys(rnnScores) as (keyof typeof rnnScores)[])('%s', (name) => {
  const golden = readRnnGolden(name);
  const { graph } = modelOf(golden, rnnScores[name]);
  const [entropyNode] = graph.nodes[graph.output].inputs;
  const {
    shape: [rows, columns],
    data: text,
  } = golden.given.get('text')!;

  /** What the batches of a text sum up to, the last of them shorter. */
  async function score(nllOf: (tokens: Float64Array, targets: Float64Array) => number | Promise<number>) {
    let total = 0;
    const { bptt } = golden.settings;
    for (let row = 0; row < rows - 1; row += bptt) {
      const end = Math.min(row + bptt, rows - 1);
      const part = (shift: number) => text.slice((row + shift) * columns, (end + shift) * columns);
      total += (end - row) * (await nllOf(part(0), part(1)));
    }
    return { published: total / rows, exact: total / (rows - 1) };
  }

  function expectScore(actual: Awaited<ReturnType<typeof score>>, tolerance: number): void {
    for (const which of ['published', 'exact'] as const) {
      expect(Math.abs(actual[which] / golden.exact.get(which)!.data[0] - 1), which).toBeLessThan(tolerance);
    }
  }

  it('is what the float64 reference scores, from state to state', async () => {
    let hidden: Float64Array | undefined;
    const parameters = valuesOfParameters(golden, graph);
    const found = await score((tokens, targets) => {
      const options = { batchSize: tokens.length, columns, hidden, parameters, training: false };
      const labels = Int32Array.from(targets);
      const result = runReference(graph, { ...options, inputs: { tokens }, labels });
      hidden = result.hidden;
      return result.outputs[entropyNode][0];
    });
    expectScore(found, 1e-12);
  });

  it.each(backends)('is what %s scores, from state to state', async (backend) => {
    const device = devices.get(backend)!;
    using parameters = await onDevice(device, golden, graph);
    using program = device.compile(graph, { batchSize: columns, length: golden.settings['bptt'], parameters });
    const hidden = { from: 'left', to: 'left' };
    const found = await score(async (tokens, targets) => {
      const batch = { inputs: { tokens: Int32Array.from(tokens) }, labels: Int32Array.from(targets), hidden };
      return (await program.evaluate({ batch, statistics: 'running' })).terms![0];
    });
    expectScore(found, 1e-5);
  });
});
