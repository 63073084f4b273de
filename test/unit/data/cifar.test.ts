import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../../src/data/load.ts';
import { byteAt, cifarFile, failure, folderOf, scratchFolder } from './fixtures.ts';

/** All files of a small CIFAR-10: batch b has three images of label b, the test batch two. */
function cifar10Set(): Record<string, Buffer | string> {
  const batches = [1, 2, 3, 4, 5].map((b) => [`data_batch_${b}.bin`, cifarFile([[b], [b], [b]])] as const);
  return { ...Object.fromEntries(batches), 'test_batch.bin': cifarFile([[9], [0]]) };
}

function cifar100Set(): Record<string, Buffer | string> {
  return {
    'train.bin': cifarFile([
      [19, 99],
      [0, 42],
    ]),
    'test.bin': cifarFile([[3, 7]]),
  };
}

describe('CIFAR-10', () => {
  it('turns planes into [height, width, channels]', async () => {
    const { train } = await loadDataset('cifar10', { dataDir: folderOf(cifar10Set()) });
    expect(train.shape).toEqual([32, 32, 3]);
    expect(train.images.length).toBe(15 * 3072);
    for (const image of [0, 2, 14]) {
      for (const [y, x, channel] of [
        [0, 0, 0],
        [0, 1, 0],
        [0, 0, 2],
        [17, 5, 1],
        [31, 31, 2],
      ]) {
        const stored = byteAt(3072 * (image % 3) + channel * 1024 + y * 32 + x);
        expect(train.images[((image * 32 + y) * 32 + x) * 3 + channel]).toBe(stored);
      }
    }
  });

  it('joins the batches in order, with the published statistics and class names', async () => {
    const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
    const dataDir = folderOf({ ...cifar10Set(), 'batches.meta.txt': `${names.join('\r\n')}\n\n` });
    const dataset = await loadDataset('cifar10', { dataDir });
    expect([...dataset.train.labels]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]);
    expect([...dataset.test!.labels]).toEqual([9, 0]);
    expect(dataset.classes).toBe(10);
    expect(dataset.classNames).toEqual(names);
    expect(dataset.mean).toEqual([0.49139968, 0.48215827, 0.44653124]);
    expect(dataset.deviation).toEqual([0.24703233, 0.24348505, 0.26158768]);
    expect(dataset.augmentation).toEqual({ pad: 4, flip: true });
    expect(dataset.notices).toEqual([]);
  });

  it('uses a folder with some of the batches, with a notice', async () => {
    const { 'data_batch_2.bin': second } = cifar10Set();
    const dataDir = folderOf({ 'data_batch_2.bin': second });
    const dataset = await loadDataset('cifar10', { dataDir });
    expect([...dataset.train.labels]).toEqual([2, 2, 2]);
    expect(dataset.test).toBeUndefined();
    expect(dataset.classNames).toEqual([]);
    expect(dataset.notices).toEqual([
      `${dataDir} has no data_batch_1.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin: training images come from data_batch_2.bin`,
      `${dataDir} has no test_batch.bin: there are no test images`,
    ]);
  });

  it('does not read batches beyond the limit', async () => {
    const dataDir = folderOf({ ...cifar10Set(), 'data_batch_3.bin': 'broken' });
    const four = await loadDataset('cifar10', { dataDir, limit: 4 });
    expect([...four.train.labels]).toEqual([1, 1, 1, 2]);
    expect(four.train.images.length).toBe(4 * 3072);
    expect(four.test!.labels.length).toBe(2);
    expect((await loadDataset('cifar10', { dataDir, limit: 6 })).train.labels.length).toBe(6);
    expect((await failure(loadDataset('cifar10', { dataDir, limit: 7 }))).message).toContain(
      'data_batch_3.bin: byte 6',
    );
  });

  it('leaves out class names that do not fit, with a notice', async () => {
    const dataDir = folderOf({ ...cifar10Set(), 'batches.meta.txt': 'cat\ndog\n' });
    const dataset = await loadDataset('cifar10', { dataDir });
    expect(dataset.classNames).toEqual([]);
    expect(dataset.notices).toEqual(['batches.meta.txt names 2 classes and not 10: it is not used']);
  });
});

describe('CIFAR-100', () => {
  it('uses the fine label', async () => {
    const dataset = await loadDataset('cifar100', { dataDir: folderOf(cifar100Set()) });
    expect([...dataset.train.labels]).toEqual([99, 42]);
    expect([...dataset.test!.labels]).toEqual([7]);
    expect(dataset.classes).toBe(100);
    expect(dataset.mean).toEqual([0.50707519, 0.48654887, 0.44091785]);
    expect(dataset.deviation).toEqual([0.26733428, 0.25643846, 0.27615049]);
    expect(dataset.train.images[1]).toBe(byteAt(1024));
    expect(dataset.train.images[3072 + 2]).toBe(byteAt(3072 + 2048));
  });
});

