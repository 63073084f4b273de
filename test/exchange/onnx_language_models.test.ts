// Exported language models under onnxruntime: log-probabilities and states are ours, whatever the cell, T and B, and as PyTorch gave them.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { ArgumentError } from '../../src/errors.ts';
import { exportLanguageModel } from '../../src/exchange/export_language_model.ts';
import { encodeLanguageOnnx } from '../../src/exchange/onnx_language_model.ts';
import { OnnxParts } from '../../src/exchange/onnx_parts.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import type { RecurrentGenotype } from '../../src/genotype/genotype.ts';
import { recurrentGenotypes } from '../../src/genotype/published/recurrent.ts';
import { randomRecurrentCell, recurrentCellOf } from '../../src/genotype/recurrent.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { buildLanguageModel, languageModelNames } from '../../src/network/language_model.ts';
import { normal, uniform } from '../../src/random/philox.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { example, installExample } from '../helpers/serve_example.ts';

beforeAll(installExample, 120_000);

interface OnnxTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

interface Runtime {
  readonly InferenceSession: {
    create(bytes: Uint8Array): Promise<{ run(feeds: object): Promise<Record<string, OnnxTensor>> }>;
  };
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => OnnxTensor;
}

const { InferenceSession, Tensor } = createRequire(join(example, 'serve.js'))('onnxruntime-node') as Runtime;

/** Runs a model on words [T, B] from a state [1, B, n]. */
async function openModel(bytes: Uint8Array) {
  const session = await InferenceSession.create(bytes);
  return async (words: ArrayLike<number>, columns: number, state: Float32Array) => {
    const times = words.length / columns;
    const feeds = {
      words: new Tensor('int64', BigInt64Array.from(Array.from(words, BigInt)), [times, columns]),
      hidden: new Tensor('float32', state, [1, columns, state.length / columns]),
    };
    const { log_probabilities: scores, last_hidden: last } = await session.run(feeds);
    expect(last.dims).toEqual([1, columns, state.length / columns]);
    expect(scores.dims.slice(0, 2)).toEqual([times, columns]);
    return { scores: scores.data, last: last.data };
  };
}

const [vocabulary, size, columns, times] = [23, 12, 3, 7];

/** A model with random weights in a file, and what our engine gives for words from a state. */
async function savedModel(genotype: RecurrentGenotype, words: Int32Array, state: Float32Array) {
  using device = await openDevice({ backend: 'cpu' });
  const states = { from: columns, to: columns };
  const { graph, logits } = buildLanguageModel({ words: vocabulary, size, genotype, states });
  using parameters = await device.createParameters(graph, { seed: 4 });
  let step = 0;
  for (const [name, { spec, size: count }] of parameters.map.places) {
    if (spec.role !== 'weight') continue;
    // Wide enough for gates and activations to bend.
    const values = normal({ seed: 4, purpose: 'weights', epoch: 0, step: step++ }, count);
    await parameters.set(
      name,
      Float32Array.from(values, (value) => 0.7 * value),
    );
  }
  await parameters.set('from', state);
  const path = join(scratch(), 'weights.safetensors');
  await parameters.save(path, { metadata: {} });
  using program = device.compile(graph, { batchSize: columns, length: words.length / columns, parameters });
  const { outputs } = await program.evaluate({
    batch: {
      inputs: { [languageModelNames.words]: words },
      labels: new Int32Array(words.length),
      hidden: { from: 'from', to: 'to' },
    },
    statistics: 'running',
    read: [logits],
  });
  const { data: last } = await parameters.get('to');
  return { path, last, scores: logSoftmax(outputs!.get(logits)!) };
}

function logSoftmax(logits: Float32Array): Float64Array {
  const scores = Float64Array.from(logits);
  for (let first = 0; first < scores.length; first += vocabulary) {
    const row = scores.subarray(first, first + vocabulary);
    const largest = Math.max(...row);
    const total = Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) + largest;
    for (let k = 0; k < vocabulary; k++) row[k] -= total;
  }
  return scores;
}

/** As far apart as float32 must be after some ten products in a chain, and no further. */
function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  const values = Array.from(expected);
  const difference = Math.hypot(...values.map((value, i) => actual[i] - value));
  expect(difference / Math.hypot(...values)).toBeLessThan(1e-5);
}

const words = Int32Array.from(uniform({ seed: 7, purpose: 'split', epoch: 0, step: 0 }, times * columns), (share) =>
  Math.floor(share * vocabulary),
);
const state = Float32Array.from(normal({ seed: 8, purpose: 'split', epoch: 0, step: 0 }, columns * size));

