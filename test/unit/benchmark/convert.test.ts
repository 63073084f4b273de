// The archive of NATS-Bench read into a table: a synthetic one, and what no archive is. test/fixtures/nasbench201/make.py writes both.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertNatsBench } from '../../../src/benchmark/convert.ts';
import { openNasBench201 } from '../../../src/benchmark/nas_bench.ts';
import { AbortedError, ArgumentError, FileError } from '../../../src/errors.ts';
import { root } from '../../helpers/process.ts';
import { scratch } from '../../helpers/scratch.ts';

const fixtures = join(root, 'test/fixtures/nasbench201');
const tar = readFileSync(join(fixtures, 'archive.tar'));
const faulty = (name: string) => readFileSync(join(fixtures, 'faulty', `${name}.pbz2`));
const expected: Record<string, Record<string, number>> = JSON.parse(
  readFileSync(join(fixtures, 'expected.json'), 'utf8'),
);

/** A folder with files of an archive. */
function archiveWith(files: Readonly<Record<string, Uint8Array>>): string {
  const folder = join(scratch(), 'NATS-tss-v1_0-3ffb9-simple');
  mkdirSync(folder);
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, `${name}.pickle.pbz2`), bytes);
  return folder;
}

/** A file of the tar, found by its name. */
function packedCell(index: number): Buffer {
  const at = tar.indexOf(`NATS-tss-v1_0-3ffb9-simple/${String(index).padStart(6, '0')}`);
  const bytes = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
  return tar.subarray(at + 512, at + 512 + bytes);
}

const fileWith = (bytes: Uint8Array): string => {
  const path = join(scratch(), 'archive.tar');
  writeFileSync(path, bytes);
  return path;
};

const convert = (archive: string, more: object = {}) =>
  convertNatsBench({ archive, out: join(scratch(), 'table.csv'), incomplete: true, ...more });

