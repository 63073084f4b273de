// Trainings whose images are prepared by threads: augmented in memory, or read from files of which some are damaged.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset, ImageArrays } from '../../src/data/dataset.ts';
import { loadDataset } from '../../src/data/load.ts';
import { AbortedError, ArgumentError } from '../../src/errors.ts';
import type { TrainSettings } from '../../src/evaluate/settings.ts';
import { genotypes } from '../../src/network/published.ts';
import type { TrainEvent } from '../../src/run/events.ts';
import { search } from '../../src/run/search.ts';
import { train } from '../../src/run/train.ts';
import type { TrainOptions } from '../../src/run/train_options.ts';
import { imageFolder } from '../helpers/image_folder.ts';
import { scratch } from '../helpers/scratch.ts';
import { noise } from '../unit/augment/images.ts';
import { svhnFile } from '../unit/data/mat_file.ts';

const cli = fileURLToPath(new URL('../../dist/cli/bin.cjs', import.meta.url));
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
    expect(done.stderr).toContain('imagenet: 18 training and 9 test images 48x48x3');
    expect(done.stderr).toMatch(/cannot read \S*train\/n02\/n02_1.JPEG \(.*unsupported image format\): another/);
    expect(done.stderr).toMatch(/cannot read \S*val\/n03\/n03_1.JPEG \(.*(premature end|damaged)/);
    expect(done.stderr.match(/cannot read/g)).toHaveLength(2);
    expect(done.stdout).toContain('image files that cannot be read: 2\n');

    const killed = join(folder, 'killed');
    const child = spawn(process.execPath, [
      cli,
      ...started('--workers', '2', '--json', '--out', killed, '--checkpoint-seconds', '0'),
    ]);
    let seen = '';
    child.stdout.on('data', (text) => {
      seen += text;
      if (seen.split('"type":"step"').length > 2) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.on('close', resolve));
    expect(child.signalCode).toBe('SIGKILL');
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

    const last = JSON.parse(readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').at(-1)!);
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

  it('is refused by a search, and a size by images in memory', async () => {
    const files = await loadDataset('folder', { dataDir: data, imageSize: 32 });
    await expect(search({ dataset: files, backend: 'cpu' }).result).rejects.toThrow(
      'expected one in memory to search on for dataset',
    );
    const refused = run('train', '--arch', 'DARTS_V2', '--image-size', '64');
    expect([refused.status, refused.stderr]).toEqual([
      2,
      'dartsmith: expected none with dataset mnist for imageSize (--image-size) but received 64\n',
    ]);
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
    expect(trained.stderr).toContain('svhn: 24 training and 10 test images 32x32x3');
    expect(JSON.parse(run('test', '--arch', out, '--json').stdout)).toMatchObject({ images: 10, unreadable: [] });
  });
});