describe('a language model under onnxruntime', () => {
  it.each<readonly [string, RecurrentGenotype]>([
    ['DARTS_V1', recurrentGenotypes['DARTS_V1_RNN']],
    ['DARTS_V2', recurrentGenotypes['DARTS_V2_RNN']],
    ['ENAS, of some of the nodes', recurrentGenotypes['ENAS_RNN']],
    ['one node', recurrentCellOf([['sigmoid', 0]])],
    ['a cell by lot', randomRecurrentCell(5, 4)],
  ])('gives what ours does, one sequence or two halves: %s', async (_, genotype) => {
    const { path, scores, last } = await savedModel(genotype, words, state);
    const { bytes } = await exportLanguageModel({ weights: path, genotype, format: 'onnx' });
    const run = await openModel(bytes);
    const whole = await run(words, columns, state);
    expectNear(whole.scores, scores);
    expectNear(whole.last, last);
    // T of 4 and of 3.
    const first = await run(words.subarray(0, 4 * columns), columns, state);
    const second = await run(words.subarray(4 * columns), columns, first.last);
    expectNear([...first.scores, ...second.scores], whole.scores);
    expectNear(second.last, whole.last);
    // Another B, and one word at a time.
    const column = words.filter((_, i) => i % columns === 1);
    let own: Float32Array = state.slice(size, 2 * size);
    for (let time = 0; time < times; time++) {
      const step = await run(column.subarray(time, time + 1), 1, own);
      const row = (time * columns + 1) * vocabulary;
      expectNear(step.scores, scores.subarray(row, row + vocabulary));
      own = step.last;
    }
    expectNear(own, last.subarray(size, 2 * size));
  });

  it('gives what PyTorch did of a model that was pickled', async () => {
    const fixtures = join(root, 'test/fixtures/rnn');
    const expected = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8'));
    const { bytes } = await exportLanguageModel({ weights: join(fixtures, 'derived_legacy.pt'), format: 'onnx' });
    const run = await openModel(bytes);
    const { scores, last } = await run(expected.words.flat(), 2, new Float32Array(4).fill(0.25));
    expectNear(scores, expected.log_probabilities);
    expectNear(last, expected.last_hidden);
  });

  it('is as large as its weights, the table of words once', async () => {
    const genotype = recurrentCellOf([['relu', 0]]);
    const { path } = await savedModel(genotype, words, state);
    const { bytes } = await exportLanguageModel({ weights: path, genotype, format: 'onnx' });
    const weights = 4 * (vocabulary * size + vocabulary + 6 * size ** 2);
    expect(bytes.length).toBeGreaterThan(weights);
    expect(bytes.length).toBeLessThan(weights + 4096);
    expect(Buffer.from(bytes).includes('"recurrent"')).toBe(true);
  });
});

describe('what has no ONNX form', () => {
  it('is refused: no cell, a cell of a search, an edge of none, weights that are missing', async () => {
    const { tensors: weights } = await readWeights(join(root, 'test/fixtures/rnn/search.pt'));
    const searched = buildLanguageModel({ words: 7, size: 2 });
    expect(() => encodeLanguageOnnx({ ...searched, weights })).toThrow('[onnx] expected a derived cell');
    const genotype = recurrentCellOf([['relu', 0]]);
    const derived = buildLanguageModel({ words: 7, size: 2, genotype });
    expect(() => encodeLanguageOnnx({ ...derived, weights: new Map() })).toThrow('a weight named encoder.weight');
    const builder = new GraphBuilder();
    const images = builder.input('images', [2]);
    const graph = builder.finish(builder.softmaxCrossEntropy(images));
    expect(() => encodeLanguageOnnx({ graph, logits: images.id, weights })).toThrow('one recurrent cell');
    const { nodes } = derived.graph;
    const none = nodes.map((node) =>
      node.op === 'recurrentCell' ? { ...node, edges: [{ activation: 'none' as const, from: 0 }] } : node,
    );
    expect(() => encodeLanguageOnnx({ ...derived, graph: { ...derived.graph, nodes: none }, weights })).toThrow(
      'expected an activation on every edge',
    );
  });

  it('is refused where it would be larger than a file may be', () => {
    const parts = new OnnxParts(buildLanguageModel({ words: 2, size: 2 }).graph, new Map());
    // Of pages that nobody touches.
    for (const name of ['a', 'b']) parts.floats(name, [2 ** 28], new Float32Array(2 ** 28));
    const encoded = () => parts.encode({}, { inputs: [], outputs: [] });
    expect(encoded).toThrow(ArgumentError);
    expect(encoded).toThrow('at most 2146435072 bytes of weights but got 2147483648');
  });
});
