import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../src/data/dataset.ts';
import { loadDataset, type MemoryDatasetName } from '../../../src/data/load.ts';
import { DataError } from '../../../src/errors.ts';
import { uniform } from '../../../src/random/philox.ts';
import { byteAt, cifarFile, folderOf, idxSet } from './fixtures.ts';
import { svhnFile } from './mat_file.ts';

function packed(): Record<string, Buffer> {
  return Object.fromEntries(Object.entries(idxSet()).map(([name, content]) => [`${name}.gz`, gzipSync(content)]));
}

function svhn(compressed: boolean): Record<string, Buffer> {
  const pixel = (image: number, row: number, column: number, channel: number) =>
    byteAt(image + row + 7 * column + channel);
  return {
    'train_32x32.mat': svhnFile([1, 2, 10], pixel, { compressed }),
    'test_32x32.mat': svhnFile([4], pixel, { compressed }),
  };
}

const sets: readonly (readonly [MemoryDatasetName, string, Record<string, Buffer>])[] = [
  ['idx', 'plain', idxSet()],
  ['mnist', 'gzipped', packed()],
  ['cifar10', 'one batch', { 'data_batch_1.bin': cifarFile([[1], [2]]), 'test_batch.bin': cifarFile([[3]]) }],
  ['svhn', 'plain', svhn(false)],
  ['svhn', 'compressed', svhn(true)],
  ['cifar100', 'whole', { 'train.bin': cifarFile([[1, 2]]), 'test.bin': cifarFile([[3, 4]]) }],
];

/** A copy cut at a random place, or with up to three random bytes changed, favouring the first 20. */
function damaged(content: Buffer, [kind, ...random]: Float64Array | number[]): Buffer {
  if (kind < 0.3) return Buffer.from(content.subarray(0, Math.floor(random[0] * content.length)));
  const copy = Buffer.from(content);
  for (let i = 0; i < 3; i++) {
    const span = random[i] < 0.5 ? Math.min(20, copy.length) : copy.length;
    copy[Math.floor(random[i + 3] * span)] ^= Math.floor(random[i + 6] * 256);
  }
  return copy;
}

/** What the Dataset type promises and the engine relies on. */
function expectSound({ train, test, classes }: Dataset): void {
  for (const { images, labels, shape } of test ? [train, test] : [train]) {
    expect(labels.length).toBeGreaterThan(0);
    expect(images.length).toBe(labels.length * shape[0] * shape[1] * shape[2]);
    expect(labels.every((label) => label >= 0 && label < classes)).toBe(true);
  }
}

describe('damaged files give a sound dataset or a DataError', () => {
  it.each(sets)('%s, %s', async (name, _, files) => {
    const dataDir = folderOf(files);
    const names = Object.keys(files);
    let refused = 0;
    for (let round = 0; round < 250; round++) {
      const random = uniform({ seed: 7, purpose: 'split', epoch: 0, step: round }, 11);
      const victim = names[round % names.length];
      const bad = damaged(files[victim], random.subarray(0, 10));
      writeFileSync(join(dataDir, victim), bad);
      const outcome = await loadDataset(name, { dataDir }).catch((error: unknown) => error);
      if (outcome instanceof Error) {
        expect(outcome).toBeInstanceOf(DataError);
        expect(outcome.message).toContain(join(dataDir, victim));
        refused++;
      } else {
        expectSound(outcome as Dataset);
      }
      writeFileSync(join(dataDir, victim), files[victim]);
    }
    expect(refused).toBeGreaterThan(25);
    expectSound(await loadDataset(name, { dataDir }));
  });
});
