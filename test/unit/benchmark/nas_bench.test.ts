// A table of NAS-Bench-201: what it answers, and what damaged ones are told.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { benchmarkColumns, describeColumn } from '../../../src/benchmark/columns.ts';
import { openNasBench201 } from '../../../src/benchmark/nas_bench.ts';
import { structureAt, structureTexts } from '../../../src/benchmark/structure_index.ts';
import { ArgumentError, FileError } from '../../../src/errors.ts';
import { scratch } from '../../helpers/scratch.ts';

const skips = '|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|';
const header = 'arch_index,arch_str,cifar10_test,cifar10_valid_12ep';
/** Made up: the higher the index, with two equal ones at the top. */
const accuracyOf = (index: number) => Math.min(index, 15_623) / 200;
const rows = structureTexts().map((text, index) => `${index},${text},${accuracyOf(index)},${index % 7}`);

function tableOf(text: string): string {
  const path = join(scratch(), 'table.csv');
  writeFileSync(path, text);
  return path;
}

const whole = () => openNasBench201(tableOf([header, ...rows, ''].join('\n')));
const partial = (...lines: string[]) => openNasBench201(tableOf(lines.join('\n')), { incomplete: true });

describe('a table', () => {
  it('answers by structure, string and index, and says what it cannot answer', async () => {
    const bench = await whole();
    expect(bench).toMatchObject({ cells: 15_625, columns: [{ name: 'cifar10_test' }, { name: 'cifar10_valid_12ep' }] });
    const cell = bench.query(skips);
    expect(bench.query(1835)).toEqual(cell);
    expect(bench.query(structureAt(1835))).toEqual(cell);
    expect(bench.query(`Structure(4 nodes with ${skips})`)).toEqual(cell);
    expect(cell).toMatchObject({ index: 1835, structure: skips, connected: true, isomorphic: [] });
    expect(cell.unanswered).toEqual(bench.unanswered.map(({ name }) => name));
    expect(cell.unanswered).toHaveLength(24);
    expect(cell.unanswered).toContain('cifar10_train');
    expect(bench.accuracy(skips, 'cifar10_test')).toBe(9.175);
    expect(bench.accuracy(skips, 'cifar10_train')).toBeUndefined();
  });

  it('ranks a cell among all and among those that are isomorphic to it', async () => {
    const bench = await whole();
    const [test] = bench.query(15_000).accuracies;
    expect(test).toMatchObject({ name: 'cifar10_test', set: 'cifar10', split: 'ori-test', epochs: 200, accuracy: 75 });
    expect(test).toMatchObject({ rank: 625, of: 15_625 });
    expect(bench.query(15_624).accuracies[0].rank).toBe(1);
    expect(bench.query(15_623).accuracies[0].rank).toBe(1);
    expect(bench.query(15_622).accuracies[0].rank).toBe(3);
    // Both edges into node 2 come from the input.
    const pair = ['nor_conv_1x1~0|avg_pool_3x3~1', 'avg_pool_3x3~0|nor_conv_1x1~1'].map((node) =>
      bench.query(`|skip_connect~0|+|${node}|+|none~0|none~1|nor_conv_3x3~2|`),
    );
    const of = pair[0].isomorphic.length + 1;
    expect(pair[0].isomorphic).toContain(pair[1].index);
    const others = [pair[0].index, ...pair[0].isomorphic].map(accuracyOf);
    expect(pair[0].accuracies[0].isomorphic).toEqual({
      rank: 1 + others.filter((other) => other > pair[0].accuracies[0].accuracy).length,
      of,
      lowest: Math.min(...others),
      highest: Math.max(...others),
    });
  });

  it('lists the best cells of a column, equal ones by index', async () => {
    const bench = await whole();
    expect(bench.top('cifar10_test', 3).map(({ index }) => index)).toEqual([15_623, 15_624, 15_622]);
    expect(bench.top('cifar10_valid_12ep', 1)).toEqual([{ index: 6, structure: structureTexts()[6], accuracy: 6 }]);
    expect(bench.top('cifar10_test', 20_000)).toHaveLength(15_625);
    expect(() => bench.top('cifar10_tset', 3)).toThrow('(Did you mean cifar10_test?)');
    expect(() => bench.top('cifar10_train', 3)).toThrow('has no column cifar10_train: it has cifar10_test, cifar');
    expect(() => bench.top('cifar10_test', 0)).toThrow(ArgumentError);
    expect(() => bench.accuracy(1, 'cifar10_tset')).toThrow('(Did you mean cifar10_test?)');
  });

  it('may have its columns and rows in any order, other columns, ends of Windows, a mark, and gaps', async () => {
    const texts = structureTexts();
    const bench = await partial(
      '\uFEFFcifar100_test,flops,arch_str,arch_index\r',
      `40.5,1,${texts[7]},7\r`,
      `,1,${texts[3]},3\r`,
      '',
    );
    expect(bench).toMatchObject({ cells: 2, columns: [{ name: 'cifar100_test' }] });
    expect(bench.query(7).accuracies).toMatchObject([{ accuracy: 40.5, rank: 1, of: 1 }]);
    expect(bench.query(3)).toMatchObject({ accuracies: [] });
    expect(bench.query(3).unanswered).toContain('cifar100_test');
    expect(bench.accuracy(3, 'cifar100_test')).toBeUndefined();
    expect(bench.top('cifar100_test', 5)).toHaveLength(1);
    expect(() => bench.query(8)).toThrow(`table.csv has no row of cell 8, ${texts[8]}`);
  });

  it.each([
    ['', 'line 1: expected a column arch_index'],
    ['arch_index,arch,cifar10_test', 'line 1: expected a column arch_str'],
    ['arch_index,arch_str,cifar10', 'line 1: expected accuracies, such as cifar10_test'],
    ['arch_index,arch_str,cifar10_test,cifar10_test', "line 1: the column 'cifar10_test' is there twice"],
    [[header, rows[0], '1,|none~0|'], 'line 3: expected 4 fields but found 2'],
    [[header, rows[0], ''], undefined],
    [[header, rows[0], '', rows[1]], 'line 3: expected 4 fields but found 1'],
    [[header, rows[0].replace('skip_connect~2', 'skip_conect~2')], 'line 2: expected one of none, skip_connect'],
    [[header, rows[3].replace(/^3/, '4')], 'line 2: expected index 3 of |avg_pool_3x3~0|+|skip_connect~0|none~1|'],
    [[header, rows[3].replace(/^3/, 'x')], "line 2: expected an index from 0 to 15624 but found 'x'"],
    [[header, rows[3].replace(/^3/, '15625')], "line 2: expected an index from 0 to 15624 but found '15625'"],
    [[header, rows[5], rows[5]], 'line 3: cell 5 has a row before'],
    [
      [header, `5,${structureTexts()[5]},100.5,1`],
      "line 2: expected a number from 0 to 100 for cifar10_test but found '100.5'",
    ],
    [
      [header, `5,${structureTexts()[5]},1,nan`],
      "line 2: expected a number from 0 to 100 for cifar10_valid_12ep but found 'nan'",
    ],
    [
      [header, `5,${structureTexts()[5]},-1,1`],
      "line 2: expected a number from 0 to 100 for cifar10_test but found '-1'",
    ],
    [[header, `5,${structureTexts()[5]},0x10,1`], 'line 2: expected a number from 0 to 100 for cifar10_test'],
  ])('of %j is told by line', async (lines, message) => {
    const opened = partial(...[lines].flat());
    if (message === undefined) return void (await opened);
    await expect(opened).rejects.toThrow(FileError);
    await expect(opened).rejects.toThrow(`table.csv: ${message}`);
  });

  it('without all cells is told as incomplete, with the first that is missing', async () => {
    const opened = openNasBench201(tableOf([header, ...rows.slice(0, 17), ...rows.slice(18)].join('\n')));
    await expect(opened).rejects.toThrow(FileError);
    await expect(opened).rejects.toThrow(
      `table.csv holds 15624 of 15625 cells: cell 17, ${structureTexts()[17]}, is the first without a row`,
    );
  });

  it('that is no file is told in a line', async () => {
    const folder = scratch();
    mkdirSync(join(folder, 'table.csv'));
    await expect(openNasBench201(join(folder, 'table.csv'))).rejects.toThrow('it is no regular file');
    await expect(openNasBench201(join(folder, 'none.csv'))).rejects.toThrow(/^cannot read .*none\.csv: no such file/);
    await expect(openNasBench201('')).rejects.toThrow(ArgumentError);
  });
});

describe('columns', () => {
  it('are 26 of different names, and each says what was trained and scored on', () => {
    expect(new Set(benchmarkColumns.map(({ name }) => name)).size).toBe(26);
    const words = Object.fromEntries(benchmarkColumns.map((column) => [column.name, describeColumn(column)]));
    expect(words['cifar10_test']).toEqual({ trainedOn: 'CIFAR-10', scoredOn: 'all test images' });
    expect(words['cifar10_valid_12ep']).toEqual({
      trainedOn: 'half of CIFAR-10',
      scoredOn: 'other half of training images',
    });
    expect(words['cifar100_test']).toEqual({ trainedOn: 'CIFAR-100', scoredOn: 'other half of test images' });
  });
});
