// Training a derived network: in the library, on the command line, resumed, and what `test` makes of its weights.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import type { Dataset, ImageArrays } from '../../src/data/dataset.ts';
import { loadDataset } from '../../src/data/load.ts';
import { AbortedError } from '../../src/errors.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { decodeMetadata } from '../../src/exchange/weight_metadata.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import type { TrainSettings } from '../../src/methods/train/settings.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { randomBlock } from '../../src/random/philox.ts';
import type { TrainEvent } from '../../src/run/events.ts';
import { test as testNetwork } from '../../src/run/test.ts';
import type { TrainOptions } from '../../src/train.ts';
import { train } from '../../src/train.ts';
import { cli } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { folderOf, idxImages, idxLabels } from '../unit/data/fixtures.ts';

const genotype = genotypes['DARTS_V2'];
/** All that the published training has, in small: three steps an epoch, the last of two images. */
const settings: Partial<TrainSettings> = {
  ...{ batchSize: 8, epochs: 2, initChannels: 2, layers: 3, learningRate: 0.05 },
  ...{ auxiliary: true, dropPathProb: 0.3, labelSmooth: 0.1, cutout: true, cutoutLength: 6 },
  ...{ mixup: 0.4, emaDecay: 0.9 },
};
// Float32 sums in another order: some units in the last place in a step, grown by the steps before it.
const lossTolerance = 1e-4;

/** Random images of 24x24 in six classes. */
function images(count: number, seed: number): ImageArrays {
  const stream = { seed, purpose: 'split', epoch: 0, step: 0 } as const;
  return {
    images: Uint8Array.from({ length: count * 576 }, (_, i) => randomBlock(stream, i)[0] & 255),
    labels: Int32Array.from({ length: count }, (_, i) => i % 6),
    shape: [24, 24, 1],
  };
}

const dataset: Dataset = {
  ...{ name: 'tiny', train: images(18, 1), test: images(11, 2), classes: 6, classNames: [] },
  ...{ mean: [0.5], deviation: [0.25], augmentation: { pad: 2, flip: true }, notices: [] },
};

async function follow(options: Partial<TrainOptions>): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train({ dataset, ...options })) events.push(event);
  return events;
}

const lossesOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) =>
    event.type === 'step' ? [event.loss] : event.type === 'epoch' ? [event.trainLoss, event.validationLoss] : [],
  );

