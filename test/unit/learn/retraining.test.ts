// What retrainings of CDARTS have of their own: settings that follow from a size, best scores, sizes read off weights.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EvaluateCommand } from '../../../src/backend/device.ts';
import { sizesOfWeights } from '../../../src/exchange/network_sizes.ts';
import { findNetworks } from '../../../src/exchange/stored_networks.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { Graph } from '../../../src/graph/graph.ts';
import { torchShape } from '../../../src/io/layout.ts';
import type { WeightTensor } from '../../../src/io/safetensors.ts';
import { BestScores } from '../../../src/learn/best_scores.ts';
import { settingsBySize } from '../../../src/learn/size_rule.ts';
import { type TrainPresetName, trainPresets } from '../../../src/methods/train/settings.ts';
import { train } from '../../../src/methods/train/train.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';
import { train as trainNetwork } from '../../../src/train.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

describe('weight decay and drop path by size', () => {
  it.each([
    [1_000_000, 3e-4, 0.2],
    [2_999_999, 3e-4, 0.2],
    [3_000_000, 5e-4, 0.3],
    [3_000_001, 3e-4, 0.3],
    [3_499_999, 3e-4, 0.3],
    [3_500_000, 5e-4, 0.3],
    [3_801_502, 5e-4, 0.3],
  ])('of %d parameters', (parameters, weightDecay, dropPathProb) => {
    expect(settingsBySize(parameters)).toEqual({ weightDecay, dropPathProb });
  });
});

describe('the retraining of a preset', () => {
  const imagesOf = (side: number, classes: number) => {
    const set = (count: number) => ({
      images: new Uint8Array(count * side * side * 3),
      labels: Int32Array.from({ length: count }, (_, index) => index % classes),
      shape: [side, side, 3] as const,
    });
    const scale = { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] };
    const rest = { augmentation: { pad: 4, flip: true }, notices: [], classNames: [] };
    return { name: 'mine', classes, train: set(classes), test: set(1), ...scale, ...rest };
  };
  const head = 476_426;
  /** Of ImageNet: 768 channels in place of 576, 1000 classes, and no batch norm behind the last convolution. */
  const largeHead = head + 192 * 128 + 990 * 769 - 2 * 768;

  it.each<[TrainPresetName, string, number, number]>([
    ['cdarts', 'DARTS_V2', 3_299_302 + head, 160],
    ['cdarts', 'CDARTS_CIFAR', 3_801_502 + head, 160],
    ['cdarts-script', 'CDARTS_CIFAR', 3_801_502 + head, 160],
    // Normal cells have two identities each, the reduction cells none.
    ['cdarts-authors', 'CDARTS_CIFAR', 3_859_318 + head, 160 - 2 * 18],
    ['cdarts-authors', 'CDARTS_CIFAR_2020', 4_003_822 + head, 160 - 2 * 18],
    ['cdarts-imagenet', 'CDARTS_IMAGENET', 6_360_256 + largeHead, 0],
  ])('%s of %s is of the published size, and drops what it should', async (preset, name, parameters, drops) => {
    const isLarge = preset === 'cdarts-imagenet';
    const { graphs, notices } = await train.describe({
      ...{ settings: trainPresets[preset].settings, seed: 0, space: '', genotype: genotypes[name] },
      dataset: isLarge ? imagesOf(224, 1000) : imagesOf(32, 10),
    });
    const graph = graphs['network'];
    expect(costOf(graph).parameters).toBe(parameters);
    expect(graph.nodes.filter(({ op }) => op === 'dropout')).toHaveLength(drops);
    const million = ((parameters - head) / 1e6).toFixed(2);
    const rule = parameters - head < 3.5e6 ? 'weight decay 0.0003' : 'weight decay 0.0005';
    const told = `${million} million parameters without auxiliary head: ${rule}, drop path 0.3 (decayBySize)`;
    expect(notices).toEqual(isLarge ? [] : [told]);
  });
});

describe('best scores', () => {
  it('are those of each, of different epochs perhaps, and survive a kill', () => {
    const values = {};
    const best = new BestScores(values);
    best.take({ accuracy: 0.5, top5: 0.7 });
    best.take({ accuracy: 0.4, top5: 0.9 });
    best.take({ accuracy: 0, top5: 0 });
    const resumed = {};
    const again = new BestScores(resumed);
    Object.assign(resumed, JSON.parse(JSON.stringify(values)));
    again.take({ accuracy: 0.45, top5: 0.8 });
    expect(again.now).toEqual({ accuracy: 0.5, top5: 0.9 });
  });

  it.each([[3], [{}], [{ accuracy: 2 }], [{ accuracy: 0.5, top5: 'much' }]])('refuse %j', (damaged) => {
    const values: Record<string, unknown> = {};
    const best = new BestScores(values);
    values['best'] = damaged;
    expect(() => best.now).toThrow('the checkpoint is damaged: expected shares for the metadata best');
  });
});

