// Reports on a platform that the renderer of PNG has no build for.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { BackendError } from '../../../src/errors.ts';
import { publishedGenotypes } from '../../../src/genotype/published.ts';
import { writeReport } from '../../../src/run/report.ts';
import { scratch } from '../../helpers/scratch.ts';
import { searchRecords, writeJournal } from '../../helpers/written_run.ts';

vi.mock('../../../src/report/rasterise.ts', async (original) => ({
  ...(await original<object>()),
  rasterise: () => Promise.reject(new BackendError('PNG cannot be drawn here')),
}));

it('have their figures as SVG, and say once why there is no PNG', async () => {
  const folder = scratch();
  const run = writeJournal(join(folder, 'run'), searchRecords({ genotypes: [publishedGenotypes['DARTS_V2']] }));
  const { problems } = await writeReport([run], { out: join(folder, 'x.html') });
  expect(problems.filter((problem) => problem.startsWith('PNG'))).toEqual(['PNG cannot be drawn here']);
  const figures = readdirSync(join(folder, 'x-figures'));
  expect(figures.length).toBeGreaterThan(5);
  expect(figures.every((name) => name.endsWith('.svg'))).toBe(true);
});
