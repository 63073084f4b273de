// Protocols that ask a table of NAS-Bench-201 in place of training.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isomorphismClasses } from '../../../src/benchmark/isomorphism.ts';
import { parseStructure } from '../../../src/benchmark/structure.ts';
import { structureTexts } from '../../../src/benchmark/structure_index.ts';
import { ArgumentError, FileError } from '../../../src/errors.ts';
import type { ProtocolResult } from '../../../src/protocol/events.ts';
import type { ProtocolOptions } from '../../../src/protocol/options.ts';
import { runProtocol } from '../../../src/protocol/protocol.ts';
import { pairedTest } from '../../../src/statistics/paired.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [table, lacking] = ['table.csv', 'lacking.csv'].map((name) => join(folder, name));

/** All cells of skip connections and convolutions, and one of none: the space nas-bench-201-s2 and another cell. */
const own = structureTexts().flatMap((text, index) =>
  parseStructure(text).every((name) => ['skip_connect', 'nor_conv_3x3'].includes(name)) ? [index] : [],
);
const none = structureTexts().indexOf('|none~0|+|none~0|none~1|+|none~0|none~1|none~2|');
const accuracyOf = (index: number) => 60 + (index % 97) / 4;
const validationOf = (index: number) => 50 + (index % 89) / 4;

function write(path: string, cells: readonly number[], head = 'cifar10_test,cifar10_valid_12ep,cifar100_test') {
  const rows = cells.map(
    (index) => `${index},${structureTexts()[index]},${accuracyOf(index)},${validationOf(index)},${index % 50}`,
  );
  writeFileSync(path, [`arch_index,arch_str,${head}`, ...rows].join('\n'));
}

const settings = { ...tinySettings, epochs: 1 };
const asked: ProtocolOptions = {
  arms: [
    { name: 'darts', settings, space: 'nas-bench-201-s2' },
    { name: 'pt', of: 'darts', by: 'projection', settings: { projIntv: 1, batchSize: 8 } },
  ],
  ...{ seeds: 4, dataset: tinyDataset(), benchmark: { table, columns: ['cifar10_test'], incomplete: true } },
  pick: { among: 2 },
};

const follow = (options: ProtocolOptions) => runProtocol({ device: createFakeDevice(), ...options }).result;

let result: ProtocolResult;
beforeAll(async () => {
  write(table, [...own, none]);
  write(lacking, [none]);
  result = await follow({ ...asked, out: join(folder, 'protocol') });
});

