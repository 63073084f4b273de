// Language models in files: what is exported is read back, by its published names, and what does not fit is told.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { genotypeArgument } from '../../src/cli/genotype_argument.ts';
import { vocabularyOf } from '../../src/data/text/vocabulary.ts';
import { ArgumentError, FileError } from '../../src/errors.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { exportLanguageModel } from '../../src/exchange/export_language_model.ts';
import {
  checkModelVocabulary,
  decodeLanguageMetadata,
  encodeLanguageMetadata,
} from '../../src/exchange/language_metadata.ts';
import { readTorchFile } from '../../src/exchange/torch_read.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { recurrentGenotypes } from '../../src/genotype/published/recurrent.ts';
import { encodeSafetensors, type WeightTensor } from '../../src/io/safetensors.ts';
import { buildLanguageModel } from '../../src/network/language_model.ts';
import { root } from '../helpers/process.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';

const pickled = (name: string) => join(root, 'test/fixtures/rnn', name);
const genotype = recurrentGenotypes['DARTS_V2_RNN'];
const dropouts = { dropout: 0.75, dropouth: 0.25, dropoutx: 0.75, dropouti: 0.2, dropoute: 0.1 };
const names = [
  'encoder.weight',
  'rnns.0._W0',
  ...Array.from({ length: 8 }, (_, node) => `rnns.0._Ws.${node}`),
  'decoder.weight',
  'decoder.bias',
];
const counters = ['rnns.0.bn.running_mean', 'rnns.0.bn.running_var', 'rnns.0.bn.num_batches_tracked'];

function written(bytes: Uint8Array, name = 'model'): string {
  const path = join(scratch(), name);
  writeFileSync(path, bytes);
  return path;
}

async function tensorsIn(path: string): Promise<ReadonlyMap<string, WeightTensor>> {
  const { tensors } = await readWeights(path);
  const own = [...tensors].filter(([name]) => !name.endsWith('num_batches_tracked'));
  return new Map(own.map(([name, { shape, data }]) => [name, { shape, data }]));
}

/** Names in a file of PyTorch as they stand. */
const pathsOf = (bytes: Uint8Array) => readTorchFile(bytes, 'a file').paths;

