// Trainings whose images are prepared by threads: augmented in memory, or read from files of which some are damaged.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset, ImageArrays } from '../../src/data/dataset.ts';
import { AbortedError, ArgumentError } from '../../src/errors.ts';
import { decodeMetadata } from '../../src/exchange/weight_metadata.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import type { TrainSettings } from '../../src/methods/train/settings.ts';
import type { SearchEvent, TrainEvent } from '../../src/run/events.ts';
import { test } from '../../src/run/test.ts';
import { search } from '../../src/search.ts';
import type { TrainOptions } from '../../src/train.ts';
import { train } from '../../src/train.ts';
import { encodedImage, imageFolder } from '../helpers/image_folder.ts';
import { cli, killAfterSteps } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';
import { noise } from '../unit/augment/images.ts';
import { svhnFile } from '../unit/data/mat_file.ts';

const run = (...args: string[]) => spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', timeout: 120_000 });
const weightsOf = (directory: string) => readFileSync(join(directory, 'weights.safetensors'));
const genotype = genotypes['DARTS_V2'];
const settings: Partial<TrainSettings> = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, auxiliary: false };

async function follow(options: Partial<TrainOptions>): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train({ genotype, backend: 'cpu', ...options })) events.push(event);
  return events;
}

describe('AutoAugment on images in memory', () => {
  const images = (count: number, seed: number): ImageArrays => ({
    images: noise(count * 16, 16, seed).pixels,
    labels: Int32Array.from({ length: count }, (_, i) => i % 3),
    shape: [16, 16, 3],
  });
  const dataset: Dataset = {
    ...{ name: 'tiny', train: images(20, 1), test: images(9, 2), classes: 3, classNames: [] },
    ...{ mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25], augmentation: { pad: 2, flip: true }, notices: [] },
  };
  const augmented = { ...settings, autoAugment: 'cifar10', colorJitter: 0.3, hueJitter: 0.1 } as const;

  it('has the same bits with other threads, and after an abort and a resume', async () => {
    const [whole, again] = [join(scratch(), 'run'), join(scratch(), 'run')];
    await follow({ dataset, settings: augmented, out: whole, workers: 1 });
    const controller = new AbortController();
    let steps = 0;
    const first = train({
      ...{ dataset, genotype, settings: augmented, out: again, backend: 'cpu', workers: 2, signal: controller.signal },
    });
    await expect(
      (async () => {
        // In the middle of the second epoch.
        for await (const event of first) if (event.type === 'step' && ++steps === 4) controller.abort();
      })(),
    ).rejects.toThrow(AbortedError);
    const resumed = await train({ dataset, resume: again, backend: 'cpu', workers: 2 }).result;
    expect(weightsOf(again).equals(weightsOf(whole))).toBe(true);
    expect(resumed.unreadableImages).toBe(0);
    const plain = join(scratch(), 'run');
    await follow({ dataset, settings, out: plain });
    expect(weightsOf(plain).equals(weightsOf(whole))).toBe(false);
  });

  it('is recorded, and refused for images of one channel', async () => {
    const out = join(scratch(), 'run');
    await follow({ dataset, settings: { ...augmented, epochs: 1 }, out });
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
    expect(config.settings).toMatchObject({ autoAugment: 'cifar10', colorJitter: 0.3, hueJitter: 0.1 });
    const grey = follow({ dataset: 'mnist', limit: 20, settings: augmented });
    await expect(grey).rejects.toThrow(ArgumentError);
    await expect(follow({ dataset, settings, workers: 0 })).rejects.toThrow('workers');
  });
});

