// A search that a training follows: one run, whose training is a run of its own within it.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseThen } from '../../../src/cli/then_option.ts';
import { trainingOf } from '../../../src/cli/training_run.ts';
import { ArgumentError, DataError, FileError } from '../../../src/errors.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import { methods, trainingMethod } from '../../../src/methods/registry.ts';
import { trainPresets } from '../../../src/methods/train/settings.ts';
import type { SearchResult } from '../../../src/run/events.ts';
import { findFeatures } from '../../../src/run/features.ts';
import type { MethodOptions } from '../../../src/run/options.ts';
import { startMethod } from '../../../src/run/start.ts';
import { findStrength } from '../../../src/run/strength.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { contentsOf } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

const { train } = tinyDataset(2);
const dataset = { ...tinyDataset(), test: train };
const small = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, auxiliary: false };

async function run(options: MethodOptions) {
  const started = startMethod('search', { device: createFakeDevice(), dataset, settings: tinySettings, ...options });
  const events: { readonly type: string; readonly run?: string }[] = [];
  for await (const event of started) events.push(event);
  return { events, result: (await started.result) as SearchResult };
}

const resume = (directory: string) =>
  startMethod('search', { resume: directory, dataset, device: createFakeDevice() }).result as Promise<SearchResult>;

const configOf = (directory: string) => JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'));

describe('a search that a training follows', () => {
  it('trains what it found, under the same seed, and tells of both', async () => {
    const out = join(scratch(), 'run');
    const { events, result } = await run({ seed: 5, training: { settings: small }, out });
    expect(events.filter(({ type }) => type === 'start').map((event) => event.run)).toEqual(['search', 'train']);
    expect(result.training).toMatchObject({ genotype: result.genotype, directory: join(out, 'train') });
    expect(configOf(join(out, 'train'))).toMatchObject({ seed: 5, genotype: result.genotype, command: 'train' });
    expect(existsSync(join(out, 'train', 'weights.safetensors'))).toBe(true);
    expect(await trainingOf(out)).toEqual(await trainingOf(join(out, 'train')));
  });

  it('does without files', async () => {
    const { result } = await run({ training: { settings: small } });
    expect(result.training?.testAccuracy).toBeTypeOf('number');
    expect(result.training?.directory).toBeUndefined();
  });

  it('goes on from anywhere to the same bytes, and runs nothing again that has ended', async () => {
    const [whole, cut] = ['whole', 'cut'].map((name) => join(scratch(), name));
    await run({ training: { settings: small }, out: whole });
    await run({ training: { settings: small }, out: cut });
    const same = async () => {
      await resume(cut);
      const [expected, found] = [contentsOf(whole), contentsOf(cut)];
      for (const name of ['checkpoint.safetensors', 'train/weights.safetensors', 'train/checkpoint.safetensors']) {
        expect(found[name], name).toBe(expected[name]);
      }
    };
    await same();
    rmSync(join(cut, 'train'), { recursive: true });
    await same();
    rmSync(join(cut, 'train', 'checkpoint.safetensors'));
    rmSync(join(cut, 'train', 'weights.safetensors'));
    await same();
    const device = createFakeDevice();
    await startMethod('search', { resume: cut, dataset, device }).result;
    expect(device.calls.flat().filter(({ kind }) => kind === 'sgd')).toEqual([]);
  });

  it.each([
    ['darts', 'quick', trainPresets.quick, undefined],
    ['darts', 'paper', trainPresets.cifar10, undefined],
    ['darts', 'fairdarts', trainPresets.fairdarts, undefined],
    ['fairdarts', 'paper', trainPresets.fairdarts, undefined],
    // arXiv:1909.11926: its command for all stages trains under another seed than it searches.
    ['stacnas', 'paper', trainPresets.stacnas, 3],
  ])('trains as the authors did: %s, %s', (name, preset, { settings }, seed) => {
    const method = methods.find((one) => one.name === name)!;
    const usual = method.usualTraining!(preset, method.presets[preset].settings);
    const plan = { ...trainPresets[usual.preset as 'quick'].settings, ...usual.settings };
    expect(plan).toEqual(settings);
    expect(usual.seed).toBe(seed);
  });

  it('has on in its training what StacNAS has on in its stages', async () => {
    const out = join(scratch(), 'run');
    const settings = { ...tinySettings, search2Layers: 3, powerLr: true, alphaShare: false };
    await run({ method: 'stacnas', settings, training: { settings: { ...small, layers: undefined }, seed: 8 }, out });
    expect(configOf(out).training).toMatchObject({
      settings: { schedule: 'power', normalisePooling: true, scheduleAhead: true, layers: 3, epochs: 2 },
      seed: 8,
    });
    expect(configOf(join(out, 'train')).genotype.cells).toHaveLength(3);
  });

  it.each([
    [{ training: { preset: 'paper' } }, /one of quick, cifar10, .* for preset but received 'paper'/],
    [{ training: { epoch: 3 } }, /unknown option 'epoch' of the training \(--then\)/],
    [{ training: { settings: { epochs: 0 } } }, /an integer of at least 1 for epochs/],
    [{ training: { settings: { ...small, auxiliary: true } } }, /of the training that follows \(--then\): .*auxiliary/],
    [
      {
        method: 'stacnas',
        settings: { ...tinySettings, search2Layers: 3, alphaShare: false },
        training: { settings: { ...small, layers: 4 } },
      },
      /of the training that follows .*expected 3, as many cells as the genotype has for layers but received 4/,
    ],
  ])('is refused before it begins: %j', async (options, message) => {
    const out = join(scratch(), 'run');
    await expect(run({ ...(options as MethodOptions), out })).rejects.toThrow(message);
    await expect(run(options as MethodOptions)).rejects.toThrow(ArgumentError);
    expect(existsSync(out)).toBe(false);
  });

  it('needs test images, as any training', async () => {
    const { test: _, ...alone } = dataset;
    await expect(run({ dataset: alone, training: { settings: small } })).rejects.toThrow(DataError);
    const portion = { settings: small, validationPortion: 0.2 };
    expect((await run({ dataset: alone, training: portion })).result.training).toBeDefined();
  });

  it('has a damaged plan told in one line', async () => {
    const out = join(scratch(), 'run');
    await run({ training: { settings: small }, out });
    const whole = configOf(out);
    for (const training of [
      3,
      {},
      { settings: {}, seed: 0 },
      { ...whole.training, seed: -1 },
      { ...whole.training, limit: 'x' },
    ]) {
      writeFileSync(join(out, 'config.json'), JSON.stringify({ ...whole, training }));
      await expect(resume(out)).rejects.toThrow(FileError);
    }
  });
});