async function failureOf(archive: string): Promise<string> {
  const out = join(scratch(), 'table.csv');
  const error = await convert(archive, { out }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(FileError);
  expect(existsSync(out)).toBe(false);
  expect((error as Error).message).not.toContain('\n');
  return (error as Error).message;
}

describe('an archive of NATS-Bench', () => {
  it.each([
    ['a tar', () => join(fixtures, 'archive.tar')],
    ['a folder', () => archiveWith({ '000000': packedCell(0), '000009': packedCell(9), '1835': packedCell(1835) })],
  ])('as %s becomes a table with means over the seeds of every column', async (_, archive) => {
    const told: string[] = [];
    const table = await convert(archive(), { onProgress: (...at: number[]) => told.push(at.join('/')) });
    expect(table).toMatchObject({ cells: 3, gaps: {} });
    expect(table.columns).toHaveLength(26);
    expect(told).toEqual(['1/3', '2/3', '3/3']);
    const bench = await openNasBench201(table.out, { incomplete: true });
    expect(bench.unanswered).toEqual([]);
    for (const [index, columns] of Object.entries(expected)) {
      const read = bench.query(Number(index)).accuracies.map(({ name, accuracy }) => [name, accuracy]);
      expect(Object.fromEntries(read)).toEqual(columns);
    }
  });

  it('is refused where it lacks cells, unless it may', async () => {
    const message = 'archive.tar holds 3 of 15625 cells: the first without a file is 1';
    await expect(convert(join(fixtures, 'archive.tar'), { incomplete: false })).rejects.toThrow(message);
  });

  it('ends at once by a signal, and leaves the table that was there', async () => {
    const out = join(scratch(), 'table.csv');
    writeFileSync(out, 'old');
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const converting = convert(join(fixtures, 'archive.tar'), { out, signal: stop.signal, onProgress });
    await expect(converting).rejects.toThrow(AbortedError);
    expect(readFileSync(out, 'utf8')).toBe('old');
  });

  it.each([
    ['list', 'expected a dict of trainings but found [1,2]'],
    ['command', "expected a dict of trainings but found 'posix.system'"],
    ['command_within', "expected a number from 0 to 100 for cifar10, ori-test of 12 epochs but found 'posix.system'"],
    ['no_training', "expected trainings '12' or '200', as in the topology space"],
    ['other_index', 'expected cell 0 but found 3'],
    ['size_space', "but found '64:64:64:64:64'"],
    ['above_100', 'expected a number from 0 to 100 for cifar10, ori-test of 12 epochs but found 100.5'],
    ['nan', 'expected a number from 0 to 100 for cifar10, ori-test of 12 epochs but found NaN'],
    ['text', "expected a number from 0 to 100 for cifar10, ori-test of 12 epochs but found 'high'"],
    ['no_run', 'expected a run of cifar10 with seed 111'],
    ['short_run', 'expected 12 epochs for cifar10 but found 5'],
    ['seeds', 'expected a list of seeds for cifar10 but found 111'],
    ['bomb', 'expected a bzip2 file of at most 67108864 bytes unpacked'],
    ['deep', 'expected at most 2097152 objects in a pickle'],
    ['self', "expected trainings '12' or '200'"],
    ['no_pickle', "refused the pickle's opcode"],
  ])('with a file that is %s is refused, and nothing of it runs', async (name, message) => {
    const failure = await failureOf(archiveWith({ '000000': faulty(name) }));
    expect(failure).toContain('000000.pickle.pbz2: ');
    expect(failure).toContain(message);
    expect(existsSync('/tmp/dartsmith-was-here')).toBe(false);
  });

  it('whose meta file lists other cells is refused', async () => {
    const cell = packedCell(0);
    const message = 'meta.pickle.pbz2: expected |nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|';
    expect(await failureOf(archiveWith({ '000000': cell, meta: faulty('meta') }))).toContain(message);
    expect(await failureOf(archiveWith({ '000000': cell, meta: faulty('meta_list') }))).toContain(
      'expected a dict with a list of cells, meta_archs',
    );
  });

  it('that was cut or changed anywhere is refused', async () => {
    const cell = packedCell(9);
    for (let i = 0; i < 16; i++) {
      const at = Math.floor((cell.length * i) / 16);
      expect(await failureOf(archiveWith({ '000009': cell.subarray(0, at) }))).toContain('000009.pickle.pbz2: ');
      const changed = Buffer.from(cell);
      changed[at] ^= 1 << (i % 8);
      expect(await failureOf(archiveWith({ '000009': changed }))).toContain('000009.pickle.pbz2: ');
    }
  });

  it.each([
    [
      'cut within a file',
      () => tar.subarray(0, 50_000),
      'the tar archive ends within NATS-tss-v1_0-3ffb9-simple/000009',
    ],
    ['cut within a header', () => tar.subarray(0, 700), 'the tar archive ends within a header at byte 512'],
    ['text', () => Buffer.alloc(2000, 'text'), 'expected a header of a tar archive at byte 0'],
    ['of nothing', () => Buffer.alloc(1024), 'holds no file of a cell; expected NATS-tss-v1_0-3ffb9-simple'],
    ['empty', () => Buffer.alloc(0), 'holds no file of a cell'],
    ['one cell', () => packedCell(0), 'is one compressed file; expected NATS-tss-v1_0-3ffb9-simple'],
    ['of PyTorch', () => Buffer.from('PK\x03\x04'), 'is a file of PyTorch; expected'],
    ['gzipped', () => Buffer.from([0x1f, 0x8b, 8, 0]), 'is gzipped: gunzip it first'],
  ])('as a file that is %s is refused', async (_, bytes, message) => {
    expect(await failureOf(fileWith(bytes()))).toContain(message);
  });

  it('that is not there is refused', async () => {
    expect(await failureOf(join(scratch(), 'nothing'))).toMatch(/^cannot read .*nothing: no such file/);
    await expect(convertNatsBench({ archive: '', out: 'x' })).rejects.toThrow(ArgumentError);
  });
});