describe('a folder of image files', () => {
  let folder: string;
  let data: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
    data = join(folder, 'data');
    await imageFolder(data, 6, 3);
    writeFileSync(join(data, 'train/n02/n02_1.JPEG'), 'not an image');
    const cut = join(data, 'val/n03/n03_1.JPEG');
    writeFileSync(cut, readFileSync(cut).subarray(0, -50));
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const tiny = ['--epochs', '2', '--batch-size', '8', '--init-channels', '2', '--layers', '3', '--no-auxiliary'];
  const started = (...more: string[]) => [
    ...['train', '--arch', 'DARTS_V2', '--preset', 'imagenet', '--dataset', 'imagenet', '--data-dir', data],
    ...['--image-size', '48', '--auto-augment', 'imagenet', ...tiny, ...more],
  ];

  it('trains past damaged files, names and counts them, survives kill -9, and tests', {
    timeout: 180_000,
  }, async () => {
    const whole = join(folder, 'whole');
    const done = run(...started('--workers', '1', '--out', whole));
    expect(done.status, done.stderr).toBe(0);
    expect(done.stderr).toContain('imagenet: 18 training and 9 test images 48x48x3 of 3 classes');
    expect(done.stderr).toMatch(/cannot read \S*train\/n02\/n02_1.JPEG \(.*unsupported image format\): another/);
    expect(done.stderr).toMatch(/cannot read \S*val\/n03\/n03_1.JPEG \(.*(premature end|damaged)/);
    expect(done.stderr.match(/cannot read/g)).toHaveLength(2);
    expect(done.stdout).toContain('image files that cannot be read: 2\n');

    const killed = join(folder, 'killed');
    const args = started('--workers', '2', '--json', '--out', killed, '--checkpoint-seconds', '0');
    expect(await killAfterSteps(args)).toBe('SIGKILL');
    const resumed = run('train', '--resume', killed, '--workers', '3', '--json');
    expect(resumed.status, resumed.stderr).toBe(0);
    expect(weightsOf(killed).equals(weightsOf(whole))).toBe(true);
    const events = resumed.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const unreadable = events.filter(({ type }) => type === 'unreadable');
    expect(unreadable.map(({ count }) => count)).toEqual(unreadable.map((_, i) => i + 1));
    expect(events.at(-1)).toMatchObject({ type: 'result', unreadableImages: unreadable.length });

    const lines = readFileSync(join(whole, 'journal.jsonl'), 'utf8').trimEnd().split('\n');
    const last = lines.map((line) => JSON.parse(line)).findLast(({ type }) => type === 'epoch');
    const tested = run('test', '--arch', whole, '--workers', '2', '--json');
    expect(tested.status, tested.stderr).toBe(0);
    const result = JSON.parse(tested.stdout);
    expect(result).toMatchObject({ images: 8, accuracy: last.validationAccuracy, classNames: ['n01', 'n02', 'n03'] });
    expect(result.unreadable).toEqual([
      { file: join(data, 'val/n03/n03_1.JPEG'), reason: expect.stringMatching(/premature end|damaged/) },
    ]);
    expect(run('test', '--arch', whole).stdout).toContain('left out, since it cannot be read');
  });

  it('leaves no thread behind where a training fails', async () => {
    const none = join(folder, 'none');
    await imageFolder(none, 1, 1);
    for (const name of ['n01', 'n02', 'n03']) writeFileSync(join(none, `train/${name}/${name}_0.JPEG`), 'not an image');
    const failed = run(...started('--out', join(folder, 'failed')).map((word) => (word === data ? none : word)));
    expect(failed.status).toBe(1);
    expect(failed.stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^dartsmith: expected images that can be read, found \d+ in a row/,
    );
  });

  it('gives no size to images in memory', async () => {
    const refused = run('train', '--arch', 'DARTS_V2', '--image-size', '64');
    expect([refused.status, refused.stderr]).toEqual([
      2,
      'dartsmith: expected none with dataset mnist for imageSize (--image-size) but received 64\n',
    ]);
  });
});

describe("images of a user's own", () => {
  const own = { dataset: 'folder', backend: 'cpu', imageSize: 16, seed: 3 } as const;
  const small = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3 };

  /** `train` images a class in three classes, and `val` where there are to be any. */
  async function photographs(train: number, val: number): Promise<string> {
    const dataDir = scratch();
    await imageFolder(dataDir, train, val);
    return dataDir;
  }

  it('are searched on, decoded once; a resume elsewhere gives the same bits, other pixels are refused', async () => {
    const dataDir = await photographs(8, 0);
    const [whole, again] = [join(scratch(), 'run'), join(scratch(), 'run')];
    const checkpoint = (directory: string) => readFileSync(join(directory, 'checkpoint.safetensors'));
    const events: SearchEvent[] = [];
    for await (const event of search({ ...own, dataDir, settings: small, out: whole, workers: 1 })) events.push(event);
    expect(events[0]).toMatchObject({ trainImages: 12, validationImages: 12, imageShape: [16, 16, 3], classes: 3 });
    const controller = new AbortController();
    const first = search({ ...own, dataDir, settings: small, out: again, signal: controller.signal });
    await expect(
      (async () => {
        for await (const event of first) if (event.type === 'step' && event.epoch === 1) controller.abort();
      })(),
    ).rejects.toThrow(AbortedError);
    await search({ resume: again, backend: 'cpu' }).result;
    expect(checkpoint(again).equals(checkpoint(whole))).toBe(true);
    const { dataset } = JSON.parse(readFileSync(join(whole, 'config.json'), 'utf8'));
    expect(dataset).toMatchObject({ name: 'folder', imageSize: 16, imageShape: [16, 16, 3], classes: 3 });
    writeFileSync(join(dataDir, 'train/n01/n01_0.JPEG'), await encodedImage([9, 9, 9], 20, 20));
    await expect(search({ resume: whole, backend: 'cpu' }).result).rejects.toThrow(
      `dataset 'folder' in ${dataDir} has changed`,
    );
  });

  it('of a size that no network halves are refused before any is read, by the name of the option', async () => {
    const dataDir = await photographs(1, 1);
    writeFileSync(join(dataDir, 'train/n01/n01_0.JPEG'), 'not an image');
    const odd = { ...own, dataDir, imageSize: 30, settings: { ...small, layers: 4 } };
    const message = 'expected 28 or 32 for imageSize (--image-size) but received 30';
    await expect(search(odd).result).rejects.toThrow(message);
    const trained = { ...odd, genotype, settings: { ...settings, layers: 4 } };
    await expect(train(trained).result).rejects.toThrow(message);
    await expect(train({ ...trained, imageSize: 16, settings: { layers: 4 } }).result).rejects.toThrow(
      'expected 24 for imageSize (--image-size) but received 16',
    );
  });

  it('without test images are trained on but for a share, which scores the network, resumed and tested alike', async () => {
    const dataDir = await photographs(8, 0);
    const out = join(scratch(), 'run');
    const options = { ...own, dataDir, settings: { ...settings, layers: 3 } };
    await expect(train({ ...options, genotype }).result).rejects.toThrow(
      /no val with class folders beside train, found only train: no test images .*--validation-portion 0\.1/,
    );
    const controller = new AbortController();
    const training = train({ ...options, genotype, validationPortion: 0.25, out, signal: controller.signal });
    const events: TrainEvent[] = [];
    await expect(
      (async () => {
        for await (const event of training) {
          events.push(event);
          if (event.type === 'step' && event.epoch === 1) controller.abort();
        }
      })(),
    ).rejects.toThrow(AbortedError);
    expect(events[0]).toMatchObject({ trainImages: 18, validationImages: 6, classes: 3 });
    expect(events.find(({ type }) => type === 'epoch')).not.toHaveProperty('validationTop5');
    const { testAccuracy, ...result } = await train({ resume: out, backend: 'cpu' }).result;
    expect(result).not.toHaveProperty('testTop5');
    const weights = join(out, 'weights.safetensors');
    const scored = await test({ ...own, genotype, weights, dataDir, validationPortion: 0.25 });
    expect([scored.images, scored.accuracy]).toEqual([6, testAccuracy]);
    expect(scored).not.toHaveProperty('top5');
    // The command takes share and seed from the run.
    expect(JSON.parse(run('test', '--arch', out, '--json').stdout)).toMatchObject({
      images: 6,
      accuracy: testAccuracy,
    });
  });

  it('are tested by the names of their classes, of which there may be fewer, on val alone', async () => {
    const dataDir = await photographs(4, 2);
    const out = join(scratch(), 'run');
    await train({ ...own, dataDir, genotype, settings: { ...settings, epochs: 6 }, colourProfile: 'ignore', out })
      .result;
    const weights = join(out, 'weights.safetensors');
    const tested = { ...own, genotype, weights };
    const all = await test({ ...tested, dataDir });
    rmSync(join(dataDir, 'train'), { recursive: true });
    rmSync(join(dataDir, 'val/n01'), { recursive: true });
    const some = await test({ ...tested, dataDir });
    expect(some.confusion).toEqual([[0, 0, 0], ...all.confusion.slice(1)]);
    expect([some.images, some.classNames]).toEqual([4, ['n01', 'n02', 'n03']]);
    expect(some.notices).toEqual(['1 of 3 classes has no test images: n01']);
    renameSync(join(dataDir, 'val/n03'), join(dataDir, 'val/n04'));
    await expect(test({ ...tested, dataDir })).rejects.toThrow(
      "dataset 'folder' expected only classes that the network was trained on (n01, n02, n03), found n04",
    );
    expect(decodeMetadata((await readWeights(weights)).metadata).colourProfile).toBe('ignore');
  });
});

