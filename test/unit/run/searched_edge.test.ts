// What a journal tells of an edge, with journals that are written out here.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { formatGenotype } from '../../../src/genotype/text.ts';
import { type RecordedRun, runFiles } from '../../../src/run/directory.ts';
import { type EdgeChoice, readSearchedEdge } from '../../../src/run/searched_edge.ts';

const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const start = { type: 'start', run: 'search', epoch: 0, step: 0 };
const tableOf = (name: string, candidates: readonly string[]) => ({
  name,
  rows: [0, 1].map((input) => ({ node: 0, input, candidates })),
});
const layoutOf = (candidates: readonly string[]) => ({
  ...{ type: 'layout', epoch: 0, step: 0, activation: 'sigmoid', nodes: 1 },
  tables: { normal: tableOf('n', candidates), reduce: tableOf('r', candidates) },
});
const names = ['skip_connect', 'none', 'sep_conv_3x3'];
const layout = layoutOf(names);

const cell = (operation: string) => ({
  nodes: [
    [
      { operation, input: 1 },
      { operation, input: 0 },
    ],
  ],
  concat: [2],
});
const genotypeOf = (operation: string): Genotype => ({ normal: cell(operation), reduce: cell(operation) });
/** The two records of an epoch's end: alpha is `first` on the second edge. */
const epochOf = (epoch: number, operation: string, first: readonly number[], more: object = {}) => {
  const rows = [first.map(() => 0), first];
  return [
    { type: 'genotype', epoch, genotype: genotypeOf(operation), ...more },
    { type: 'alpha', epoch, tables: { n: rows, r: rows }, ...more },
  ];
};
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