describe('a derived language model', () => {
  const weights = pickled('derived_legacy.pt');

  it.each(['pt', 'pt-legacy', 'safetensors'] as const)('is the same from %s', async (format) => {
    const exported = await exportLanguageModel({ weights, format });
    expect(exported).toMatchObject({ words: 7, size: 2, nodes: 8, supernet: false, genotype, notices: [] });
    expect(await tensorsIn(written(exported.bytes))).toEqual(await tensorsIn(weights));
  });

  it.each(['pt', 'pt-legacy'] as const)(
    'has the names of the published state dict in %s, the table once',
    async (format) => {
      const { bytes } = await exportLanguageModel({ weights, format });
      expect(pathsOf(bytes)).toEqual(names);
      const large = await exportLanguageModel({ weights: await largeModel(), genotype, format });
      // The table is four fifths of the model.
      expect(large.bytes.length).toBeLessThan(1.2 * 4 * (2000 * 8 + 2000 + 20 * 64) + 4096);
    },
  );

  it('as safetensors tells its genotype, its dropouts and that the decoder shares the table', async () => {
    const { bytes } = await exportLanguageModel({ weights, format: 'safetensors' });
    const { metadata, tensors } = await readWeights(written(bytes));
    expect(decodeLanguageMetadata(metadata)).toEqual({ genotype, dropouts, vocabulary: undefined });
    expect(metadata['decoder.weight']).toBe('encoder.weight');
    expect([...tensors.keys()]).toEqual(names.filter((name) => name !== 'decoder.weight'));
  });

  it('is an argument for a genotype, with its weights', async () => {
    const { bytes } = await exportLanguageModel({ weights, format: 'safetensors' });
    for (const file of [weights, written(bytes)]) {
      expect(await genotypeArgument(file)).toEqual({ genotype, weights: file });
    }
    const { bytes: plain } = await exportLanguageModel({ weights, format: 'pt' });
    await expect(genotypeArgument(written(plain, 'plain.pt'))).rejects.toThrow(/plain\.pt holds no genotype/);
  });

  it('of a state dict, a checkpoint or averages beside it needs a genotype that fits', async () => {
    const plain = await tensorsIn(weights);
    const averaged = new Map(
      [...plain].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => 2 * x) }]),
    );
    const prefixed = (prefix: string, tensors: ReadonlyMap<string, WeightTensor>) =>
      [...tensors].map(([name, tensor]) => [prefix + name, tensor] as const);
    const state = { shape: [4, 2], data: new Float32Array(8) };
    const both = new Map([
      ...prefixed('', plain),
      ...prefixed('average.', averaged),
      ...prefixed('optimizer.momentum.', plain),
      ['state.hidden', state] as const,
    ]);
    const file = written(encodeTorchFile(both));
    const { tensors, notices } = await readWeights(file);
    expect(tensors).toEqual(averaged);
    expect(notices).toEqual([expect.stringMatching(/^took the averaged weights average of .*--no-averages/)]);
    expect((await readWeights(file, { averages: false })).tensors).toEqual(plain);
    const wrapped = written(encodeTorchFile(new Map(prefixed('state_dict.module.', plain))));
    const format = 'safetensors';
    await expect(exportLanguageModel({ weights: wrapped, format })).rejects.toThrow(
      'expected the genotype (--arch) of the language model',
    );
    expect((await exportLanguageModel({ weights: wrapped, genotype, format })).genotype).toEqual(genotype);
    const another = recurrentGenotypes['ENAS_RNN'];
    await expect(exportLanguageModel({ weights: wrapped, genotype: another, format })).rejects.toThrow(
      'missing rnns.0._Ws.8, rnns.0._Ws.9, rnns.0._Ws.10',
    );
    const layers = written(encodeTorchFile(new Map([...plain, ['rnns.1._W0', plain.get('rnns.0._W0')!]])));
    await expect(exportLanguageModel({ weights: layers, genotype, format })).rejects.toThrow('unexpected rnns.1._W0');
  });

  it("of a checkpoint of ours is the best epoch's once there was one, and never averages that may not have begun", async () => {
    const plain = await tensorsIn(weights);
    const scaled = (factor: number) =>
      [...plain].map(
        ([name, { shape, data }]) => [name, { shape, data: data.map((x) => factor * x) as Float32Array }] as const,
      );
    const under = (prefix: string, factor: number) =>
      scaled(factor).map(([name, tensor]) => [prefix + name, tensor] as const);
    const sets = new Map([...under('', 1), ...under('average.', 2), ...under('best.', 4)]);
    const file = (metadata: Readonly<Record<string, string>>) =>
      written(encodeSafetensors(sets, metadata), 'checkpoint');
    const best = await readWeights(file({ best: '{"epoch":3}' }));
    expect((await tensorsIn(file({ best: '{"epoch":3}' }))).get('decoder.bias')).toEqual(scaled(4).at(-1)![1]);
    expect(best.notices).toEqual([
      expect.stringMatching(/^took the best epoch's weights of .* \(--no-averages takes plain ones\)$/),
    ]);
    const none = file({});
    expect(await tensorsIn(none)).toEqual(plain);
    const { tensors } = await readWeights(file({ best: '{"epoch":3}' }), { averages: false });
    expect(tensors.get('decoder.bias')!.data).toEqual(plain.get('decoder.bias')!.data);
  });

  it('refuses another genotype than its own, one for images and options of searches', async () => {
    const refused = async (options: object) =>
      await exportLanguageModel({ weights, format: 'pt', ...options }).catch((error: unknown) => error);
    for (const options of [
      { genotype: recurrentGenotypes['DARTS_V1_RNN'] },
      { genotype: { cell: { nodes: [[{ operation: 'none', input: 0 }]], concat: [1] } } },
      { genotype: 3 },
      { separateAlphas: true },
      { alphas: weights },
    ]) {
      expect(await refused(options), JSON.stringify(options)).toBeInstanceOf(ArgumentError);
    }
    expect(await refused({ genotype: recurrentGenotypes['DARTS_V1_RNN'] })).toMatchObject({
      message: expect.stringContaining(
        "tells another genotype than --arch: expected Genotype(recurrent=[('sigmoid', 0)",
      ),
    });
    await expect(exportNetwork({ weights, format: 'onnx' })).rejects.toThrow('holds a language model');
    const images = written(encodeSafetensors(new Map([['a', { shape: [1], data: new Float32Array(1) }]])));
    await expect(exportLanguageModel({ weights: images, format: 'pt' })).rejects.toThrow('holds no language model');
    const none = written(
      encodeSafetensors(
        new Map([
          ['encoder.weight', { shape: [0, 2], data: new Float32Array(0) }],
          ['rnns.0._W0', { shape: [0], data: new Float32Array(0) }],
        ]),
      ),
    );
    await expect(exportLanguageModel({ weights: none, format: 'pt' })).rejects.toBeInstanceOf(FileError);
  });
});

