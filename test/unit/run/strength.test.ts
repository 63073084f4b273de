// What alpha weighs beside what a supernet misses: of searches in small, on a device that only looks like one and on a real one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Device, EvaluateCommand } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { strengthLines } from '../../../src/cli/strength_report.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { drawStrength } from '../../../src/report/draw_strength.ts';
import { startMethod } from '../../../src/run/start.ts';
import { findStrength, type Strength, type StrengthOptions } from '../../../src/run/strength.ts';
import { type CandidateStrength, summaryOf } from '../../../src/run/strength_summary.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';
import { type TinySource, tinySource } from '../../helpers/tiny_source.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const dataset = tinyDataset();
const folder = mkdtempSync(join(tmpdir(), 'dartsmith-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
let source: TinySource;

beforeAll(async () => {
  source = await tinySource(2);
});

const find = (options: Partial<StrengthOptions> = {}) =>
  findStrength({ ...source, dataset, device: createFakeDevice(), ...options });

/** Runs a search to its end. */
async function searched(name: string, options: object): Promise<string> {
  const out = join(folder, name);
  const settings = { ...tinySettings, epochs: 1 };
  await startMethod('search', { dataset, device: createFakeDevice(), settings, out, ...options }).result;
  return out;
}

describe('findStrength', () => {
  it('leaves out each candidate of every edge, by statistics of batches and with all else as alpha has it', async () => {
    const device = createFakeDevice();
    const seen: [number, number][] = [];
    const { edges, images, imagesOf, stage, whole, measure } = await find({
      device,
      onProgress: (done, of) => seen.push([done, of]),
    });
    expect({ images, imagesOf, stage, measure }).toEqual({
      ...{ images: 20, imagesOf: 'validation', stage: 'search', measure: 'absence' },
    });
    // Five edges a cell, two candidates each, and the whole.
    expect(seen).toEqual(Array.from({ length: 21 }, (_, i) => [i + 1, 21]));
    const scores = device.calls.flat().filter((command): command is EvaluateCommand => command.kind === 'evaluate');
    expect(scores.every(({ statistics }) => statistics === 'batch')).toBe(true);
    const given = [...new Set(scores.map(({ mixing }) => mixing))].slice(1);
    expect(given).toHaveLength(20);
    for (const [pass, mixing] of given.entries()) {
      const edge = edges[Math.floor(pass / 2)];
      const [[table, rows]] = Object.entries(mixing ?? {}) as [string, (Float32Array | undefined)[]][];
      expect(table).toBe(`alphas_${edge.cell}`);
      const weights = edge.candidates.map(({ mixing: weight }) => Math.fround(weight));
      weights[pass % 2] = 0;
      const place = Math.floor(pass / 2) % 5;
      expect(rows.map((row) => row && [...row])).toEqual(rows.map((_, row) => (row === place ? weights : undefined)));
    }
    for (const { accuracy, strength } of edges.flatMap(({ candidates }) => candidates)) {
      expect(strength).toBe(whole.accuracy - accuracy);
    }
  });

  it('scores on part of the images, and by the loss where that is wanted', async () => {
    const device = createFakeDevice();
    const { images, whole, edges } = await find({ device, images: 6, projCrit: 'loss', edges: ['normal.1.2'] });
    expect([images, edges.map(({ cell, node, input }) => [cell, node, input])]).toEqual([6, [['normal', 1, 2]]]);
    for (const { loss, strength } of edges[0].candidates) expect(strength).toBeCloseTo(loss - whole.loss, 12);
    const taken = device.calls.flat().map((command) => command.kind === 'evaluate' && command.batch);
    expect(taken.every((batch) => batch && 'indices' in batch && batch.indices.length === 6)).toBe(true);
  });

  it('looks at ends, or at some edges at random, the same each time', async () => {
    const namesOf = async (edges: StrengthOptions['edges']) =>
      (await find({ edges })).edges.map(({ cell, node, input }) => `${cell}.${node}.${input}`);
    expect(await namesOf('ends')).toEqual(['normal.0.0', 'normal.1.2', 'reduce.0.0', 'reduce.1.2']);
    const some = await namesOf(3);
    expect(some).toHaveLength(3);
    expect(await namesOf(3)).toEqual(some);
    expect(await namesOf(99)).toHaveLength(10);
  });

  it('takes what a search by any method left, on the images that it learnt on where it kept no others', async () => {
    const stacnas = await searched('stacnas', { method: 'stacnas' });
    const own = { space: undefined, edges: ['normal.0.0'], plainScores: true };
    expect(await find({ ...own, run: stacnas })).toMatchObject({ stage: 'search2', imagesOf: 'train', images: 40 });
    expect(await find({ ...own, run: stacnas, stage: 'search1' })).toMatchObject({ stage: 'search1' });
    const tuned = { space: undefined, run: stacnas, edges: ['normal.0.0'], converge: 1 };
    expect(await find(tuned)).toMatchObject({ measure: 'alone', imagesOf: 'train' });
    const fair = await searched('fairdarts', { method: 'fairdarts' });
    const { edges } = await find({ ...own, run: fair });
    const sum = edges[0].candidates.reduce((total, { mixing }) => total + mixing, 0);
    // Sigmoids.
    expect(sum).toBeGreaterThan(2);
    const cells = await searched('nasbench201', { space: 'nasbench201' });
    expect((await find({ ...own, run: cells, edges: 'all' })).edges.map(({ cell }) => cell)).toEqual(
      Array(6).fill('cell'),
    );
  });

  it('stops where it is told to', async () => {
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    await expect(find({ signal: controller.signal, onProgress })).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('says so where fine-tuning diverges', async () => {
    const device = createFakeDevice({
      spoil: (outcomes) => outcomes.map((outcome) => ({ ...outcome, ...('loss' in outcome && { loss: Number.NaN }) })),
    });
    const error = await find({ device, converge: 1 }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'DIVERGED', message: 'the loss became NaN while fine-tuning' });
  });

  it('refuses what it cannot look at', async () => {
    const trained = join(folder, 'trained');
    const train = { dataset: { ...dataset, test: dataset.train }, device: createFakeDevice(), out: trained };
    const small = { batchSize: 8, epochs: 1, initChannels: 2, layers: 3, auxiliary: false };
    await startMethod('train', { ...train, genotype: genotypes['DARTS_V2'], settings: small }).result;
    const random = await searched('random', { settings: { ...tinySettings, randomSearch: true, epochs: 1 } });
    const early = await searched('early', {});
    rmSync(join(early, 'checkpoint.safetensors'));
    const cases: [Partial<StrengthOptions>, RegExp, string][] = [
      [{ run: trained }, /trained is no search: there is no supernet to go on with/, 'FILE'],
      [{ run: join(folder, 'none') }, /holds no run/, 'FILE'],
      [{ run: early, space: undefined }, /holds no checkpoint yet/, 'FILE'],
      [{ run: random, space: undefined }, /trained no supernet|holds no search that tells/, 'ARGUMENT'],
      [{ space: undefined }, /searched a space of its own, 'tiny'/, 'ARGUMENT'],
      [{ dataset: undefined }, /began with a dataset of its own, 'tiny'/, 'ARGUMENT'],
      [{ stage: 'search3' }, /but no 'search3'/, 'FILE'],
      [{ epoch: 1 }, /kept no snapshot of epoch 1: search --snapshot-epochs keeps some/, 'FILE'],
      [{ edges: ['normal.0.9'] }, /has no edge 'normal.0.9' \(Did you mean normal.0.0\?\)/, 'ARGUMENT'],
      [{ edges: ['9'] }, /has no edge '9': there are normal.0.0 to reduce.1.2/, 'ARGUMENT'],
      [{ edges: 'some' as 'all' }, /for edges but received 'some'/, 'ARGUMENT'],
      [{ patience: 2 }, /patience is for converge/, 'ARGUMENT'],
      [{ converge: 1, plainScores: true }, /plainScores cannot be given with converge/, 'ARGUMENT'],
    ];
    for (const [options, message, code] of cases) {
      const error: unknown = await find(options).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ message: expect.stringMatching(message), code });
    }
  });
});

describe('findStrength on a device that computes', () => {
  let device: Device;
  let run: string;
  beforeAll(async () => {
    device = await openDevice({ backend: 'cpu', threads: 2 });
    run = await searched('computed', { device, space: source.space });
  });
  afterAll(() => device.dispose());

  it('misses nothing where none is left out, and something elsewhere', async () => {
    const { whole, edges } = await find({ run, device, plainScores: true });
    for (const { candidates } of edges) {
      expect(candidates[0]).toMatchObject({ candidate: 'none', accuracy: whole.accuracy });
      expect(candidates[0].loss).toBeCloseTo(whole.loss, 5);
    }
    expect(edges.some(({ candidates }) => Math.abs(candidates[1].loss - whole.loss) > 1e-4)).toBe(true);
  });

  it('fine-tunes each candidate alone from the checkpoint on, whatever came before it', async () => {
    const seen: [number, number][] = [];
    const converge = { run, device, converge: 2, learningRate: 0.05, patience: 2, batchSize: 8 };
    const both = await find({
      ...converge,
      edges: ['normal.0.0', 'reduce.1.2'],
      onProgress: (done, of) => seen.push([done, of]),
    });
    const second = await find({ ...converge, edges: ['reduce.1.2'] });
    expect(second.edges[0]).toEqual(both.edges[1]);
    expect(both.measure).toBe('alone');
    for (const { accuracy, accuracies = [], strength } of both.edges.flatMap(({ candidates }) => candidates)) {
      expect(accuracies).toHaveLength(3);
      expect([accuracy, strength]).toEqual([Math.max(...accuracies), accuracy]);
    }
    // 3 steps an epoch.
    expect(seen.at(-1)).toEqual([24, 24]);
    const [one, other] = both.edges[0].candidates;
    expect(one.loss).not.toBe(other.loss);
  });

  it('stops fine-tuning once it stands still', async () => {
    const still = { run, device, converge: 9, learningRate: 0, patience: 1, edges: ['normal.0.0'] };
    const { edges } = await find(still);
    for (const { accuracies = [] } of edges[0].candidates) expect(accuracies.length).toBeLessThan(9);
  });
});

const candidatesOf = (numbers: readonly (readonly [string, number, number])[]): CandidateStrength[] =>
  numbers.map(([candidate, mixing, strength]) => ({
    ...{ candidate, mixing, strength, alpha: 0, accuracy: 0.5 - strength, loss: 1 },
  }));

describe('what strengths say', () => {
  const edges = [
    {
      cell: 'normal',
      node: 0,
      input: 0,
      candidates: candidatesOf([
        ['skip_connect', 0.7, 0.01],
        ['sep_conv_3x3', 0.3, 0.05],
      ]),
    },
    {
      cell: 'normal',
      node: 0,
      input: 1,
      candidates: candidatesOf([
        ['skip_connect', 0.6, 0.04],
        ['sep_conv_3x3', 0.4, 0.02],
      ]),
    },
    {
      cell: 'reduce',
      node: 0,
      input: 0,
      candidates: candidatesOf([
        ['skip_connect', 0.5, 0.02],
        ['sep_conv_3x3', 0.5, 0.02],
      ]),
    },
    {
      cell: 'reduce',
      node: 0,
      input: 1,
      candidates: candidatesOf([
        ['skip_connect', 0.2, 0.03],
        ['sep_conv_3x3', 0.8, 0.03],
      ]),
    },
  ];
  const summary = summaryOf(edges);

  it('counts where alpha is wrong; one as strong as the strongest is not', () => {
    expect(summary.disagreements).toBe(1);
    expect(summary.edges.map(({ largest, strongest, agrees }) => [largest, strongest, agrees])).toEqual([
      ['skip_connect', 'sep_conv_3x3', false],
      ['skip_connect', 'skip_connect', true],
      ['skip_connect', 'skip_connect', true],
      ['sep_conv_3x3', 'skip_connect', true],
    ]);
    expect(summary.operations).toEqual([
      { cell: 'normal', operation: 'skip_connect', largest: 2, strongest: 1 },
      { cell: 'normal', operation: 'sep_conv_3x3', largest: 0, strongest: 1 },
      { cell: 'reduce', operation: 'skip_connect', largest: 1, strongest: 2 },
      { cell: 'reduce', operation: 'sep_conv_3x3', largest: 1, strongest: 0 },
    ]);
  });

  it('correlates within edges, and over all', () => {
    expect(summary.edges.map(({ spearman }) => spearman)).toEqual([-1, 1, null, null]);
    expect(summary.withinEdges).toBe(0);
    expect(summary.spearman.coefficient).toBeCloseTo(-11.5 / Math.sqrt(41.5 * 39.5), 12);
    expect(summaryOf(edges.slice(2, 3))).toMatchObject({ withinEdges: null, spearman: { coefficient: null } });
  });

  const found: Strength = {
    ...summary,
    ...{ measure: 'absence', criterion: 'acc', stage: 'search', epoch: 2, images: 20, imagesOf: 'validation' },
    whole: { accuracy: 0.5, loss: 1 },
  };

  it('is told in lines', () => {
    const text = strengthLines(found).join('\n');
    expect(text).toContain(
      'stage search, after 2 epochs: 20 validation images, the whole supernet 50.00%, loss 1.000\n',
    );
    expect(text).toMatch(/^normal\.0\.0 +skip_connect +0\.0000 +0\.7000 +49\.00% +1\.000 +1\.00 +<- largest weight$/m);
    expect(text).toMatch(/^normal\.0\.1 .* 4\.00 +<- largest weight, strongest$/m);
    expect(text).toContain('the largest weight is not the strongest candidate on 1 of 4 edges\n');
    expect(text).toMatch(/^normal +skip_connect +2 +1$/m);
  });

  it('is drawn: a dot a candidate, and the largest of each edge framed', () => {
    const svg = drawStrength('a <run>', found);
    expect(svg).toContain('a &lt;run&gt;; framed');
    expect(svg.match(/<circle/g)).toHaveLength(8);
    expect(svg.match(/stroke="#d55e00"/g)).toHaveLength(8);
    expect(svg).toContain('accuracy lost without it, points');
    const alone = drawStrength('run', { ...found, measure: 'alone', criterion: 'loss' });
    expect(alone).toContain('loss with it alone, fine-tuned, negated');
    for (const bad of [{}, { ...found, edges: [] }, { ...found, measure: 'none' }]) {
      expect(() => drawStrength('run', bad as never)).toThrow(/expected strengths as findStrength gives them/);
    }
  });
});
