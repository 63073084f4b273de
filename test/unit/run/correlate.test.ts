import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { type CorrelateOptions, correlateAlpha } from '../../../src/correlate.ts';
import { keptEdges, withOperation } from '../../../src/genotype/edges.ts';
import type { AlphaCorrelation, CorrelationProgress } from '../../../src/run/correlate.ts';
import { readRun } from '../../../src/run/directory.ts';
import type { TrainResult } from '../../../src/run/events.ts';
import { readSearchedEdge } from '../../../src/run/searched_edge.ts';
import { startMethod } from '../../../src/run/start.ts';
import { associationsOf } from '../../../src/statistics/association.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = { ...tinyDataset(), test: tinyDataset(2).train };
const trained = { batchSize: 8, epochs: 1, initChannels: 2, layers: 3, auxiliary: false };
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const [run, staged, whole] = ['run', 'staged', 'whole'].map((name) => join(folder, name));
let device: Device;
let found: AlphaCorrelation;

const correlated = (options: Partial<CorrelateOptions> = {}) =>
  correlateAlpha({ run, dataset, device, settings: trained, out: whole, ...options });

/** Follows the trainings of a call. */
function follower() {
  const seen: CorrelationProgress[] = [];
  const steps = () => seen.filter(({ event }) => event.type === 'step');
  return { seen, steps, onProgress: (progress: CorrelationProgress) => void seen.push(progress) };
}

beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
  const common = { settings: { ...tinySettings, epochs: 1 }, dataset, device };
  await startMethod('search', { ...common, seed: 3, out: run }).result;
  await startMethod('search', { ...common, method: 'stacnas', out: staged }).result;
  found = await correlated();
});
afterAll(() => {
  device.dispose();
  rmSync(folder, { recursive: true });
});