let runs = 0;
function runOf(records: readonly object[], command = 'search'): RecordedRun {
  const directory = join(folder, String(runs++));
  mkdirSync(directory);
  writeFileSync(join(directory, 'journal.jsonl'), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return { files: runFiles(directory), config: { command } } as RecordedRun;
}
const read = (records: readonly object[], choice: EdgeChoice = {}) => readSearchedEdge(runOf(records), choice);

describe('readSearchedEdge', () => {
  const epochs = [...epochOf(0, 'sep_conv_3x3', [5, 0, 9]), ...epochOf(1, 'skip_connect', [1, 0, -1])];

  it('gives the last epoch and the first edge of its genotype, without none', async () => {
    const { stage, edge, genotype, candidates } = await read([start, layout, ...epochs]);
    expect({ stage, edge }).toEqual({ stage: 'search', edge: { cell: 'normal', node: 0, input: 1 } });
    expect(genotype).toEqual(genotypeOf('skip_connect'));
    expect(candidates).toEqual([
      { candidate: 'skip_connect', alpha: 1, mixing: expect.closeTo(sigmoid(1), 6) },
      { candidate: 'sep_conv_3x3', alpha: -1, mixing: expect.closeTo(sigmoid(-1), 6) },
    ]);
    const other = await read([start, layout, ...epochs], { edge: 'reduce.0.0' });
    expect(other.candidates.map(({ alpha }) => alpha)).toEqual([0, 0]);
  });

  it('passes over an epoch whose records are not whole yet', async () => {
    const { genotype } = await read([start, layout, ...epochs, epochOf(2, 'sep_conv_3x3', [0, 0, 0])[0]]);
    expect(genotype).toEqual(genotypeOf('skip_connect'));
  });

  it('takes the larger alpha of a candidate that is there twice, and tells of the other', async () => {
    const twice = layoutOf(['skip_connect', 'skip_connect', 'none']);
    const { candidates } = await read([start, twice, ...epochOf(0, 'skip_connect', [-1, 2, 7])]);
    expect(candidates).toEqual([
      {
        ...{ candidate: 'skip_connect', alpha: 2, mixing: expect.closeTo(sigmoid(2), 6) },
        others: [{ alpha: -1, mixing: expect.closeTo(sigmoid(-1), 6) }],
      },
    ]);
  });

  it('takes the epoch that a search came to, where it keeps the best', async () => {
    const rows = [[0.5, 0.5, 0.5], [5, 0, 9].map((value) => sigmoid(value))];
    const result = { type: 'result', epoch: 2, genotype: genotypeOf('sep_conv_3x3'), mixing: { n: rows, r: rows } };
    const { genotype, candidates } = await read([start, layout, ...epochs, result]);
    expect(genotype).toEqual(genotypeOf('sep_conv_3x3'));
    expect(candidates.map(({ alpha }) => alpha)).toEqual([5, 9]);
  });

  it('knows stages by name: the last one, or another with what its folder says that it came to', async () => {
    const second = { type: 'stage', stage: 1, name: 'second', epoch: 0 };
    const stages = [
      ...[{ ...start, stageName: 'first' }, layout, ...epochs, second, { ...layout, stage: 1 }],
      ...epochOf(0, 'sep_conv_3x3', [3, 0, 4], { stage: 1 }),
    ];
    expect(await read(stages)).toMatchObject({ stage: 'second', candidates: [{ alpha: 3 }, { alpha: 4 }] });
    const run = runOf(stages);
    expect(await readSearchedEdge(run, { stage: 'first' })).toMatchObject({
      candidates: [{ alpha: 1 }, { alpha: -1 }],
    });
    const { genotype } = runFiles(join(run.files.directory, 'first'));
    mkdirSync(join(run.files.directory, 'first'));
    writeFileSync(genotype, formatGenotype(genotypeOf('sep_conv_3x3'), 'json'));
    expect(await readSearchedEdge(run, { stage: 'first' })).toMatchObject({ candidates: [{ alpha: 5 }, { alpha: 9 }] });
    writeFileSync(genotype, 'none');
    await expect(readSearchedEdge(run, { stage: 'first' })).rejects.toThrow(/genotype.json holds no genotype/);
  });

  it('leaves dead nodes out where it is told to', async () => {
    const row = (node: number, input: number) => ({ node, input, candidates: ['skip_connect'] });
    const rows = [row(0, 0), row(0, 1), row(1, 0), row(1, 1), row(1, 2)];
    const table = (name: string) => ({ name, rows });
    const wide = { ...layout, nodes: 2, tables: { normal: table('n'), reduce: table('r') } };
    const alpha = rows.map((_, i) => [i]);
    const dead = { nodes: [[], [{ operation: 'skip_connect', input: 2 }]], concat: [3] };
    const live = { nodes: [[{ operation: 'skip_connect', input: 1 }], []], concat: [2] };
    const genotype = { entries: 'triples', normal: dead, reduce: live };
    const records = [
      start,
      wide,
      { type: 'genotype', epoch: 0, genotype },
      { type: 'alpha', epoch: 0, tables: { n: alpha, r: alpha } },
    ];
    expect((await read(records)).edge).toEqual({ cell: 'normal', node: 1, input: 2 });
    expect((await read(records, { dropDeadNodes: true })).edge).toEqual({ cell: 'reduce', node: 0, input: 1 });
  });

  it.each<[string, readonly object[], EdgeChoice, string, RegExp]>([
    [
      'an unknown edge',
      [start, layout, ...epochs],
      { edge: 'normal.1.0' },
      'ARGUMENT',
      /keeps, normal.0.1, normal.0.0, /,
    ],
    ['an unknown stage', [start, layout, ...epochs], { stage: 'x' }, 'FILE', /holds the stages search, but no 'x'/],
    [
      'an operation of its own',
      [start, layoutOf(['mine', 'skip_connect']), ...epochOf(0, 'mine', [0, 0])],
      {},
      'ARGUMENT',
      /the operation mine of .* is no known one: no network of it can be trained/,
    ],
    ['no epoch', [start, layout, { ...epochs[1], step: 0 }], {}, 'FILE', /no genotype of its stage search yet/],
    ['no step', [start], {}, 'FILE', /no step has been taken yet/],
    ['alpha of unknown layout', [start, ...epochs], {}, 'FILE', /did not record which number of alpha is which/],
    [
      'an edge without alpha',
      [
        start,
        layout,
        {
          ...epochs[0],
          genotype: { ...genotypeOf('a'), normal: { nodes: [[], [{ operation: 'a', input: 2 }]], concat: [3] } },
        },
        epochs[1],
      ],
      {},
      'FILE',
      /damaged: its genotype has an edge that its alpha has not/,
    ],
  ])('refuses %s', async (_, records, choice, code, message) => {
    await expect(read(records, choice)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses a training', async () => {
    await expect(readSearchedEdge(runOf([], 'train'), {})).rejects.toThrow(/holds a training: expected a search/);
  });
});
