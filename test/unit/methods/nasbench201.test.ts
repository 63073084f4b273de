// A search in NAS-Bench-201 and the training of what it finds, as any other run; what reads such runs afterwards.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { correlateAlpha } from '../../../src/correlate.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { exportNetwork } from '../../../src/exchange/export.ts';
import { writePublishedHistory } from '../../../src/exchange/published_history.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { formatGenotype, parseGenotype } from '../../../src/genotype/text.ts';
import { findFeatures } from '../../../src/run/features.ts';
import { readJournal } from '../../../src/run/journal.ts';
import { spaceOfCheckpoint } from '../../../src/run/recorded_space.ts';
import { readHistory, selectFrom } from '../../../src/run/select.ts';
import { startMethod } from '../../../src/run/start.ts';
import { test } from '../../../src/run/test.ts';
import { search } from '../../../src/search.ts';
import { skeletons } from '../../../src/skeleton/skeletons.ts';
import { type SearchSpace, spaces } from '../../../src/space/space.ts';
import { train } from '../../../src/train.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const names = spaces['nasbench201'].candidates as readonly string[];
const small = { batchSize: 8, epochs: 1, initChannels: 2 };
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const run = join(folder, 'run');
let device: Device;
let found: Awaited<ReturnType<typeof search>['result']>;

beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
  const training = { settings: small };
  found = await search({ space: 'nasbench201', settings: small, training, dataset, device, out: run }).result;
});
afterAll(() => {
  device.dispose();
  rmSync(folder, { recursive: true });
});

describe('a search in NAS-Bench-201', () => {
  it('finds the largest weight of every edge, none among them, and trains it', async () => {
    const { genotype, mixing, training } = found;
    const largest = mixing['alphas_cell'].map(
      (row) => names[row.map(Math.fround).indexOf(Math.fround(Math.max(...row)))],
    );
    expect(genotype.cell?.nodes.flat().map(({ operation }) => operation)).toEqual(largest);
    expect(training).toMatchObject({ genotype, testAccuracy: expect.any(Number) });
    expect(readFileSync(join(run, 'genotype.txt'), 'utf8').trim()).toBe(formatGenotype(genotype));
  });

  it('has a journal that is read without it', async () => {
    for await (const record of readJournal(run)) {
      if (record.type === 'layout') expect(record).toMatchObject({ skeleton: 'nasbench201', nodes: 3 });
    }
    const { layout, entries } = await readHistory(run);
    expect(layout.tables['cell'].rows).toHaveLength(6);
    expect(entries.at(-1)?.mixing).toEqual(found.mixing);
    expect(await selectFrom(run)).toMatchObject({ genotype: found.genotype, by: 'darts' });
    expect(await selectFrom(run, { by: 'stacnas' })).toMatchObject({ genotype: found.genotype });
    await expect(selectFrom(run, { by: 'threshold_edge' })).rejects.toThrow('choose the rule darts');
  });

  it('leaves weights and a checkpoint that are tested and exported', async () => {
    const weights = join(run, 'train', 'weights.safetensors');
    const { accuracy } = await test({ genotype: found.genotype, weights, dataset, device });
    expect(accuracy).toBe(found.training?.testAccuracy);
    expect(await exportNetwork({ weights, format: 'onnx' })).toMatchObject({ skeleton: 'nasbench201', layers: 3 });
    const checkpoint = join(run, 'checkpoint.safetensors');
    const space = await spaceOfCheckpoint(checkpoint);
    expect(space).toMatchObject({ skeleton: 'nasbench201', nodes: 3 });
    const exported = await exportNetwork({ weights: checkpoint, space, format: 'pt' });
    expect(exported).toMatchObject({ supernet: true, genotype: found.genotype });
  });

  it('tells of the features of its candidates', async () => {
    const { edges } = await findFeatures({ run, dataset, device, images: 20, edges: 'all' });
    expect(edges).toHaveLength(18);
    expect(edges[0]).toMatchObject({ cell: 0, type: 'cell', candidates: names.slice(1) });
  });

  it('correlates alpha with the accuracies of an edge', async () => {
    const options = { run, edge: 'cell.2.1', settings: small, dataset, device, out: join(folder, 'correlated') };
    const { candidates } = await correlateAlpha(options);
    expect(candidates.map(({ candidate }) => candidate)).toEqual(names.slice(1));
  });
});