describe('a protocol with a benchmark', () => {
  it('looks up what is found and what is drawn, and trains nothing', () => {
    const [{ measure, rows }] = result.tables;
    expect(result.tables).toHaveLength(1);
    expect(measure).toEqual({ name: 'cifar10_test', title: 'cifar10_test', unit: 'percent', better: 'higher' });
    expect(rows.map(({ arm, n }) => [arm, n])).toEqual([
      ['darts', 4],
      ['pt', 4],
      ['random', 4],
      ['random, all there are', 64],
      ['picked of darts', 2],
      ['picked of pt', 2],
      ['picked of random', 2],
    ]);
    for (const row of rows.slice(0, 3)) {
      const cells = result.cells!.filter(({ arm }) => arm === row.arm);
      expect(cells.map(({ seed }) => seed)).toEqual([0, 1, 2, 3]);
      expect(row.scores).toEqual(cells.map(({ index }) => accuracyOf(index)));
      for (const { structure, index } of cells) {
        expect(structureTexts()[index]).toBe(structure);
        expect(own).toContain(index);
      }
    }
  });

  it('knows the cells that are isomorphic to one, and its rank among all', () => {
    const classes = isomorphismClasses();
    for (const { index, accuracies } of result.cells!) {
      const alike = [...own, none].filter((other) => classes[other] === classes[index]).map(accuracyOf);
      expect(accuracies['cifar10_test']).toEqual({
        ...{ accuracy: accuracyOf(index), of: 65 },
        rank: 1 + [...own, none].filter((other) => accuracyOf(other) > accuracyOf(index)).length,
        isomorphic: { cells: alike.length, lowest: Math.min(...alike), highest: Math.max(...alike) },
      });
    }
  });

  it('holds the arms against all cells of their space as well, which no seed decides', () => {
    const mean = own.reduce((sum, index) => sum + accuracyOf(index), 0) / own.length;
    const [darts, , , whole] = result.tables[0].rows;
    expect(whole).toMatchObject({ kind: 'whole', mean: expect.closeTo(mean, 9), interval: null });
    const differences = darts.scores.map((score) => (score ?? 0) - (whole.mean ?? 0));
    expect(darts.againstWhole).toEqual({ arm: whole.arm, ...pairedTest(differences) });
  });

  it('keeps what validated best after few epochs', () => {
    const cells = result.cells!.filter(({ arm }) => arm === 'random');
    const best = [0, 2].map((start) => {
      const [a, b] = cells.slice(start, start + 2);
      return validationOf(b.index) > validationOf(a.index) ? b : a;
    });
    expect(result.tables[0].rows.at(-1)).toMatchObject({
      kept: best.map(({ seed }) => seed),
      scores: best.map(({ index }) => accuracyOf(index)),
    });
  });

  it('searches nothing again, and takes the usual columns where none are named', async () => {
    const out = join(folder, 'protocol');
    expect(await follow({ ...asked, out })).toEqual(result);
    const { tables } = await follow({
      ...{ ...asked, pick: undefined, seeds: 1, out: join(scratch(), 'usual') },
      benchmark: { table, incomplete: true },
    });
    expect(tables.map(({ measure }) => measure.name)).toEqual(['cifar10_test', 'cifar100_test']);
  });

  it('counts a cell that the table lacks as no outcome, and tells of it', async () => {
    const some = join(scratch(), 'some.csv');
    const { index: found } = result.cells!.find(({ arm, seed }) => arm === 'darts' && seed === 0)!;
    write(some, [...own.filter((index) => index !== found), none]);
    const benchmark = { table: some, columns: ['cifar10_test'], incomplete: true };
    const { tables, failures } = await follow({ ...asked, pick: undefined, benchmark, out: join(scratch(), 'some') });
    const scores = result
      .cells!.filter(({ arm }) => arm === 'darts')
      .map(({ index }) => (index === found ? null : accuracyOf(index)));
    expect(tables[0].rows[0]).toMatchObject({ arm: 'darts', scores });
    expect(failures).toContainEqual({
      ...{ arm: 'darts', seed: 0, part: 'benchmark' },
      reason: expect.stringMatching(`some.csv has no cifar10_test of cell ${found}, `),
    });
    const nothing = { table: lacking, columns: ['cifar10_test'], incomplete: true };
    const empty = await follow({ ...asked, pick: undefined, benchmark: nothing, out: join(scratch(), 'none') });
    expect(empty.tables[0].rows.map(({ arm, n }) => [arm, n])).toEqual([
      ['darts', 0],
      ['pt', 0],
      ['random', 0],
    ]);
  });

  it.each<[string, object, RegExp, unknown]>([
    [
      'another space',
      { arms: [{ name: 'darts', settings }] },
      /knows cells of nasbench201, but arm 'darts'/,
      ArgumentError,
    ],
    [
      'a column that is none',
      { benchmark: { table, columns: ['x'], incomplete: true } },
      /has no column x/,
      ArgumentError,
    ],
    ['columns that are no list', { benchmark: { table, columns: [7] } }, /a list of columns/, ArgumentError],
    [
      'nothing to pick by',
      { benchmark: { table, columns: ['cifar100_test'], incomplete: true } },
      /nothing can be picked/,
      ArgumentError,
    ],
    ['a table that lacks cells', { benchmark: { table } }, /table\.csv/, FileError],
    ['no table', { benchmark: { table: join(folder, 'no.csv') } }, /no\.csv/, FileError],
    [
      'picking and scoring by the same images',
      { benchmark: { table, columns: ['cifar10_test', 'cifar10_valid_12ep'], incomplete: true } },
      /needs scores on other images than cifar10_valid_12ep tells/,
      ArgumentError,
    ],
  ])('refuses %s', async (_, other, message, kind) => {
    const options = { ...asked, ...other, out: join(scratch(), 'refused') };
    await expect(follow(options)).rejects.toThrow(message);
    await expect(follow(options)).rejects.toBeInstanceOf(kind);
  });
});