/** Mean of -Σ_k ((1-ε)·onehot + ε/K)_k · log softmax(logits)_k over the test images, of the logits that a device gives. */
async function smoothedLoss(weights: string, smoothing: number): Promise<number> {
  const { train, test, classes, mean, deviation } = dataset;
  const sizes = { initChannels: 2, layers: 3, inputShape: train.shape, classes };
  const { graph, logits } = buildDerivedNetwork({ ...sizes, genotype });
  const withHead = buildDerivedNetwork({ ...sizes, genotype, auxiliaryWeight: 0.4 }).graph;
  using device = await openDevice({ backend: 'cpu' });
  using parameters = await device.createParameters(withHead, { seed: 0 });
  await parameters.load(weights);
  const { labels, images } = test!;
  using program = device.compile(graph, { batchSize: labels.length, parameters });
  const inputs = { images: Float32Array.from(images, (value) => (value / 255 - mean[0]) / deviation[0]) };
  const { outputs } = await program.evaluate({ batch: { inputs, labels }, statistics: 'running', read: [logits] });
  const losses = Array.from(labels, (label, i) => {
    const row = Float64Array.from(outputs!.get(logits)!.subarray(i * classes, (i + 1) * classes));
    const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    const target = (k: number) => (k === label ? 1 - smoothing : 0) + smoothing / classes;
    return row.reduce((sum, value, k) => sum - target(k) * (value - total), 0);
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

describe('train', () => {
  let folder: string;
  let out: string;
  let events: TrainEvent[];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
    out = join(folder, 'run');
    events = await follow({ genotype, settings, out, backend: 'cpu' });
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('tells what it works on, each step and each epoch', () => {
    const epoch = ['step', 'step', 'step', 'epoch', 'checkpoint'];
    expect(events.map(({ type }) => type)).toEqual(['start', ...epoch, ...epoch]);
    const about = { run: 'train', trainImages: 18, validationImages: 11, layers: 3, steps: 3, epochs: 2, classes: 6 };
    expect(events[0]).toMatchObject(about);
    expect(events[0]).not.toHaveProperty('space');
    expect(events[9]).toMatchObject({ type: 'epoch', epoch: 1, validationTop5: expect.any(Number) });
  });

  it('writes a run directory that stands for its genotype', () => {
    expect(readdirSync(out).toSorted()).toEqual([
      ...['cells.svg', 'checkpoint.safetensors', 'config.json', 'genotype.json', 'genotype.txt'],
      ...['journal.jsonl', 'weights.safetensors'],
    ]);
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    expect(config).toMatchObject({ command: 'train', method: 'train', settings, genotype });
  });

  it('has the same bits with another number of threads, and after an abort and a resume', async () => {
    const read = (folder: string, file: string) => readFileSync(join(folder, file));
    const again = join(scratch(), 'run');
    const controller = new AbortController();
    let steps = 0;
    const first = train({
      dataset,
      genotype,
      settings,
      out: again,
      threads: 1,
      backend: 'cpu',
      signal: controller.signal,
    });
    await expect(
      (async () => {
        for await (const event of first) if (event.type === 'step' && ++steps === 4) controller.abort();
      })(),
    ).rejects.toThrow(AbortedError);
    expect(existsSync(join(again, 'weights.safetensors'))).toBe(false);
    const resumed = await follow({ resume: again, backend: 'cpu', threads: 2 });
    expect(resumed[0]).toMatchObject({ type: 'start', resumed: { epoch: 1 } });
    for (const file of ['checkpoint.safetensors', 'weights.safetensors']) {
      expect(read(again, file).equals(read(out, file)), file).toBe(true);
    }
  });

  it('leaves weights that test scores as the training did', async () => {
    const result = await testNetwork({
      ...{ genotype, dataset, weights: join(out, 'weights.safetensors'), backend: 'cpu' },
    });
    const last = events.at(-2);
    if (last?.type !== 'epoch') throw new Error('expected an epoch');
    expect(result.accuracy).toBe(last.validationAccuracy);
    expect(result.top5).toBe(last.validationTop5);
    expect(result.loss).toBeCloseTo(last.validationLoss, 6);
    expect(result.images).toBe(11);
    const { confusion } = result;
    expect(confusion.map((row) => row.reduce((sum, count) => sum + count))).toEqual([2, 2, 2, 2, 2, 1]);
    expect(confusion.reduce((sum, row, label) => sum + row[label], 0) / 11).toBe(result.accuracy);
  });

  it('scores labels smoothed where that is asked for, in training and by test', async () => {
    const one = { ...settings, epochs: 1, emaDecay: 0 };
    const run = join(scratch(), 'run');
    const epochOf = async (smoothScores: boolean, out?: string) => {
      const events = await follow({ genotype, backend: 'cpu', out, settings: { ...one, smoothScores } });
      const [epoch] = events.filter((event) => event.type === 'epoch');
      return epoch;
    };
    const [plain, smoothed] = [await epochOf(false), await epochOf(true, run)];
    // Nothing that learns has changed.
    expect(smoothed.trainLoss).toBe(plain.trainLoss);
    expect(smoothed.validationAccuracy).toBe(plain.validationAccuracy);
    const test = { genotype, dataset, weights: join(run, 'weights.safetensors'), backend: 'cpu' } as const;
    const [unsmoothed, scored] = [await testNetwork(test), await testNetwork({ ...test, labelSmooth: 0.1 })];
    expect(unsmoothed.loss).toBeCloseTo(plain.validationLoss, 6);
    expect(scored.loss).toBeCloseTo(smoothed.validationLoss, 6);
    // (1-ε)·onehot + ε/K: of the class itself (1-ε) + ε/6, of each other ε/6. From the logits, in float64.
    expect(scored.loss).toBeCloseTo(await smoothedLoss(test.weights, 0.1), 5);
    expect(Math.abs(scored.loss - unsmoothed.loss)).toBeGreaterThan(1e-3);
    await expect(testNetwork({ ...test, labelSmooth: 1 })).rejects.toThrow('for labelSmooth but received 1');
  });

  it('keeps none: β learns with the weights, goes on to the same bits, and lies in the weights that test scores', async () => {
    const own = { ...settings, emaDecay: 0, keepNone: true };
    const [whole, cut] = ['whole', 'cut'].map((name) => join(scratch(), name));
    const events = await follow({ genotype, settings: own, out: whole, backend: 'cpu' });
    const controller = new AbortController();
    const started = train({ dataset, genotype, settings: own, out: cut, backend: 'cpu', signal: controller.signal });
    let steps = 0;
    await expect(
      (async () => {
        for await (const event of started) if (event.type === 'step' && ++steps === 4) controller.abort();
      })(),
    ).rejects.toThrow(AbortedError);
    await follow({ resume: cut, backend: 'cpu' });
    const weights = join(whole, 'weights.safetensors');
    for (const file of ['checkpoint.safetensors', 'weights.safetensors']) {
      expect(readFileSync(join(cut, file)).equals(readFileSync(join(whole, file))), file).toBe(true);
    }
    const { tensors } = await readWeights(weights);
    const betas = [...tensors].filter(([name]) => name.endsWith('.beta'));
    // Eight operations a cell, three cells; what one of a pair gains the other loses.
    expect(betas.length).toBe(24);
    for (const [name, { data }] of betas) {
      expect(data[0], name).not.toBe(0);
      expect(data[0] + data[1], name).toBeCloseTo(0, 6);
    }
    const last = events.at(-2);
    if (last?.type !== 'epoch') throw new Error('expected an epoch');
    const pickled = join(scratch(), 'weights.pt');
    writeFileSync(pickled, encodeTorchFile(tensors));
    for (const file of [weights, pickled]) {
      const scored = await testNetwork({ genotype, dataset, weights: file, backend: 'cpu' });
      expect([scored.accuracy, scored.loss.toFixed(5)]).toEqual([
        last.validationAccuracy,
        last.validationLoss.toFixed(5),
      ]);
    }
  });

  it('refuses averages where it keeps none, since they are of weights alone', async () => {
    await expect(follow({ genotype, settings: { ...settings, keepNone: true }, backend: 'cpu' })).rejects.toThrow(
      'emaDecay averages weights alone, not those of keepNone: expected 0 beside it',
    );
  });

  it('names classes as the training did where the dataset has no names, and refuses files beside a dataset', async () => {
    const one = join(scratch(), 'run');
    const classNames = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'];
    await follow({
      genotype,
      settings: { ...settings, epochs: 1 },
      dataset: { ...dataset, classNames },
      out: one,
      backend: 'cpu',
    });
    const options = { genotype, dataset, weights: join(one, 'weights.safetensors'), backend: 'cpu' } as const;
    expect((await testNetwork(options)).classNames).toEqual(classNames);
    const own = { ...dataset, classNames: ['a', 'b', 'c', 'd', 'e', 'f'] };
    await expect(testNetwork({ ...options, dataset: own })).rejects.toThrow('the network was trained on (ant, bee,');
    const unknown = { ...options, weights: join(out, 'weights.safetensors') };
    expect((await testNetwork(unknown)).classNames).toEqual([]);
    for (const beside of [{ dataDir: 'x' }, { limit: 9 }, { imageSize: 24 }]) {
      await expect(testNetwork({ ...options, ...beside })).rejects.toThrow('nothing beside a dataset of your own');
      await expect(testNetwork({ ...options, workers: 0 })).rejects.toThrow('an integer from 1 to 1024 for workers');
      const flat = { ...options.dataset.test, shape: [12, 48, 1] } as ImageArrays;
      await expect(testNetwork({ ...options, dataset: { ...options.dataset, test: flat } })).rejects.toThrow(
        'expected test images of 24x24x1, as those to learn from, but got 12x48x1',
      );
    }
  });

  it('is scored with the statistics of the images that it learned from', async () => {
    const { tensors } = await readWeights(join(out, 'weights.safetensors'));
    const weights = join(scratch(), 'silent.pt');
    writeFileSync(weights, encodeTorchFile(tensors));
    const dataDir = folderOf({
      'train-images-idx3-ubyte': idxImages(6, 24, 24).fill(0, 16 + 2 * 576),
      'train-labels-idx1-ubyte': idxLabels([0, 1, 2, 3, 4, 5]),
      't10k-images-idx3-ubyte': idxImages(3, 24, 24),
      't10k-labels-idx1-ubyte': idxLabels([2, 0, 1]),
    });
    const options = { genotype, weights, backend: 'cpu' } as const;
    const limited = await testNetwork({ ...options, dataset: 'idx', dataDir, limit: 2 });
    const loaded = await loadDataset('idx', { dataDir, limit: 2 });
    expect(limited.loss).toBe((await testNetwork({ ...options, dataset: loaded })).loss);
    expect(limited.loss).not.toBe((await testNetwork({ ...options, dataset: 'idx', dataDir })).loss);
  });

  it('goes the same way on tfjs', { timeout: 120_000 }, async () => {
    const one = { ...settings, epochs: 1 };
    const expected = lossesOf(await follow({ genotype, settings: one, backend: 'cpu' }));
    const losses = lossesOf(await follow({ genotype, settings: one, backend: 'tfjs' }));
    expect(losses.length).toBe(expected.length);
    losses.forEach((loss, i) => {
      expect(Math.abs(loss - expected[i]), `loss ${i}: ${loss}, on the CPU ${expected[i]}`).toBeLessThan(lossTolerance);
    });
  });

  it('takes label smoothing, auxiliary head and drop path into account', async () => {
    const first = async (changes: Partial<TrainSettings>) =>
      lossesOf(await follow({ genotype, backend: 'cpu', settings: { ...settings, epochs: 1, ...changes } }))[0];
    const whole = await first({});
    // Drop path begins in the second epoch.
    expect(await first({ dropPathProb: 0 })).toBeCloseTo(whole, 5);
    expect(await first({ labelSmooth: 0 })).not.toBeCloseTo(whole, 3);
    expect(await first({ auxiliaryWeight: 0 })).toBeLessThan(whole - 0.3);
    const second = lossesOf(await follow({ genotype, backend: 'cpu', settings: { ...settings, dropPathProb: 0 } }));
    const [, , , , , dropped] = lossesOf(events);
    expect(second[5]).not.toBeCloseTo(dropped, 3);
  });

  it('tells in its checkpoints what its network takes', async () => {
    const { metadata } = await readWeights(join(out, 'checkpoint.safetensors'));
    expect(decodeMetadata(metadata)).toMatchObject({
      genotype,
      imageShape: [24, 24, 1],
      mean: [0.5],
      deviation: [0.25],
    });
  });

  it('trains cells that the published form of a genotype has no words for', async () => {
    const cell = { nodes: [[{ operation: 'sep_conv_3x3', input: 1 }]], concat: [2] };
    const one = join(scratch(), 'run');
    await follow({
      genotype: { normal: cell, reduce: cell },
      settings: { ...settings, epochs: 1 },
      out: one,
      backend: 'cpu',
    });
    expect(readdirSync(one)).toContain('genotype.json');
    expect(readdirSync(one)).not.toContain('genotype.txt');
  });

  it('trains triples, whose operations that are passed over stay as they began, to the same bits after a resume', async () => {
    const triples = parseGenotype(`Genotype(
      normal=[('sep_conv_3x3', 2, 0), ('dil_conv_3x3', 2, 0), ('skip_connect', 5, 1), ('sep_conv_3x3', 5, 3)], normal_concat=range(2, 6),
      reduce=[('max_pool_3x3', 3, 0), ('skip_connect', 3, 1), ('dil_conv_5x5', 3, 2)], reduce_concat=range(2, 6))`);
    const plain = { ...settings, emaDecay: 0, weightDecay: 0.1, auxiliary: false, scheduleAhead: true };
    const options = { genotype: triples, settings: plain, backend: 'cpu', threads: 1, seed: 3 } as const;
    const [whole, broken] = [join(scratch(), 'run'), join(scratch(), 'run')];
    const told = await follow({ ...options, out: whole });
    // Annealed to 0, so that the last epoch learns nothing.
    const rates = told.flatMap((event) => (event.type === 'epoch' ? [event.learningRate] : []));
    expect(rates).toEqual([0.025, 0]);
    const controller = new AbortController();
    const first = train({ ...options, dataset, out: broken, signal: controller.signal });
    await expect(
      (async () => {
        for await (const event of first) if (event.type === 'step') controller.abort();
      })(),
    ).rejects.toThrow(AbortedError);
    await follow({ resume: broken, backend: 'cpu' });
    const weights = join(whole, 'weights.safetensors');
    expect(readFileSync(join(broken, 'weights.safetensors')).equals(readFileSync(weights))).toBe(true);

    const { tensors, metadata } = await readWeights(weights);
    expect(decodeMetadata(metadata).genotype).toEqual(triples);
    const network = buildDerivedNetwork({
      genotype: triples,
      inputShape: [24, 24, 1],
      classes: 6,
      initChannels: 2,
      layers: 3,
    });
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using fresh = await device.createParameters(network.graph, { seed: 3 });
    const began = async (name: string) => [...(await fresh.get(name)).data];
    const untouched = 'cells.0._ops.5.3.0.op.3.weight';
    expect([...tensors.get(untouched)!.data]).toEqual(await began(untouched));
    // 1x1 on channels: alike in both layouts but for the order.
    const ofWeight = (name: string) => [...tensors.get(name)!.data].toSorted((a, b) => a - b);
    for (const name of ['cells.0._ops.5.3.0.op.2.weight', 'cells.1._ops.3.2.0.op.1.weight']) {
      expect(ofWeight(name)).toEqual((await began(name)).toSorted((a, b) => a - b));
    }
    const trained = 'cells.0._ops.2.0.1.op.2.weight';
    expect(ofWeight(trained)).not.toEqual((await began(trained)).toSorted((a, b) => a - b));
  });

  it('follows Adam, its norm clipped, to the same bits after a resume', async () => {
    const adam = { ...settings, optimizer: 'adam', learningRate: 1e-3, weightDecay: 0, auxiliary: false } as const;
    const options = { genotype, settings: adam, backend: 'cpu', threads: 1 } as const;
    const [whole, broken] = [join(scratch(), 'run'), join(scratch(), 'run')];
    const steps = (await follow({ ...options, out: whole })).flatMap((event) => (event.type === 'step' ? [event] : []));
    const controller = new AbortController();
    const first = train({ ...options, dataset, out: broken, signal: controller.signal });
    await expect(
      (async () => {
        for await (const event of first) if (event.type === 'step') controller.abort();
      })(),
    ).rejects.toThrow(AbortedError);
    await follow({ resume: broken, backend: 'cpu' });
    const read = (folder: string, file: string) => readFileSync(join(folder, file));
    for (const file of ['checkpoint.safetensors', 'weights.safetensors']) {
      expect(read(broken, file).equals(read(whole, file)), file).toBe(true);
    }
    // Adam's first step is as long whatever the gradient's norm; later ones remember how much each batch was clipped.
    const clipped = await follow({ ...options, settings: { ...adam, gradClip: 0.1 } });
    const losses = clipped.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
    expect(losses[0]).toBe(steps[0].loss);
    expect(losses[1]).toBeCloseTo(steps[1].loss, 3);
    expect(losses[5]).not.toBe(steps[5].loss);
  });

  it('refuses what it cannot train', async () => {
    const rejects = (options: Partial<TrainOptions>) => expect(follow({ backend: 'cpu', ...options })).rejects;
    await rejects({ settings }).toThrow('genotype');
    await rejects({ genotype, dataset: { ...dataset, test: undefined } }).toThrow('no test images');
    await rejects({ genotype, settings: { ...settings, layers: 0 } }).toThrow('layers');
    await rejects({ resume: out, genotype }).toThrow('genotype cannot be given with resume');
    const flat = (arrays: ImageArrays) => ({ ...arrays, shape: [12, 48, 1] as const });
    await rejects({ genotype, settings, dataset: { ...dataset, train: flat(dataset.train) } }).toThrow(
      'test images of 12x48x1',
    );
    const small = { ...dataset, train: flat(images(18, 1)), test: flat(images(11, 2)) };
    await rejects({ genotype, settings, dataset: small }).toThrow(
      'auxiliary head expected at least 6x6 pixels but got 3x12',
    );
  });
});

describe('the command line', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', timeout: 120_000 });
  const tiny = ['--limit', '40', '--epochs', '2', '--batch-size', '16', '--init-channels', '2', '--layers', '3'];

  it.each([
    [['train'], 2, 'expected --arch'],
    [['train', '--arch', 'DARTS_V9'], 2, 'a published name'],
    [['train', '--arch', 'DARTS_V2', '--drop-path-prob', '2'], 2, '--drop-path-prob'],
    [['test'], 2, 'expected --arch'],
    [['test', '--arch', 'DARTS_V2'], 2, 'expected --weights'],
    [['test', '--arch', 'DARTS_V2', '--weights', 'none.safetensors'], 2, 'expected --dataset'],
    [['test', '--arch', 'DARTS_V2', '--weights', 'none.safetensors', '--dataset', 'mnist'], 1, 'none.safetensors'],
  ])('%j is refused in one line', (args, status, message) => {
    const { stderr, ...ended } = run(...args);
    expect(ended.status, stderr).toBe(status);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n').length).toBe(1);
  });

  it('refuses weights of another network, and a search to resume', { timeout: 60_000 }, () => {
    const folder = scratch();
    const file = join(folder, 'weights.safetensors');
    writeFileSync(file, 'no weights');
    const broken = run('test', '--arch', 'DARTS_V2', '--weights', file, '--dataset', 'mnist');
    expect(broken.status).toBe(1);
    expect(broken.stderr).toContain(file);
    const searched = join(folder, 'searched');
    mkdirSync(searched);
    expect(run('search', ...tiny, '--out', searched).status).toBe(0);
    const mixed = run('train', '--resume', searched);
    expect(mixed.stderr).toContain('expected a training but holds a search: dartsmith search --resume');
  });
});
