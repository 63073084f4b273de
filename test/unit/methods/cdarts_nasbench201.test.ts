// CDARTS in the space of NAS-Bench-201, as its authors searched it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { PenaltyCommand } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { openNasBench201 } from '../../../src/benchmark/nas_bench.ts';
import { parseStructure } from '../../../src/benchmark/structure.ts';
import { structureIndex } from '../../../src/benchmark/structure_index.ts';
import { cdarts } from '../../../src/methods/cdarts/cdarts.ts';
import { cdartsPresets } from '../../../src/methods/cdarts/settings.ts';
import { benchmarkCurve } from '../../../src/run/benchmark_curve.ts';
import { startMethod } from '../../../src/run/start.ts';
import { usualPreset } from '../../../src/setting_rules.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

it('has the settings of section 12 of cdarts.md', () => {
  const { settings, space } = cdartsPresets['cdarts-nasbench201'];
  expect(settings).toMatchObject({
    ...{ batchSize: 64, initChannels: 16, layers: 15, evaluationLayers: 15, stemMultiplier: 1 },
    ...{ wLr: 0.08, nasnetLr: 0.08, wWeightDecay: 3e-4, wMomentum: 0.9, gradClip: 5 },
    ...{ alphaLr: 3e-4, alphaWeightDecay: 0, regularCoeff: 5, regularRatio: 0.667 },
    ...{ regularised: 'none', regularMean: true, regularCount: 1, fixHead: false, shareModule: true },
    ...{ lossAlpha: 1, lossT: 2, interactiveType: 'smoothl1', sampleRatio: 1 },
    ...{ warmupEpochs: 0, epochs: 50, nasnetWarmup: 1, nasnetWarmupHalf: 'validation' },
    ...{ rebuildEvaluation: true, restartOptimizers: true, clipTogether: true, ensemble: 'shared' },
  });
  expect(space).toBe('nasbench201');
  expect(usualPreset(cdarts.presets, 'nasbench201')).toBe('cdarts-nasbench201');
});

it('searches cells that a table of the benchmark knows', async () => {
  const folder = scratch();
  const out = join(folder, 'run');
  const device = await openDevice({ backend: 'cpu', threads: 1 });
  const execute = vi.spyOn(device, 'execute');
  const settings = { batchSize: 10, epochs: 2, initChannels: 2, layers: 3, evaluationLayers: 6, regularRatio: 1 };
  const { result } = startMethod('search', {
    ...{ method: 'cdarts', space: 'nasbench201', settings, dataset: tinyDataset(1, 16), device, out },
  });
  const { genotype } = (await result) as { readonly genotype: unknown };
  expect(genotype).toHaveProperty('cell');
  const penalties = execute.mock.calls.flatMap(([commands]) =>
    commands.filter((command): command is PenaltyCommand => command.kind === 'penalty'),
  );
  // Of 6 edges, in two epochs of two joint steps.
  expect(penalties.map(({ weight }) => weight)).toEqual([5 / 6, 5 / 6, 5 / 12, 5 / 12]);
  expect([...penalties[0].entries!['alphas_cell']]).toEqual(Array(6).fill([1, 0, 0, 0, 0]).flat());
  device.dispose();

  const texts = [0, 1].map((epoch) => readFileSync(join(out, `epoch_0${epoch}.genotypes`), 'utf8'));
  const rows = [...new Set(texts)].map((text, i) => `${structureIndex(parseStructure(text))},${text},${90 + i}`);
  const table = join(folder, 'table.csv');
  writeFileSync(table, ['arch_index,arch_str,cifar10_test', ...rows].join('\n'));
  const { points } = await benchmarkCurve(out, await openNasBench201(table, { incomplete: true }));
  expect(points.map(({ epochs, structure }) => [epochs, structure])).toEqual([
    [1, texts[0]],
    [2, texts[1]],
  ]);
});

it('is followed by the training of the benchmark', () => {
  const { settings } = cdartsPresets['cdarts-nasbench201'];
  expect(cdarts.usualTraining!('cdarts-nasbench201', settings)).toEqual({ preset: 'nasbench201' });
});
