// What a table of NAS-Bench-201 says of runs, epoch by epoch.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openNasBench201 } from '../../../src/benchmark/nas_bench.ts';
import { parseStructure } from '../../../src/benchmark/structure.ts';
import { structureIndex } from '../../../src/benchmark/structure_index.ts';
import { formatGenotype } from '../../../src/genotype/text.ts';
import { drawBenchmarkCurves } from '../../../src/report/draw_benchmark.ts';
import { benchmarkCurve } from '../../../src/run/benchmark_curve.ts';
import { readJournal } from '../../../src/run/journal.ts';
import { startMethod } from '../../../src/run/start.ts';
import { dartsmith } from '../../helpers/command_line.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { tinySource } from '../../helpers/tiny_source.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = tinyDataset();
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const [searched, selected, data, lacking] = ['searched', 'selected', 'data.csv', 'lacking.csv'].map((name) =>
  join(folder, name),
);
let structures: string[] = [];

beforeAll(async () => {
  const common = { dataset, device: createFakeDevice() };
  await startMethod('search', { ...common, settings: tinySettings, space: 'nasbench201', out: searched }).result;
  await startMethod('select', { ...common, run: searched, settings: { projIntv: 1 }, out: selected }).result;
  for (const run of [searched, selected]) {
    for await (const record of readJournal(run)) {
      if (record.type === 'genotype') structures.push(formatGenotype(record.genotype));
    }
  }
  structures = [...new Set(structures)];
  const rows = structures.map((text, i) => `${structureIndex(parseStructure(text))},${text},${90 + i},${70 + i}`);
  const head = 'arch_index,arch_str,cifar10_test,cifar100_test';
  writeFileSync(data, [head, ...rows].join('\n'));
  writeFileSync(lacking, [head, ...rows.slice(0, 1)].join('\n'));
});

const open = () => openNasBench201(data, { incomplete: true });

describe('benchmarkCurve', () => {
  it('follows a search, and a selection from where the search ended', async () => {
    const bench = await open();
    const curve = await benchmarkCurve(searched, bench);
    expect(curve).toMatchObject({ run: searched, columns: ['cifar10_test', 'cifar100_test'] });
    expect(curve.best).toEqual({ cifar10_test: 89 + structures.length, cifar100_test: 69 + structures.length });
    expect(curve.points.map(({ epochs }) => epochs)).toEqual([1, 2]);
    for (const { structure, index, accuracies } of curve.points) {
      const place = structures.indexOf(structure);
      expect(index).toBe(structureIndex(parseStructure(structure)));
      expect(accuracies).toEqual({ cifar10_test: 90 + place, cifar100_test: 70 + place });
    }
    const { points, columns } = await benchmarkCurve(selected, bench, { columns: ['cifar100_test'] });
    expect(columns).toEqual(['cifar100_test']);
    // Five decisions, an epoch behind each but the last but one.
    expect(points.map(({ epochs }) => epochs)).toEqual([2, 3, 3, 4, 4, 5, 5, 5, 6]);
  });

  it('refuses other runs, and tables that cannot tell', async () => {
    const bench = await open();
    const { run } = await tinySource(1);
    await expect(benchmarkCurve(run, bench)).rejects.toThrow(
      /came to what is no cell of NAS-Bench-201: .* of one cell/,
    );
    await expect(benchmarkCurve(join(folder, 'none'), bench)).rejects.toMatchObject({ code: 'FILE' });
    await expect(benchmarkCurve(searched, bench, { columns: ['cifar10_train'] })).rejects.toThrow(
      /data.csv has no column cifar10_train: it has cifar10_test, cifar100_test/,
    );
    await expect(benchmarkCurve(searched, bench, { columns: ['best'] })).rejects.toMatchObject({ code: 'ARGUMENT' });
    const poor = await openNasBench201(lacking, { incomplete: true });
    await expect(benchmarkCurve(selected, poor)).rejects.toThrow(/lacking.csv has no row of cell \d+, \|/);
  });
});

it('curves are drawn, a plot a column and a line a run', async () => {
  const bench = await open();
  const curves = [await benchmarkCurve(searched, bench), await benchmarkCurve(selected, bench)];
  const svg = drawBenchmarkCurves(curves);
  expect(svg).toMatch(/cifar10_test.*searched.*selected.*cifar100_test/s);
  for (const bad of [[], [{}], [curves[0], { ...curves[0], columns: ['cifar10_test'] }]]) {
    expect(() => drawBenchmarkCurves(bad as never)).toThrow(/curves as benchmarkCurve gives them/);
  }
});

describe('dartsmith benchmark nasbench201 curve', () => {
  const curve = (...args: readonly string[]) => dartsmith('benchmark', 'nasbench201', 'curve', ...args);

  it('prints a row an epoch, and draws', async () => {
    const out = join(folder, 'curve.svg');
    const table = ['--data', data, '--incomplete'];
    const { code, stdout } = await curve(searched, selected, ...table, '--by', 'cifar100_test', '--out', out);
    const lines = stdout.trimEnd().split('\n');
    expect([code, lines.length, lines.at(-1)]).toEqual([0, 13, `wrote ${out}`]);
    expect(lines[0].split(/ +/)).toEqual(['run', 'epochs', 'cifar100_test', 'index', 'structure']);
    const json = await curve(searched, ...table, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ points: [{ epochs: 1 }, { epochs: 2 }] });
  });

  it.each([
    [['--by', 'cifar10_tset'], 2, /\(Did you mean cifar10_test\?\)/],
    [['--by', ' '], 2, /names of columns for --by/],
    [['--out', 'x.pdf'], 2, /a file name that ends in .svg or .png for --out/],
    [[], 1, /data.csv holds \d+ of 15625 cells/],
  ])('refuses %j', async (args, expected, message) => {
    const { code, stderr } = await curve(searched, '--data', data, ...args);
    expect(code).toBe(expected);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