/** A model most of which is its table of words, in a file. */
async function largeModel(): Promise<string> {
  using device = await openDevice({ backend: 'cpu', threads: 1 });
  using parameters = await device.createParameters(buildLanguageModel({ words: 2000, size: 8, genotype }).graph, {
    seed: 1,
  });
  const path = join(scratch(), 'large.safetensors');
  await parameters.save(path);
  return path;
}

describe("a search's language model", () => {
  const weights = pickled('search.pt');

  it.each(['pt', 'pt-legacy', 'safetensors'] as const)(
    'is the same from %s, alpha and statistics included',
    async (format) => {
      const exported = await exportLanguageModel({ weights, format });
      expect(exported).toMatchObject({ words: 7, size: 2, nodes: 8, supernet: true, notices: [] });
      const before = await tensorsIn(weights);
      expect(before.get('weights')!.shape).toEqual([36, 5]);
      expect(await tensorsIn(written(exported.bytes))).toEqual(before);
      // Of PyTorch's file: largest of a row, then of a node.
      const [[edge]] = exported.genotype!.recurrent.nodes;
      const [, ...row] = before.get('weights')!.data.subarray(0, 5);
      expect(edge).toEqual({
        operation: ['tanh', 'relu', 'sigmoid', 'identity'][row.indexOf(Math.max(...row))],
        input: 0,
      });
    },
  );

  it('has alpha beside the state dict, and counters where PyTorch has them', async () => {
    const options = { weights, separateAlphas: true } as const;
    const apart = (name: string) => `state_dict.${name}`;
    const statistics = [...names.slice(0, -2), ...counters.slice(0, 2)];
    const { bytes } = await exportLanguageModel({ ...options, format: 'pt' });
    expect(pathsOf(bytes)).toEqual([...[...statistics, counters[2], ...names.slice(-2)].map(apart), 'weights']);
    const legacy = await exportLanguageModel({ ...options, format: 'pt-legacy' });
    expect(pathsOf(legacy.bytes)).toEqual([...[...statistics, ...names.slice(-2)].map(apart), 'weights']);
    const { tensors, notices } = await readWeights(written(bytes, 'apart.pt'));
    expect(tensors.get('weights')).toEqual((await tensorsIn(weights)).get('weights'));
    expect(notices).toEqual([expect.stringMatching(/^took weights of .*apart\.pt as its architecture parameters$/)]);
  });

  it('takes alpha from a file of its own, or has zeros, which is told', async () => {
    const whole = await tensorsIn(weights);
    const state = written(encodeTorchFile(new Map([...whole].filter(([name]) => name !== 'weights'))), 'state.pt');
    const format = 'safetensors';
    const without = await exportLanguageModel({ weights: state, format });
    expect(without.notices).toEqual([
      expect.stringMatching(/state\.pt holds no architecture parameters: weights is 0/),
    ]);
    expect(without.genotype).toBeUndefined();
    const alpha = whole.get('weights')!;
    const rows = Array.from({ length: 36 }, (_, row) => [...alpha.data.subarray(5 * row, 5 * row + 5)]);
    for (const content of [JSON.stringify(rows), JSON.stringify({ weights: rows })]) {
      const alphas = written(Buffer.from(content));
      const { bytes, notices } = await exportLanguageModel({ weights: state, alphas, format });
      expect(notices).toEqual([]);
      expect(await tensorsIn(written(bytes))).toEqual(whole);
    }
    const few = written(Buffer.from(JSON.stringify({ weights: rows.slice(1) })));
    await expect(exportLanguageModel({ weights: state, alphas: few, format })).rejects.toThrow(
      'expected shape [36,5] for weights but got [35,5]',
    );
    const other = written(Buffer.from('{"beta": [[1]]}'));
    await expect(exportLanguageModel({ weights: state, alphas: other, format })).rejects.toThrow(
      'expected weights, or the table alone, but found no weights',
    );
  });

  it('is an argument for the genotype that alpha selects, without weights for it', async () => {
    const { genotype: selected } = await exportLanguageModel({ weights, format: 'pt' });
    expect(await genotypeArgument(weights)).toEqual({ genotype: selected });
  });

  it('has no ONNX form and no genotype of its own', async () => {
    await expect(exportLanguageModel({ weights, format: 'onnx' })).rejects.toThrow('holds a supernet');
    await expect(exportLanguageModel({ weights, genotype, format: 'pt' })).rejects.toThrow('expected no genotype');
  });

  it('of a device has the same names', async () => {
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    const { graph } = buildLanguageModel({ words: 5, size: 3, states: { hidden: 2 } });
    using parameters = await device.createParameters(graph, { seed: 2 });
    await scatter(parameters, 2);
    const path = join(scratch(), 'checkpoint.safetensors');
    await parameters.save(path, { optimizer: true });
    const { bytes, notices } = await exportLanguageModel({ weights: path, format: 'pt' });
    expect(notices).toEqual([]);
    expect(pathsOf(bytes).toSorted()).toEqual([...names, ...counters, 'weights'].toSorted());
  });
});