describe('a retraining', () => {
  const images = tinyDataset();
  const dataset = { ...images, test: images.train };
  const settings = {
    ...{ epochs: 4, batchSize: 20, evalBatchSize: 8, initChannels: 2, layers: 3 },
    ...{ auxiliary: false, cutout: false },
  };

  it('tells the best scores of all epochs, a kill or not, and scores in batches of its own', async () => {
    const started = { dataset, genotype: genotypes['CDARTS_CIFAR'], preset: 'cdarts', settings } as const;
    const device = createFakeDevice();
    const whole = trainNetwork({ ...started, device });
    const scores: number[] = [];
    for await (const event of whole) if (event.type === 'epoch') scores.push(event.validationAccuracy);
    const result = await whole.result;
    expect(scores).toHaveLength(4);
    expect(result).toMatchObject({ testAccuracy: scores[3], bestTestAccuracy: Math.max(...scores) });
    const scored = device.calls.flat().filter(({ kind }) => kind === 'evaluate') as EvaluateCommand[];
    const sizes = scored.slice(0, 5).map(({ batch }) => ('indices' in batch ? batch.indices.length : 0));
    expect(sizes).toEqual([8, 8, 8, 8, 8]);

    const out = join(scratch(), 'killed');
    // A step's two, a scoring's five: in the third epoch.
    const before = (call: number) => {
      if (call === 16) throw new Error('killed');
    };
    await expect(trainNetwork({ ...started, out, device: createFakeDevice({ before }) }).result).rejects.toThrow(
      'killed',
    );
    const { directory, ...resumed } = await trainNetwork({ resume: out, dataset, device: createFakeDevice() }).result;
    expect(directory).toBe(out);
    expect(resumed).toEqual(result);
  });
});

describe('the sizes of a retrained network', () => {
  const common = {
    ...{ genotype: genotypes['CDARTS_CIFAR'], skeleton: 'cdarts' as const, classes: 7, initChannels: 4, layers: 5 },
  } as const;
  const tensorsOf = ({ parameters }: Graph) =>
    new Map<string, WeightTensor>(
      parameters.map(({ name, layout, shape }) => {
        const sizes = torchShape(layout, shape);
        return [name, { shape: sizes, data: new Float32Array(sizes.reduce((a, b) => a * b, 1)) }];
      }),
    );

  it.each([
    [{ inputShape: [32, 32, 3] }, { stem: 'small', stemMultiplier: 1, affineNorms: false, auxiliary: false }],
    [
      { inputShape: [32, 32, 1], stemMultiplier: 3, affineNorms: true, auxiliaryWeight: 0.4 },
      { stem: 'small', stemMultiplier: 3, affineNorms: true, auxiliary: true, imageChannels: 1 },
    ],
    [
      { inputShape: [96, 96, 3], stem: 'large' },
      { stem: 'large', stemMultiplier: 1, affineNorms: false },
    ],
  ] as const)('of %j', (form, found) => {
    const { graph } = buildDerivedNetwork({ ...common, ...form });
    const tensors = tensorsOf(graph);
    expect(findNetworks([...tensors.keys()])).toEqual([{ prefix: '', isAverage: false, isLanguageModel: false }]);
    expect(sizesOfWeights(tensors, 'a file')).toMatchObject({
      ...{ skeleton: 'cdarts', initChannels: 4, layers: 5, classes: 7, supernet: false },
      ...found,
    });
  });

  it('tell a search network', () => {
    const { graph } = buildSupernet({
      space: 'cdarts',
      inputShape: [32, 32, 3],
      classes: 3,
      initChannels: 2,
      layers: 3,
    });
    expect(sizesOfWeights(tensorsOf(graph), 'a file')).toMatchObject({ supernet: true, initChannels: 2, layers: 3 });
  });

  it.each<[string, (tensors: Map<string, WeightTensor>) => void, RegExp]>([
    ['a classifier', (tensors) => tensors.delete('linear.weight'), /a file holds no network.*linear\.weight/],
    ['a stem', (tensors) => tensors.delete('stem.0.weight'), /a file holds no network.*stem\.0\.weight/],
    [
      'a stem that fits',
      (tensors) => tensors.set('stem.0.weight', { shape: [5, 3, 3, 3], data: new Float32Array(135) }),
      /a file holds no network: expected a stem of a multiple/,
    ],
    [
      'so few cells',
      (tensors) => tensors.set('cells.999.preproc1.net.1.weight', tensors.get('cells.0.preproc1.net.1.weight')!),
      /1 to 256 cells/,
    ],
  ])('are none without %s', (_, spoil, message) => {
    const { graph } = buildDerivedNetwork({ ...common, inputShape: [32, 32, 3] });
    const tensors = tensorsOf(graph);
    spoil(tensors);
    expect(() => sizesOfWeights(tensors, 'a file')).toThrow(message);
  });
});