describe('correlateAlpha', () => {
  it('trains each candidate but none, and correlates accuracies with mixing weights', () => {
    const { stage, edge, operations, activation, candidates, correlation } = found;
    expect({ stage, activation, cell: edge.cell, node: edge.node }).toEqual({
      ...{ stage: 'search', activation: 'softmax', cell: 'normal', node: 0 },
    });
    const names = candidates.map(({ candidate }) => candidate);
    expect(names).toHaveLength(7);
    expect(names).not.toContain('none');
    expect(names).toEqual(expect.arrayContaining([...operations]));
    const column = (name: 'mixing' | 'accuracy') => candidates.map((candidate) => candidate[name]);
    expect(correlation).toEqual(associationsOf(column('mixing'), column('accuracy')));
    expect(Math.max(...column('accuracy'))).toBeLessThanOrEqual(1);
  });

  it('trains as train does, with the seed of the search', async () => {
    const { genotype, edge } = await readSearchedEdge(await readRun(run), {});
    const { candidate, accuracy, loss } = found.candidates[3];
    const own = { genotype: withOperation(genotype, edge, candidate), settings: trained, dataset, device, seed: 3 };
    const { testAccuracy, testLoss } = (await startMethod('train', own).result) as TrainResult;
    expect([accuracy, loss]).toEqual([testAccuracy, testLoss]);
  });

  it('trains what StacNAS found as StacNAS does', async () => {
    const out = join(folder, 'normalised');
    await correlated({ run: staged, stage: 'search2', out });
    const [name] = readdirSync(out);
    const { config } = await readRun(join(out, name));
    expect(config.settings).toMatchObject({ ...trained, normalisePooling: true, scheduleAhead: true });
  });

  it('trains nothing again that is done', async () => {
    const { seen, onProgress } = follower();
    expect(await correlated({ onProgress })).toEqual(found);
    expect(seen).toEqual([]);
  });

  it('goes on where it was stopped, to the same bits, and tells how far it is', async () => {
    const out = join(folder, 'stopped');
    const controller = new AbortController();
    const first = follower();
    const onProgress = (progress: CorrelationProgress) => {
      first.onProgress(progress);
      if (progress.index === 2 && progress.event.type === 'step') controller.abort();
    };
    await expect(correlated({ out, onProgress, signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
    const second = follower();
    const again = await correlated({ out, onProgress: second.onProgress });
    const bare = ({ directory: _, ...rest }: AlphaCorrelation['candidates'][number]) => rest;
    expect(again.candidates.map(bare)).toEqual(found.candidates.map(bare));
    expect(second.seen[0]).toMatchObject({ index: 2, candidates: 7, waiting: 4, event: { type: 'start' } });
    // Five steps an epoch, seven candidates: each step once.
    expect(first.steps().length + second.steps().length).toBe(5 * 7);
  });

  it('goes on with a training whose last lines or whose journal were lost', async () => {
    const out = join(folder, 'torn');
    cpSync(whole, out, { recursive: true });
    const [torn, lost] = found.candidates.map(({ candidate }) => join(out, candidate, 'journal.jsonl'));
    writeFileSync(torn, readFileSync(torn, 'utf8').slice(0, -40));
    rmSync(lost);
    rmSync(join(out, found.candidates[1].candidate, 'checkpoint.safetensors'));
    const { seen, steps, onProgress } = follower();
    const again = await correlated({ out, onProgress });
    expect(again.correlation).toEqual(found.correlation);
    expect(new Set(seen.map(({ index }) => index))).toEqual(new Set([0, 1]));
    expect(steps().map(({ index }) => index)).toEqual(new Array(5).fill(1));
  });

  it('trains a candidate once that is twice on the edge, and says nothing of so few', async () => {
    const read = await readRun(staged);
    const { genotype } = await readSearchedEdge(read, {});
    const searched = await Promise.all(
      keptEdges(genotype).map(({ cell, node, input }) => readSearchedEdge(read, { edge: `${cell}.${node}.${input}` })),
    );
    const [{ edge }] = searched.filter(({ candidates }) => candidates.length === 1);
    const { stage, candidates, correlation } = await correlated({
      ...{ run: staged, edge: `${edge.cell}.${edge.node}.${edge.input}`, out: join(folder, 'few') },
    });
    expect(stage).toBe('search2');
    expect(candidates.map(({ candidate, others }) => [candidate, others?.length])).toEqual([['skip_connect', 1]]);
    const nothing = { coefficient: null, interval: null };
    expect(correlation).toEqual({ kendall: nothing, spearman: nothing, pearson: nothing });
  });

  it.each<[string, Partial<CorrelateOptions>, string, RegExp]>([
    [
      'other settings',
      { settings: { ...trained, epochs: 3 } },
      'FILE',
      /max_pool_3x3 holds a training with epochs 1 rather than 3: choose another folder \(--out\)/,
    ],
    ['another seed', { seed: 4 }, 'FILE', /seed 3 rather than 4/],
    [
      'another share to score on',
      { validationPortion: 0.5 },
      'FILE',
      /dataset validation portion none rather than 0.5/,
    ],
    ['another edge', { edge: 'reduce.0.0' }, 'FILE', /with another genotype/],
    ['an unknown edge', { edge: 'normal.0.9' }, 'ARGUMENT', /one that the genotype keeps, normal.0/],
    ['an unknown stage', { stage: 'search3' }, 'FILE', /no 'search3'/],
    ['no run', { run: folder }, 'FILE', /holds no run/],
    [
      'an unknown preset',
      { preset: 'quik' as 'quick' },
      'ARGUMENT',
      /for preset but received 'quik' \(Did you mean quick\?\)/,
    ],
    ['an unknown setting', { settings: { epoch: 1 } as object }, 'ARGUMENT', /Did you mean epochs\?/],
    ['no dataset', { dataset: undefined }, 'ARGUMENT', /began with a dataset of its own, 'tiny': give it as dataset/],
    ['a limit of its own images', { limit: 10 }, 'ARGUMENT', /limit/],
    ['a device and a backend', { backend: 'cpu' }, 'ARGUMENT', /cannot be given with device/],
    [
      'no test images',
      { dataset: { ...dataset, test: undefined }, out: join(folder, 'none') },
      'DATA',
      /no test images/,
    ],
  ])('refuses %s', async (_, options, code, message) => {
    await expect(correlated(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses a training as the search, and a search in the place of a training', async () => {
    const training = found.candidates[0].directory;
    await expect(correlated({ run: training })).rejects.toThrow(/holds a training: expected a search/);
    const out = join(folder, 'wrong');
    cpSync(run, join(out, 'max_pool_3x3'), { recursive: true });
    await expect(correlated({ out })).rejects.toThrow(/expected a training but holds a search/);
  });
});
