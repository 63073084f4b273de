// Images a second that the threads of the loader prepare, by their number: JPEG files of ImageNet's usual size under the published
// augmentation, and 32x32 images in memory under AutoAugment. Options: --images 512 --batch 128 --workers 1,2,4 --rounds 5
// --need IMAGES_A_SECOND (of a step on such files, to compare with) --json FILE. Threads run what npm run build:ts compiled.
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import type { AugmentSettings } from '../../src/augment/augment.ts';
import type { ImageSet } from '../../src/data/dataset.ts';
import { loadDataset } from '../../src/data/load.ts';
import { ImageLoader } from '../../src/load/loader.ts';
import { ImagePool } from '../../src/load/pool.ts';
import { trainPresets } from '../../src/methods/train/settings.ts';
import { allowedProcessors } from '../../src/processors.ts';
import { randomBlock } from '../../src/random/philox.ts';
import { count } from '../support/arguments.ts';
import { machine } from '../support/machine.ts';
import { alternate, timed } from '../support/measure.ts';
import { figure, printTable, type Row, writeJson } from '../support/report.ts';

/** Images, and what a training does to them. */
interface Subject {
  readonly name: string;
  readonly images: ImageSet;
  readonly augment: AugmentSettings;
  /** Images a second to compare with. */
  readonly need?: number;
}

const [height, width] = [375, 500];
const published = trainPresets.imagenet.settings;
const cifar: AugmentSettings = { ...trainPresets.cifar10.settings, autoAugment: 'cifar10' };

/** Measures and prints one table. Throws ArgumentError for a bad option. */
export async function benchLoader(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      images: { type: 'string' },
      batch: { type: 'string' },
      workers: { type: 'string' },
      rounds: { type: 'string' },
      need: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const total = count('images', values.images, 512);
  const batch = count('batch', values.batch, 128);
  const workers = (values.workers ?? usualWorkers().join()).split(',').map((text) => count('workers', text, 1));
  const need = values.need === undefined ? undefined : count('need', values.need, 1);
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-loader-'));
  try {
    const bytes = await writePhotographs(folder, total);
    console.log(
      `${total} JPEG files of ${width}x${height}, ${Math.round(bytes / total / 1000)} kB each; batches of ${batch}`,
    );
    const subjects: Subject[] = [
      {
        name: 'files to 224x224',
        images: (await loadDataset('folder', { dataDir: folder })).train,
        augment: published,
        need,
      },
      { name: '32x32 in memory, AutoAugment', images: inMemory(10 * total), augment: cifar },
    ];
    const rows: Row[] = [];
    for (const subject of subjects)
      rows.push(...(await measure(subject, workers, batch, count('rounds', values.rounds, 5))));
    printTable(rows);
    if (values.json) writeJson(values.json, { machine: machine(), total, batch, need, rows });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function usualWorkers(): number[] {
  const cores = allowedProcessors();
  return [1, 2, 4, 8, 16].filter((size) => size <= 2 * cores);
}

async function measure(
  { name, images, augment, need }: Subject,
  workers: readonly number[],
  batch: number,
  rounds: number,
): Promise<Row[]> {
  const all = images.labels.length;
  const positions = Array.from({ length: Math.ceil(all / batch) }, (_, i) =>
    Uint32Array.from({ length: Math.min(batch, all - i * batch) }, (_, j) => i * batch + j),
  );
  const pools = workers.map((size) => new ImagePool(size));
  try {
    const contestants = pools.map((pool, i) => ({
      name: `${workers[i]}`,
      run: () => timed(() => readAll(new ImageLoader(images, { pool, augment, seed: 0 }), positions)),
    }));
    return (await alternate(contestants, rounds)).map(({ name: size, median, spread }) => ({
      images: name,
      workers: Number(size),
      'images/s': figure(all / median),
      'spread, %': figure((100 * spread) / median),
      'of need': need === undefined ? '-' : `${figure((100 * all) / median / need)}%`,
    }));
  } finally {
    for (const pool of pools) pool[Symbol.dispose]();
  }
}

async function readAll(loader: ImageLoader, positions: readonly Uint32Array[]): Promise<void> {
  for await (const _ of loader.batches(positions, { epoch: 0 }));
}

/** Files about as large as ImageNet's: soft shapes under fine noise. Returns their bytes together. */
async function writePhotographs(folder: string, total: number): Promise<number> {
  let bytes = 0;
  mkdirSync(join(folder, 'train', 'photographs'), { recursive: true });
  for (let i = 0; i < total; i++) {
    const coarse = noise(47 * 63 * 3, i);
    const shapes = await sharp(coarse, { raw: { height: 47, width: 63, channels: 3 } })
      .resize(width, height, { fit: 'fill' })
      .raw()
      .toBuffer();
    const fine = noise(shapes.length, total + i);
    const pixels = shapes.map((value, j) => Math.min(255, Math.max(0, value + (fine[j] >> 4) - 8)));
    const path = join(folder, 'train', 'photographs', `${i}.JPEG`);
    writeFileSync(
      path,
      await sharp(pixels, { raw: { height, width, channels: 3 } })
        .jpeg({ quality: 90 })
        .toBuffer(),
    );
    bytes += statSync(path).size;
  }
  return bytes;
}

function inMemory(total: number): ImageSet {
  return { images: noise(total * 3072, 1), labels: new Int32Array(total), shape: [32, 32, 3] };
}

function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 16) {
    const block = randomBlock({ seed, purpose: 'split', epoch: 0, step: 0 }, i / 16);
    bytes.set(new Uint8Array(Uint32Array.from(block).buffer).subarray(0, length - i), i);
  }
  return bytes;
}

if (import.meta.filename === process.argv[1]) await benchLoader(process.argv.slice(2));