describe('what a file tells of a language model', () => {
  const vocabulary = vocabularyOf(['a', 'b', '<eos>']);

  it('is read as it was written, and anything broken counts as not told', () => {
    const known = { genotype, dropouts, vocabulary: { words: 3, digest: vocabulary.digest } };
    expect(decodeLanguageMetadata(encodeLanguageMetadata(known))).toEqual(known);
    expect(encodeLanguageMetadata({})).toEqual({});
    const broken = { genotype: 'DARTS_V2', dropouts: '{"dropout": 2}', vocabulary: '{"words": "3"}' };
    expect(Object.values(decodeLanguageMetadata(broken))).toEqual([undefined, undefined, undefined]);
  });

  it('decides whether a text fits: by digest where it is told, else by the number of words', () => {
    const check = (words: readonly string[], known?: { words: number; digest: string }) =>
      checkModelVocabulary(vocabularyOf(words), { words: 3, known }, 'a folder', 'ptb_model.pt');
    const digest = { words: 3, digest: vocabulary.digest };
    expect(() => check(['a', 'b', '<eos>'], digest)).not.toThrow();
    expect(() => check(['x', 'y', 'z'])).not.toThrow();
    expect(() => check(['x', 'y', 'z'], digest)).toThrow(
      /^the vocabulary of a folder \(3 words, digest \w+\) does not fit ptb_model\.pt, whose numbers mean other words/,
    );
    expect(() => check(['a', 'b'])).toThrow(
      /^the vocabulary of a folder \(2 words\) does not fit ptb_model\.pt, which knows 3 words by number: give it the whole text/,
    );
    expect(() => check(['a', 'b'])).toThrow(FileError);
  });
});