describe('runs of one cell', () => {
  const fails = async (options: object, message: string) => {
    const started = search({ space: 'nasbench201', settings: small, dataset, device, ...options });
    await expect(started.result).rejects.toThrow(ArgumentError);
    await expect(started.result).rejects.toThrow(message);
  };

  it('are refused by name where a setting, a rule or a training is of other networks', async () => {
    await fails({ preset: 'quick' }, 'a multiple of 3');
    await fails({ settings: { ...small, randomSearch: true } }, 'which this space does not have');
    await fails({ method: 'fairdarts', settings: { ...small, layers: 3 } }, 'choose the rule darts');
    await fails(
      { training: { preset: 'cifar10' } },
      'of the training that follows (--then): expected none (--no-auxiliary)',
    );
    const genotype = parseGenotype('|nor_conv_1x1~0|');
    const started = train({ genotype, settings: { ...small, auxiliary: true }, dataset, device });
    await expect(started.result).rejects.toThrow('no auxiliary head');
  });

  it('may be searched by FairDARTS, with the rule of DARTS', async () => {
    const settings = { ...small, layers: 3, parseMethod: 'darts' } as const;
    const { genotype } = await search({ method: 'fairdarts', space: 'nasbench201', settings, dataset, device }).result;
    expect(genotype.cell?.nodes).toHaveLength(3);
  });

  it('may be searched by StacNAS, in groups of their operations', async () => {
    const space: SearchSpace = {
      ...{ name: 'own', nodes: 3, skeleton: 'nasbench201' },
      candidates: ['nor_conv_3x3', 'skip_connect', 'avg_pool_3x3', 'none'],
    };
    const groups = 'nor_conv_3x3 nor_conv_1x1, skip_connect, avg_pool_3x3 max_pool_3x3';
    const settings = { ...small, layers: 3, search2Layers: 6, groups };
    const { genotype } = await search({ method: 'stacnas', space, settings, dataset, device }).result;
    expect(genotype.cell?.nodes).toHaveLength(3);
    await fails({ method: 'stacnas', space, settings: { ...small, layers: 3 } }, 'for a candidate of the space');
  });

  it('may weigh their entries, which the string cannot say', async () => {
    const out = join(folder, 'weighed');
    const settings = { ...small, reweight: true };
    const { genotype } = await search({ space: 'connect-nas', settings, dataset, device, out }).result;
    expect(genotype.cell?.nodes.flat().some(({ weight }) => weight !== undefined)).toBe(true);
    expect(parseGenotype(readFileSync(join(out, 'genotype.json'), 'utf8'))).toEqual(genotype);
  });

  it.each([0, 1])('may be searched with noise among their candidates, seed %i', async (seed) => {
    const settings = { ...small, layers: 3 };
    const runs = [1, 2].map(() => search({ space: 'nas-bench-201-s4', settings, seed, dataset, device }).result);
    const [first, second] = await Promise.all(runs);
    const found = first.genotype.cell?.nodes.flat().map(({ operation }) => operation);
    expect(['noise', 'nor_conv_3x3']).toEqual(expect.arrayContaining(found!));
    expect(second).toMatchObject({ genotype: first.genotype, mixing: first.mixing });
  });

  it('are trained and tested with noise on an edge', async () => {
    const genotype = parseGenotype('|noise~0|+|nor_conv_3x3~0|noise~1|');
    const out = join(folder, 'noisy');
    const { testAccuracy } = await train({ genotype, settings: { ...small, layers: 3 }, dataset, device, out }).result;
    const weights = join(out, 'weights.safetensors');
    const { loss } = await test({ genotype, weights, dataset, device });
    expect(loss).toBeGreaterThan(0);
    expect(testAccuracy).toBeGreaterThanOrEqual(0);
  });

  it('may bring a skeleton of their own, whose checkpoints need the program that has it', async () => {
    const skeleton = { ...skeletons.nasbench201, name: 'mine' };
    const space: SearchSpace = { ...spaces['nasbench201'], name: 'own', skeleton };
    const out = join(folder, 'own');
    const settings = { ...small, layers: 3 };
    const { genotype } = await startMethod('search', { space, settings, dataset, device, out }).result;
    expect(await selectFrom(out)).toMatchObject({ genotype });
    await expect(spaceOfCheckpoint(join(out, 'checkpoint.safetensors'))).rejects.toThrow(
      `the skeleton mine of ${out} is no known one: its supernet cannot be built`,
    );
  });

  it.each(['|none~0|+|none~0|none~1|', '|noise~0|', '|skip_connect~0|+|skip_connect~0|skip_connect~1|'])(
    'train cells without weights: %s',
    async (text) => {
      const { testLoss } = await train({ genotype: parseGenotype(text), settings: small, dataset, device }).result;
      expect(testLoss).toBeGreaterThan(0);
    },
  );

  it('have no place in the files of FairDARTS', async () => {
    const written = writePublishedHistory(join(folder, 'published'), await readHistory(run));
    await expect(written).rejects.toThrow('a table for normal and one for reduction cells');
  });

  it('train other genotypes with the presets of those', async () => {
    const started = train({
      genotype: genotypes['DARTS_V2'],
      preset: 'nasbench201-quick',
      settings: small,
      dataset,
      device,
    });
    const { testAccuracy } = await started.result;
    expect(testAccuracy).toBeGreaterThanOrEqual(0);
  });
});
