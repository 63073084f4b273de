// What the public functions that take options refuse, by the name that the caller wrote.
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../src/backend/open.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { exportNetwork } from '../../../src/exchange/export.ts';
import { readWeights } from '../../../src/exchange/weights.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { resolveSettings } from '../../../src/methods/darts/settings.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';
import { test } from '../../../src/run/test.ts';
import { search } from '../../../src/search.ts';
import { genotypeOf } from '../../../src/select/strongest_edges.ts';
import { train } from '../../../src/train.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

const genotype = genotypes['DARTS_V2'];
const images = tinyDataset();

/** As a program without types calls them. */
const functions: Readonly<Record<string, (options: never) => unknown>> = {
  search: (options) => search(options).result,
  train: (options) => train(options).result,
  test,
  openDevice,
  exportNetwork,
  loadDataset: (options) => loadDataset('mnist', options),
};

async function refusal(call: () => unknown): Promise<string> {
  const error = await Promise.resolve()
    .then(call)
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ArgumentError);
  return (error as ArgumentError).message;
}

describe('options that a function cannot take', () => {
  it.each(Object.keys(functions))('%s: none, lists, numbers and unknown names', async (name) => {
    for (const options of [null, [], 5, 'x']) {
      expect(await refusal(() => functions[name](options as never))).toMatch(
        new RegExp(`^expected an object for the options of ${name} but received `),
      );
    }
    expect(await refusal(() => functions[name]({ zzz: 1 } as never))).toMatch(
      new RegExp(`^unknown option 'zzz' of ${name}: expected one of \\w+, `),
    );
  });

  const tested = { genotype, weights: 'x', dataset: 'mnist' };
  it.each<[string, object, string]>([
    ['search', { limt: 3 }, "unknown option 'limt' of search (Did you mean limit?)"],
    ['search', { settings: null }, 'expected an object of settings for settings but received null'],
    ['search', { settings: { epoch: 3 } }, "for settings but received 'epoch' (Did you mean epochs?)"],
    ['search', { settings: { precision: 'FP32' } }, "for precision but received 'FP32' (Did you mean fp32?)"],
    ['search', { preset: 'papr' }, "for preset but received 'papr' (Did you mean paper?)"],
    ['search', { space: 'dart' }, "for space but received 'dart' (Did you mean darts?)"],
    ['search', { dataset: 'CIFAR10' }, "for dataset but received 'CIFAR10' (Did you mean cifar10?)"],
    ['search', { dataset: null }, 'or a dataset of your own for dataset but received null'],
    ['search', { dataDir: 5 }, 'expected the path of a folder for dataDir but received 5'],
    ['search', { limit: '3' }, "expected an integer of at least 2 for limit but received '3'"],
    ['search', { seed: '3' }, "expected an integer from 0 to 2^53 - 1 for seed but received '3'"],
    ['search', { threads: 0 }, 'expected an integer from 1 to 1024 for threads but received 0'],
    ['search', { device: {} }, 'expected a device as openDevice gives it for device but received {}'],
    ['search', { signal: 'stop' }, "expected an AbortSignal for signal but received 'stop'"],
    ['search', { checkpointSeconds: null }, 'expected a number of at least 0 for checkpointSeconds but received null'],
    ['search', { resume: 5 }, 'expected the path of a folder for resume but received 5'],
    ['train', { genotype: 'DARTS_V2' }, "expected a genotype for genotype but received 'DARTS_V2'"],
    ['train', { space: 'darts' }, "unknown option 'space' of train"],
    ['train', {}, 'expected the genotype whose network is trained for genotype but received undefined'],
    ['test', { ...tested, genotype: undefined }, 'expected a genotype for genotype but received undefined'],
    ['test', { ...tested, weights: 5 }, 'expected a file of weights for weights but received 5'],
    ['test', { ...tested, batchSize: 0 }, 'expected a positive integer for batchSize but received 0'],
    ['test', { ...tested, onProgress: 1 }, 'expected a function for onProgress but received 1'],
    ['openDevice', { backend: 'CPU' }, "for backend but received 'CPU' (Did you mean cpu?)"],
    ['openDevice', { instructionSet: 5 }, 'expected the name of an instruction set for instructionSet but received 5'],
    ['exportNetwork', { weights: 'x', format: 'ONNX' }, "for format but received 'ONNX' (Did you mean onnx?)"],
    ['exportNetwork', { weights: 'x', format: 'pt', imageSize: 32 }, 'expected [height, width] for imageSize'],
    ['loadDataset', { signal: 1 }, 'expected an AbortSignal for signal but received 1'],
  ])('%s %j', async (name, options, message) => {
    expect(await refusal(() => functions[name](options as never))).toContain(message);
  });

  it.each<[string, () => unknown]>([
    ['options', () => buildSupernet(null as never)],
    ['options', () => buildDerivedNetwork(undefined as never)],
    ['supernet', () => genotypeOf(5 as never, {})],
    ['supernet.space', () => genotypeOf({} as never, {})],
    ['graph', () => costOf({} as never)],
    ['path', () => readWeights(5 as never)],
    ['settings', () => resolveSettings('quick', null as never)],
  ])('%s of other functions', async (name, call) => {
    expect(await refusal(call)).toMatch(new RegExp(`for ${name} but received `));
  });
});

describe('a dataset of one of the caller that is faulty', () => {
  const { train: set } = images;
  it.each<[object, string]>([
    [{}, 'a name for dataset.name but received undefined'],
    [{ ...images, train: undefined }, 'for dataset.train but received undefined'],
    [{ ...images, notices: undefined }, 'for dataset.notices but received undefined'],
    [{ ...images, classes: 0 }, 'for dataset.classes but received 0'],
    [{ ...images, classes: 2 }, 'a label from 0 to 1 for dataset.train.labels[2] but received 2'],
    [{ ...images, mean: [0, 0, 0] }, 'a list of 1, one number a channel for dataset.mean but received [0,0,0]'],
    [{ ...images, deviation: [0] }, 'one positive number a channel for dataset.deviation but received [0]'],
    [{ ...images, augmentation: { pad: 2 } }, 'true or false for dataset.augmentation.flip but received undefined'],
    [
      { ...images, affine: { mean: [0], deviation: [0], flip: true } },
      'one positive number a channel for dataset.affine.deviation',
    ],
    [
      { ...images, affine: { mean: [0], deviation: [1] } },
      'true or false for dataset.affine.flip but received undefined',
    ],
    [{ ...images, train: { ...set, shape: [8, 8] } }, '[height, width, channels] for dataset.train.shape'],
    [{ ...images, train: { ...set, shape: [8, 9, 1] } }, 'a Uint8Array of 2880 pixels, as labels and shape say'],
    [{ ...images, train: { ...set, labels: [0, 1] } }, 'an Int32Array of one label an image for dataset.train.labels'],
    [{ ...images, test: { ...set, labels: undefined } }, 'for dataset.test.labels but received undefined'],
    [
      { ...images, train: { shape: [8, 8, 1], labels: set.labels, folder: 'x', classFolders: [], names: ['a'] } },
      'a list of 40 files, one a label for dataset.train.names',
    ],
  ])('is refused: case %#', async (dataset, message) => {
    for (const name of ['search', 'train', 'test']) {
      const beside = name === 'search' ? {} : name === 'train' ? { genotype } : { genotype, weights: 'x' };
      expect(await refusal(() => functions[name]({ dataset, ...beside } as never))).toContain(message);
    }
  });
});