describe('--then', () => {
  const parse = (text: string) => parseThen(text, trainingMethod(methods));

  it('takes train, and the options that its run is free to have', () => {
    expect(parse('train')).toMatchObject({ settings: {} });
    expect(parse(' train --preset stacnas --epochs 3 --no-cutout --seed 4 --limit 100 ')).toEqual({
      preset: 'stacnas',
      seed: 4,
      limit: 100,
      settings: { epochs: 3, cutout: false },
    });
  });

  it.each([
    ['test', /in --then: expected train, alone or with options, but got 'test'/],
    ['train --epoch 3', /in --then: unknown option '--epoch' \(Did you mean --epochs\?\)/],
    ['train --epochs x', /in --then: .*an integer of at least 1 for --epochs/],
    ['train --out x', /in --then: unknown option '--out'/],
    ['train now', /in --then: too many arguments/],
  ])('refuses %s', (text, message) => {
    expect(() => parse(text)).toThrow(message);
    expect(() => parse(text)).toThrow(ArgumentError);
  });
});

describe('what a run has found', () => {
  const large = tinyDataset(1, 16);
  const images = { ...large, test: large.train };
  const cyclic = { batchSize: 8, epochs: 1, warmupEpochs: 1, initChannels: 2, layers: 3, evaluationLayers: 3 };
  const searched = async (options: MethodOptions) => {
    const out = join(scratch(), 'run');
    const { result } = await run({ dataset: images, out, ...options });
    return { out, result };
  };
  const trainedFrom = async (foundIn: string, options: MethodOptions = {}) => {
    const out = join(scratch(), 'trained');
    const genotype = JSON.parse(readFileSync(join(foundIn, 'genotype.json'), 'utf8'));
    const how = { genotype, foundIn, dataset: images, device: createFakeDevice(), out };
    await startMethod('train', { settings: { ...small, epochs: 1 }, ...how, ...options }).result;
    return configOf(out).settings;
  };

  it('is trained in networks of the kind that it was found in, unless settings say otherwise', async () => {
    const { out } = await searched({ method: 'cdarts', settings: cyclic });
    expect(await trainedFrom(out)).toMatchObject({ skeleton: 'cdarts', decayBySize: true, dropPathUnit: 'edge' });
    const ofDarts = await trainedFrom(out, { preset: 'cifar10' });
    expect(ofDarts).toMatchObject({ skeleton: 'cdarts', decayBySize: false });
    const own = { settings: { ...small, epochs: 1, skeleton: 'darts' } };
    expect(await trainedFrom(out, own)).toMatchObject({ skeleton: 'darts', decayBySize: true });
  });

  it('is so where the search had a space of its own', async () => {
    const space = { name: 'mine', skeleton: 'cdarts', nodes: 2, candidates: ['skip_connect', 'sep_conv_3x3'] } as const;
    const { out } = await searched({ settings: { ...tinySettings, epochs: 1 }, space });
    expect(await trainedFrom(out)).toMatchObject({ skeleton: 'cdarts' });
  });

  it('keeps to the usual presets in other networks', async () => {
    const { out } = await searched({ settings: { ...tinySettings, epochs: 1 } });
    expect(await trainedFrom(out)).toMatchObject({ skeleton: 'darts', decayBySize: false });
    const cells = await searched({ settings: { ...tinySettings, epochs: 1 }, space: 'nasbench201' });
    expect(await trainedFrom(cells.out)).toMatchObject({ skeleton: 'usual', nesterov: true });
  });

  it('is as deep as its genotype, where that has a cell for each of the network', async () => {
    const settings = { ...cyclic, epochs: 2, layers: 5, evaluationLayers: 6, repeatCell: false };
    const { out } = await searched({ method: 'cdarts', settings });
    const { cells } = JSON.parse(readFileSync(join(out, 'genotype.json'), 'utf8'));
    expect(cells).toHaveLength(6);
    // The authors' cell file, a genotype a stage.
    const file = readFileSync(join(out, 'epoch_01.json'), 'utf8');
    expect(parseGenotype(file, { layers: 6 })).toEqual({ cells });
    const shallow = { ...small, epochs: 1, layers: undefined };
    expect(await trainedFrom(out, { settings: shallow })).toMatchObject({ skeleton: 'cdarts', layers: 6 });
    await expect(trainedFrom(out, { settings: { ...shallow, layers: 5 } })).rejects.toThrow(
      'expected 6, as many cells',
    );
    await expect(findFeatures({ run: out, dataset: images })).rejects.toThrow(
      /share alpha stage by stage \(alphas_normal_0\)/,
    );
  });

  it('is so behind --then, whatever the preset', async () => {
    const { out } = await searched({
      ...{ method: 'cdarts', settings: cyclic },
      training: { preset: 'cifar10', settings: { ...small, epochs: 1 } },
    });
    expect(configOf(join(out, 'train')).settings).toMatchObject({ skeleton: 'cdarts', decayBySize: false });
  });

  it('is asked of no run that is being resumed', async () => {
    const resumed = startMethod('train', { resume: 'runs/a', foundIn: 'runs/b' }).result;
    await expect(resumed).rejects.toThrow('foundIn cannot be given with resume');
  });

  it('leaves no supernet that another run goes on with where two networks learned together', async () => {
    const { out } = await searched({ method: 'cdarts', settings: cyclic });
    const message = /by cdarts whose supernet learns beside .* not alone: select --by cdarts takes/;
    const how = { run: out, dataset: images, device: createFakeDevice() };
    await expect(startMethod('select', { method: 'projection', ...how }).result).rejects.toThrow(message);
    await expect(findStrength(how)).rejects.toThrow(message);
  });
});
