import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { drawClusters, drawCorrelations } from '../../../src/report/draw_features.ts';
import { type FeatureOptions, findFeatures } from '../../../src/run/features.ts';
import { startMethod } from '../../../src/run/start.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = tinyDataset();
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
const [staged, darts, trained] = ['staged', 'darts', 'trained'].map((name) => join(folder, name));
let device: Device;

beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
  const settings = { ...tinySettings, epochs: 1 };
  const common = { settings, dataset, device };
  await startMethod('search', { ...common, method: 'stacnas', out: staged }).result;
  await startMethod('search', { ...common, method: 'darts', out: darts }).result;
  const train = { ...common, dataset: { ...dataset, test: dataset.train }, genotype: genotypes['DARTS_V2'] };
  const small = { batchSize: 8, epochs: 1, initChannels: 2, layers: 3, auxiliary: false };
  await startMethod('train', { ...train, settings: small, out: trained }).result;
});
afterAll(() => {
  device.dispose();
  rmSync(folder, { recursive: true });
});

const find = (options: Partial<FeatureOptions> = {}) =>
  findFeatures({ run: staged, dataset, device, images: 30, ...options });

describe('findFeatures', () => {
  it.each(['mean', 'learnt'] as const)("builds nodes as the search had them: '%s'", async (nodes) => {
    const run = join(folder, nodes);
    const images = tinyDataset(1, 16);
    const sizes = { batchSize: 8, epochs: 1, warmupEpochs: 1, initChannels: 2, layers: 3, evaluationLayers: 3 };
    const settings = { ...sizes, nodes, wLr: 0.2 };
    await startMethod('search', { method: 'cdarts', settings, dataset: images, device, out: run }).result;
    const last = async () => (await find({ run, dataset: images })).edges.at(-1)!;
    const { cell, candidates, correlation } = await last();
    expect([cell, candidates.length]).toEqual([2, 7]);
    // A journal of sums tells of other features behind the first cell.
    const journal = join(run, 'journal.jsonl');
    const text = readFileSync(journal, 'utf8');
    expect(text).toContain(`"nodeForm":"${nodes}"`);
    writeFileSync(journal, text.replace(`"nodeForm":"${nodes}",`, ''));
    expect((await last()).correlation).not.toEqual(correlation);
  });

  it('looks at the first and the last edge of every cell of the first stage', async () => {
    const { stage, images, edges, proposal } = await find();
    expect([stage, images]).toEqual(['search1', 30]);
    expect(edges.map(({ cell, type, node, input }) => [cell, type, node, input])).toEqual(
      (['normal', 'reduce', 'reduce'] as const).flatMap((type, cell) => [
        [cell, type, 0, 0],
        [cell, type, 3, 4],
      ]),
    );
    for (const { candidates, correlation, projection, clusters } of edges) {
      expect(candidates).toEqual(['max_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_3x3']);
      for (const i of candidates.keys()) {
        // 0 for a candidate that is the same for every image: two pixels wide, by a rectifier.
        expect([0, 1]).toContainEqual(expect.closeTo(correlation[i][i], 6));
        for (const j of candidates.keys()) expect(correlation[i][j]).toBe(correlation[j][i]);
      }
      expect(projection).toHaveLength(4);
      expect(clusters.map(({ groups, assignment }) => [groups, new Set(assignment).size])).toEqual([
        [2, 2],
        [3, 3],
        [4, 4],
      ]);
    }
    expect(proposal?.groups.flat()).toHaveLength(4);
  });

  it('knows that a skip connection goes with itself, and poolings of one input with each other', async () => {
    const { edges, proposal } = await find({ stage: 'search2', edges: 'all' });
    expect(edges).toHaveLength(6 * 14);
    // Where a stage's edges differ nothing is proposed for all.
    expect(proposal).toBeUndefined();
    const twins = edges.filter(({ candidates, type }) => candidates[0] === candidates[1] && type === 'normal');
    expect(twins.length).toBeGreaterThan(0);
    for (const { correlation } of twins) expect(correlation[0][1]).toBeCloseTo(1, 6);
    const { edges: all } = await find({ run: darts, edges: 'all' });
    const pooled = all.filter(({ input }) => input < 2).map(({ correlation }) => correlation[0][1]);
    for (const value of pooled) expect(value).toBeGreaterThan(0.3);
  });

  it('gives the same numbers whatever the threads', async () => {
    using one = await openDevice({ backend: 'cpu', threads: 1 });
    expect(await find({ device: one, workers: 1 })).toEqual(await find({ workers: 2 }));
  });

  it('takes any search, proposes as many groups as are wanted, and says how far it is', async () => {
    const seen: number[] = [];
    const { stage, proposal } = await find({ run: darts, groups: 3, onProgress: (done) => seen.push(done) });
    expect(stage).toBe('search');
    expect(proposal?.candidates).toHaveLength(7);
    expect(proposal?.groups).toHaveLength(3);
    expect(seen.at(-1)).toBe(30);
  });

  it.each([
    [{ stage: 'search3' }, /holds the stages search1, search2, but no 'search3'/],
    [{ run: trained }, /holds no search that tells how its alpha lies/],
    [{ run: join(folder, 'none') }, /holds no run/],
    [{ dataset: undefined }, /began with a dataset of its own, 'tiny': give it as dataset/],
    [{ groups: 5 }, /at most 4 groups/],
    [{ images: 1 }, /images/],
    [{ edges: 'some' as 'all' }, /one of ends, all for edges/],
  ])('refuses %j', async (options, message) => {
    await expect(find(options)).rejects.toThrow(message);
  });

  it('refuses a search without a checkpoint, and one that is none', async () => {
    const early = join(folder, 'early');
    const controller = new AbortController();
    const { result } = startMethod('search', { settings: tinySettings, dataset, device, out: early });
    await result;
    rmSync(join(early, 'checkpoint.safetensors'));
    await expect(find({ run: early })).rejects.toThrow(/holds no checkpoint yet/);
    writeFileSync(join(early, 'checkpoint.safetensors'), 'none');
    await expect(find({ run: early })).rejects.toMatchObject({ code: 'FILE' });
    controller.abort();
    await expect(find({ signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('can be drawn', async () => {
    const { edges } = await find();
    expect(drawCorrelations('a <run>', edges)).toContain('a &lt;run&gt;');
    const svg = drawClusters(edges[0], edges[0].clusters[1].assignment);
    expect(svg.match(/<circle/g)).toHaveLength(4);
    for (const name of edges[0].candidates) expect(svg).toContain(name);
  });
});
