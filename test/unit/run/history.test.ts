// The history of a run, from its journal alone; and genotypes that are selected from it afterwards.
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { mixingWeights } from '../../../src/network/mixing.ts';
import { drawHistory } from '../../../src/report/draw_history.ts';
import { readRunEntries, readRunHistory } from '../../../src/run/history.ts';
import { openJournal } from '../../../src/run/journal.ts';
import { readHistory, selectFrom } from '../../../src/run/select.ts';
import { startMethod } from '../../../src/run/start.ts';
import { search } from '../../../src/search.ts';
import { train } from '../../../src/train.ts';
import { byType } from '../../helpers/by_type.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { root } from '../../helpers/process.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { twoStages } from '../../methods/two_stages.ts';

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const run = join(folder, 'run');
let found: Awaited<ReturnType<typeof search>['result']>;

type Line = Readonly<Record<string, unknown>>;
const linesOf = (directory: string) =>
  readFileSync(join(directory, 'journal.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

/** A run directory with a journal of one's own. */
function withJournal(records: readonly unknown[]): string {
  const directory = scratch();
  writeFileSync(join(directory, 'journal.jsonl'), records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return directory;
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const device = createFakeDevice();
  found = await search({ device, dataset, out: run, settings: { ...tinySettings, epochs: 3 } }).result;
});

describe('the journal of a search', () => {
  it('tells alpha before the first step, then after each epoch, and once how it lies', () => {
    const told = linesOf(run).filter(({ type }) => type === 'layout' || type === 'alpha');
    expect(told.map(({ type, epoch, step }) => [type, epoch, step])).toEqual([
      ['layout', 0, 0],
      ['alpha', 0, 0],
      ['alpha', 0, undefined],
      ['alpha', 1, undefined],
      ['alpha', 2, undefined],
    ]);
    expect(linesOf(run).findIndex(({ type }) => type === 'step')).toBe(3);
  });

  it('is what the history is read from, to the bit of float32', async () => {
    const { entries, layout, activation } = await readRunHistory(run);
    expect(entries.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3]);
    expect(activation).toBe('softmax');
    expect(layout.tables.reduce.rows[13]).toEqual({
      node: 3,
      input: 4,
      candidates: [
        'none',
        'max_pool_3x3',
        'avg_pool_3x3',
        'skip_connect',
        'sep_conv_3x3',
        'sep_conv_5x5',
        'dil_conv_3x3',
        'dil_conv_5x5',
      ],
    });
    expect(entries[3].mixing).toEqual(found.mixing);
    const [first] = linesOf(run).filter(({ type }) => type === 'alpha') as unknown as [
      { tables: Record<string, number[][]> },
    ];
    const alpha = Float32Array.from(first.tables['alphas_normal'].flat());
    expect(entries[0].mixing['alphas_normal']).toEqual(mixingWeights(alpha, new Array(14).fill(8), 'softmax'));
  });

  it('is cut at the first step as elsewhere, and what stands before it is written again', async () => {
    const step = (at: number) => ({ type: 'step', epoch: 0, step: at });
    const start = { type: 'start', epoch: 0, step: 0 };
    const initial = [
      { type: 'layout', epoch: 0, step: 0 },
      { type: 'alpha', epoch: 0, step: 0 },
    ];
    const records = [start, ...initial, step(0), step(1), { type: 'epoch', epoch: 0 }, { type: 'alpha', epoch: 0 }];
    for (const [epoch, at, kept] of [
      [0, 0, 1],
      [0, 1, 4],
      [0, 2, 5],
      [1, 0, 7],
    ]) {
      const directory = withJournal(records);
      await (await openJournal(join(directory, 'journal.jsonl'), { stage: 0, epoch, step: at, updates: 0 })).close();
      expect(linesOf(directory), `${epoch}, ${at}`).toEqual(records.slice(0, kept));
    }
  });

  it('is cut behind records of any length', async () => {
    const long = { type: 'alpha', epoch: 0, tables: { alphas_normal: [new Array(60_000).fill(0.123456789)] } };
    const directory = withJournal([{ type: 'epoch', epoch: 0 }, long, { type: 'step', epoch: 1, step: 0 }]);
    await (await openJournal(join(directory, 'journal.jsonl'), { stage: 0, epoch: 1, step: 0, updates: 0 })).close();
    expect(linesOf(directory).map(({ type }) => type)).toEqual(['epoch', 'alpha']);
  });

  it('of a run with several stages is read by stage', async () => {
    const directory = join(scratch(), 'run');
    const options = {
      device: createFakeDevice(),
      dataset,
      out: directory,
      method: 'two-stages',
      settings: tinySettings,
    };
    await startMethod('search', options, [twoStages]).result;
    const places = [];
    for await (const { stage, entry } of readRunEntries(directory)) places.push([stage, entry.epoch]);
    expect(places).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
    const { entries } = await readRunHistory(directory);
    expect(entries.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
    expect((await selectFrom(directory, { stage: 'first' })).genotype).toBeDefined();
    await expect(selectFrom(directory, { stage: 'third' })).rejects.toThrow(
      /holds the stages first, second, but no 'third'/,
    );
    await expect(readHistory(scratch(), { stage: 'first' })).rejects.toThrow(
      /stage \(--stage\) is for run directories/,
    );
  });
});

describe('readRunHistory', () => {
  const layout = {
    type: 'layout',
    epoch: 0,
    step: 0,
    activation: 'sigmoid',
    nodes: 1,
    tables: tablesOf(['skip_connect']),
  };
  const alpha = { type: 'alpha', epoch: 0, tables: { alphas_normal: [[1], [2]], alphas_reduce: [[1], [2]] } };

  function tablesOf(candidates: unknown) {
    const rows = [0, 1].map((input) => ({ node: 0, input, candidates }));
    return { normal: { name: 'alphas_normal', rows }, reduce: { name: 'alphas_reduce', rows } };
  }

  it('passes over lines that are torn or none of ours', async () => {
    const directory = withJournal([layout, null, 7, 'x', { type: 'alpha' }, alpha]);
    appendFileSync(join(directory, 'journal.jsonl'), '{"type":"alp');
    const { entries } = await readRunHistory(directory);
    expect(entries).toEqual([
      {
        epoch: 1,
        mixing: expect.objectContaining({ alphas_normal: [[1 / (1 + Math.exp(-1))], [1 / (1 + Math.exp(-2))]] }),
        alpha: alpha.tables,
      },
    ]);
  });

  it.each<[string, unknown[], RegExp]>([
    ['an older version', [alpha], /begun by a version of dartsmith that did not record which number of alpha is which/],
    ['a training', [{ type: 'start', run: 'train', epoch: 0, step: 0 }], /it is a training, which has no alpha/],
    [
      'a run before its first step',
      [{ type: 'start', run: 'search', epoch: 0, step: 0 }],
      /no step has been taken yet/,
    ],
    [
      'alpha of another shape',
      [layout, { ...alpha, tables: { alphas_normal: [[1]] } }],
      /damaged: the alpha of epoch 0 does not fit/,
    ],
    [
      'alpha that is no number',
      [layout, { ...alpha, tables: { alphas_normal: [[null], [1]], alphas_reduce: [[1], [1]] } }],
      /does not fit/,
    ],
    ['alpha of no tables', [layout, { ...alpha, tables: null }], /does not fit/],
    ['a layout of nothing', [{ ...layout, tables: null }], /how alpha lies makes no sense/],
    ['a layout of a million nodes', [{ ...layout, nodes: 1e6 }], /how alpha lies makes no sense/],
    [
      'an edge from a later state',
      [{ ...layout, tables: { normal: { name: 'a', rows: [{ node: 0, input: 2, candidates: ['a'] }] } } }],
      /no sense/,
    ],
    ['edges without a candidate', [{ ...layout, tables: tablesOf(['none']) }], /no sense/],
    ['candidates that are no names', [{ ...layout, tables: tablesOf([1]) }], /no sense/],
    ['another activation', [{ ...layout, activation: 'relu' }], /no sense/],
    ['a selection that is none', [{ ...layout, selection: { by: 'luck', threshold: 0.5 } }], /no sense/],
    ['a threshold beyond 1', [{ ...layout, selection: { by: 'darts', threshold: 2 } }], /no sense/],
  ])('refuses %s', async (_, records, message) => {
    const directory = withJournal(records);
    await expect(readRunHistory(directory)).rejects.toThrow(FileError);
    await expect(readRunHistory(directory)).rejects.toThrow(message);
    await expect(selectFrom(directory)).rejects.toThrow(message);
  });

  it('of a training that ran says so', async () => {
    const out = join(scratch(), 'run');
    const device = createFakeDevice();
    await train({
      device,
      dataset,
      out,
      genotype: genotypes['DARTS_V2'],
      settings: { ...tinySettings, auxiliary: false },
    }).result;
    await expect(readHistory(out)).rejects.toThrow(/it is a training/);
  });
});

describe('selectFrom', () => {
  it("gives a run's own genotypes back, epoch by epoch", async () => {
    const recorded = linesOf(run).filter(({ type }) => type === 'genotype');
    expect(recorded).toHaveLength(3);
    for (const [epoch, { genotype }] of recorded.entries()) {
      expect(await selectFrom(run, { epoch: epoch + 1 })).toMatchObject({ genotype, by: 'darts', epoch: epoch + 1 });
    }
    expect((await selectFrom(run)).genotype).toEqual(found.genotype);
  });

  it('counts what reaches a threshold, and says what to do where a cell is empty', async () => {
    const { mixing } = found;
    const selection = await selectFrom(run, { by: 'threshold_edge', threshold: 0.125 });
    const candidates = mixing['alphas_normal'].flatMap((row) => row.slice(1));
    expect(selection.counts.normal.weights).toBe(98);
    expect(selection.counts.normal.atLeastThreshold).toBe(
      candidates.filter((weight) => Math.fround(weight) >= 0.125).length,
    );
    expect(selection.notice).toBeUndefined();
    const { notice, genotype } = await selectFrom(run, { by: 'threshold_sparse' });
    expect(notice).toMatch(/in the normal cell and the reduction cell; .*select by a threshold of 0.12/);
    expect(byType(genotype).normal.concat).toEqual([]);
  });

  it('selects as the run did unless told, and draws and counts so', async () => {
    const out = join(scratch(), 'run');
    const settings = { ...tinySettings, batchSize: 4, parseMethod: 'threshold_edge', opThreshold: 0.45 };
    const options = { method: 'fairdarts', device: createFakeDevice(), dataset, out, settings };
    const { genotype } = (await startMethod('search', options).result) as { genotype: unknown };
    expect(await selectFrom(out)).toMatchObject({ genotype, by: 'threshold_edge', threshold: 0.45 });
    expect(await selectFrom(out, { threshold: 0.6 })).toMatchObject({ by: 'threshold_edge', threshold: 0.6 });
    expect(await selectFrom(out, { by: 'darts' })).toMatchObject({ by: 'darts', threshold: 0.45 });
    const history = await readHistory(out);
    expect(history.selection).toEqual({ by: 'threshold_edge', threshold: 0.45 });
    const picture = await drawHistory([{ name: 'mine', history }], { kind: 'skips' });
    expect(picture).toContain('mine (threshold_edge, 0.45)');
  });

  it('takes the published files too', async () => {
    const published = join(root, 'test/fixtures/fairdarts');
    const { genotype, epoch, by } = await selectFrom(published);
    expect({ epoch, by }).toEqual({ epoch: 3, by: 'threshold_sparse' });
    expect((await selectFrom(join(published, 'checkpoint.pth.tar'))).genotype).toEqual(genotype);
    const pair = await selectFrom(join(published, 'normal_weight.npy'));
    expect(pair.genotype).toEqual(genotype);
    expect(pair.epoch).toBeUndefined();
    const first = await selectFrom(published, { epoch: 0, by: 'threshold_edge' });
    expect(first.counts.normal).toMatchObject({ atLeastThreshold: 0, largest: { weight: 0.5 } });
  });

  it('reads the journal of a run that holds the published files as well', async () => {
    const both = join(scratch(), 'run');
    cpSync(run, both, { recursive: true });
    cpSync(join(root, 'test/fixtures/fairdarts'), both, { recursive: true });
    expect((await selectFrom(both)).genotype).toEqual(found.genotype);
  });

  it.each<[string, object, RegExp]>([
    [run, { epoch: 4 }, /holds no epoch 4: it has epochs up to 3/],
    [run, { epoch: -1 }, /an integer of at least 0 for epoch/],
    [run, { by: 'treshold_edge' }, /Did you mean threshold_edge/],
    [run, { threshold: 85 }, /a number from 0 to 1 for threshold/],
    [run, { tresh: 1 }, /for a field of options but received 'tresh'/],
    [run, { candidates: 'skip_connect' }, /a list of names for candidates/],
    [run, { activation: 'relu' }, /'softmax' or 'sigmoid' for activation/],
    [folder, {}, /holds no search: expected a run directory/],
    ['a\0b', {}, /NUL/],
    [
      join(root, 'test/fixtures/fairdarts/normal_weight.npy'),
      { epoch: 7 },
      /holds no epoch 7: it has one table a cell/,
    ],
  ])('of %s with %j is refused', async (source, options, message) => {
    await expect(selectFrom(source, options)).rejects.toThrow(message);
  });
});
