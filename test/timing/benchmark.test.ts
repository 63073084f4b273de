// What a table of NAS-Bench-201 takes: beside its opening a query is nothing, and all of it fits a small part of the memory.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { benchmarkColumns } from '../../src/benchmark/columns.ts';
import { openNasBench201 } from '../../src/benchmark/nas_bench.ts';
import { structureTexts } from '../../src/benchmark/structure_index.ts';
import { scratch } from '../helpers/scratch.ts';

it('a table of all 26 columns: memory, and a query beside the opening', async () => {
  const path = join(scratch(), 'table.csv');
  const names = benchmarkColumns.map(({ name }) => name);
  const rows = structureTexts().map((text, index) => [index, text, ...names.map((_, i) => ((index + i) % 997) / 10)]);
  writeFileSync(path, [['arch_index', 'arch_str', ...names], ...rows].map((row) => `${row.join(',')}\n`).join(''));
  const before = process.memoryUsage().rss;
  const begun = performance.now();
  const bench = await openNasBench201(path);
  const opened = performance.now();
  // Spread over all cells, classes of hundreds among them. An opening takes hundreds of milliseconds, so that a query is below one or two.
  for (let index = 0; index < 15_625; index += 78) expect(bench.query(index).accuracies).toHaveLength(26);
  const queried = performance.now();
  expect(queried - opened).toBeLessThan(opened - begun);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
});