describe('a broken CIFAR file is an error that names file and byte', () => {
  const record10 = 'a record of 3073 bytes (label, 3072 pixels)';
  const record100 = 'a record of 3074 bytes (coarse label, fine label, 3072 pixels)';
  const cases: readonly (readonly [string, 'cifar10' | 'cifar100', string, Buffer, string])[] = [
    ['empty', 'cifar10', 'data_batch_2.bin', Buffer.alloc(0), `byte 0: expected ${record10}, found an empty file`],
    [
      'cut record',
      'cifar10',
      'data_batch_2.bin',
      cifarFile([[1], [2]]).subarray(0, 5000),
      `byte 5000: expected ${record10} from byte 3073, found the end after 1927 bytes`,
    ],
    [
      'trailing byte',
      'cifar10',
      'test_batch.bin',
      Buffer.concat([cifarFile([[1]]), Buffer.of(7)]),
      `byte 3074: expected ${record10} from byte 3073, found the end after 1 bytes`,
    ],
    [
      'label',
      'cifar10',
      'data_batch_5.bin',
      cifarFile([[9], [1], [10]]),
      'byte 6146: expected a label below 10, found 10',
    ],
    ['test label', 'cifar10', 'test_batch.bin', cifarFile([[255]]), 'byte 0: expected a label below 10, found 255'],
    [
      'cut record of CIFAR-100',
      'cifar100',
      'train.bin',
      cifarFile([[1, 2]]).subarray(0, 3073),
      `byte 3073: expected ${record100} from byte 0, found the end after 3073 bytes`,
    ],
    [
      'coarse label',
      'cifar100',
      'train.bin',
      cifarFile([
        [1, 2],
        [20, 3],
      ]),
      'byte 3074: expected a coarse label below 20, found 20',
    ],
    [
      'fine label',
      'cifar100',
      'test.bin',
      cifarFile([[19, 100]]),
      'byte 1: expected a fine label below 100, found 100',
    ],
  ];

  it.each(cases)('%s', async (_, set, name, content, message) => {
    const dataDir = folderOf({ ...(set === 'cifar10' ? cifar10Set() : cifar100Set()), [name]: content });
    const error = await failure(loadDataset(set, { dataDir }));
    expect(error.code).toBe('DATA');
    expect(error.message).toBe(`${join(dataDir, name)}: ${message}`);
  });

  it.each([
    ['cifar-10-batches-py', 'cifar10'],
    ['cifar-10-python.tar.gz', 'cifar10'],
    ['test_batch', 'cifar10'],
    ['data_batch_3.mat', 'cifar10'],
    ['cifar-100-python', 'cifar100'],
    ['meta', 'cifar100'],
  ] as const)('that is another version, as %s tells, is named', async (name, set) => {
    const { message } = await failure(loadDataset(set, { dataDir: folderOf({ [name]: 'pickled' }) }));
    const archive = `${set.replace('cifar', 'cifar-')}-binary.tar.gz`;
    expect(message).toContain(`(${archive}, unpacked), found CIFAR's Python or Matlab version (${name})`);
  });

  it('that is packed, in another folder or in another case is asked for', async () => {
    const message = async (dataDir: string) => (await failure(loadDataset('cifar10', { dataDir }))).message;
    const packed = folderOf({ 'cifar-10-binary.tar.gz': '' });
    expect(await message(packed)).toContain('found cifar-10-binary.tar.gz, which is packed still');
    expect(await message(folderOf({ 'Data_Batch_1.bin': '' }))).toContain(
      'did you mean data_batch_1.bin by Data_Batch_1',
    );
    const above = scratchFolder();
    mkdirSync(join(above, 'cifar'));
    writeFileSync(join(above, 'cifar', 'test_batch.bin'), '');
    expect(await message(above)).toContain(`found only cifar (did you mean ${join(above, 'cifar')}?)`);
  });

  it('a folder without training images', async () => {
    const cases = [
      ['cifar10', 'data_batch_1.bin to data_batch_5.bin and test_batch.bin'],
      ['cifar100', 'train.bin and test.bin'],
    ] as const;
    for (const [set, files] of cases) {
      const empty = scratchFolder();
      expect((await failure(loadDataset(set, { dataDir: empty }))).message).toBe(
        `${empty}: expected a folder with ${files}, found an empty folder`,
      );
      const other = folderOf({ data_batch_1: 'pickled' });
      expect((await failure(loadDataset(set, { dataDir: other }))).message).toBe(
        `${other}: expected ${files} (${set.replace('cifar', 'cifar-')}-binary.tar.gz, unpacked), found CIFAR's Python or Matlab version (data_batch_1), not the binary one`,
      );
    }
  });
});