describe('SVHN', () => {
  it('is searched on, trained on and tested with', { timeout: 120_000 }, () => {
    const folder = scratch();
    const data = join(folder, 'svhn');
    mkdirSync(data);
    const labels = Array.from({ length: 24 }, (_, i) => (i % 10) + 1);
    const pixel = (image: number, row: number, column: number) => (labels[image] * 20 + row * column) & 255;
    writeFileSync(join(data, 'train_32x32.mat'), svhnFile(labels, pixel, { compressed: true }));
    writeFileSync(join(data, 'test_32x32.mat'), svhnFile(labels.slice(0, 10), pixel));
    const tiny = [
      '--dataset',
      'svhn',
      '--data-dir',
      data,
      '--epochs',
      '1',
      '--batch-size',
      '8',
      '--init-channels',
      '2',
      '--layers',
      '3',
    ];
    const searched = run('search', ...tiny, '--out', join(folder, 'found'));
    expect(searched.status, searched.stderr).toBe(0);
    const out = join(folder, 'trained');
    const trained = run('train', '--arch', join(folder, 'found'), ...tiny, '--auto-augment', 'svhn', '--out', out);
    expect(trained.status, trained.stderr).toBe(0);
    expect(trained.stderr).toContain('svhn: 24 training and 10 test images 32x32x3 of 10 classes');
    expect(JSON.parse(run('test', '--arch', out, '--json').stdout)).toMatchObject({ images: 10, unreadable: [] });
  });
});
