import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/backend/device.ts';
import { genotypeArgument } from '../../../src/cli/genotype_argument.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';
import { cosineLearningRate } from '../../../src/learn/cosine.ts';
import { memberSpace } from '../../../src/methods/stacnas/groups.ts';
import { stacnasPresets } from '../../../src/methods/stacnas/settings.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';
import type { GenotypeEvent, SearchResult } from '../../../src/run/events.ts';
import type { MethodOptions } from '../../../src/run/options.ts';
import { readHistory, selectFrom } from '../../../src/run/select.ts';
import { startMethod } from '../../../src/run/start.ts';
import { resolveSpace, type SearchSpace } from '../../../src/space/space.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { contentsOf } from '../../helpers/run_contents.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

const paper = stacnasPresets.paper.settings;
const first = resolveSpace('stacnas');
const onAll = (winner: string) => {
  const names = first.edges.normal.map(() => winner);
  return memberSpace(first, { normal: names, reduce: names }, true);
};

describe('the supernets of StacNAS', () => {
  const sizes = (space: string | SearchSpace, layers: number) => {
    const { parameters, architectureParameters } = costOf(
      buildSupernet({ space, inputShape: [32, 32, 3], classes: 10, layers }).graph,
    );
    return [parameters, architectureParameters];
  };

  it('have the published 1,550,266 weights and 140 alphas in the first stage', () => {
    expect(sizes('stacnas', paper.layers)).toEqual([1_550_266, 140]);
  });

  it.each([
    ['max_pool_3x3', 271_482],
    ['skip_connect', 353_402],
    ['sep_conv_3x3', 3_095_674],
    ['dil_conv_3x3', 1_683_578],
  ])('have the published sizes in the second, where %s won everywhere', (winner, weights) => {
    expect(sizes(onAll(winner), paper.search2Layers)).toEqual([weights, 84]);
  });
});

describe('the derived networks of StacNAS', () => {
  const costs = (name: string, options: object) =>
    costOf(
      buildDerivedNetwork({
        genotype: genotypes[name],
        inputShape: [32, 32, 3],
        classes: 10,
        normalisePooling: true,
        ...options,
      }).graph,
    );
  const mobile = { initChannels: 48, layers: 14, stem: 'large', classes: 1000, inputShape: [224, 224, 3] };

  it.each([
    ['STACNAS_CIFAR10', {}, 3_715_678],
    ['STACNAS_CIFAR100', { classes: 100 }, 4_033_936],
  ])('have the published parameters: %s', (name, options, parameters) => {
    expect(costs(name, options).parameters).toBe(parameters);
  });

  it.each([
    ['STACNAS_CIFAR10', 5.245],
    ['STACNAS_CIFAR100', 5.603],
    ['STACNAS_IMAGENET', 5.715],
  ])('have the published parameters as networks for ImageNet: %s', (name, millions) => {
    expect(costs(name, mobile).parameters / 1e6).toBeCloseTo(millions, 3);
  });
});

describe('the learning rate', () => {
  it('falls by a cosine or by a power of it, one epoch ahead or not', () => {
    const rates = (changes: object) =>
      [0, 39, 79].map((epoch) => Number(cosineLearningRate({ ...paper, ...changes }, epoch).toFixed(9)));
    expect(rates({})).toEqual([0.024990748, 0.013, 0.001]);
    expect(rates({ powerLr: true })).toEqual([0.024987176, 0.010941125, 0.001]);
    expect(rates({ scheduleAhead: false })[0]).toBe(0.025);
  });
});

describe('a run', () => {
  const run = async (options: MethodOptions) => {
    const device = createFakeDevice();
    const commands: Command[][] = [];
    const { execute } = device;
    device.execute = (list, more) => {
      commands.push([...list]);
      return execute(list, more);
    };
    const started = startMethod('search', { method: 'stacnas', device, dataset: tinyDataset(), ...options });
    const events: { readonly type: string }[] = [];
    for await (const event of started) events.push(event);
    return { commands, events, result: await started.result };
  };

  it('takes one pass a step for weights and alpha, on all images', async () => {
    const { commands } = await run({ settings: { ...tinySettings, search2Layers: 4 } });
    const steps = commands.filter((list) => list.some(({ kind }) => kind === 'sgd'));
    // 40 images in batches of 8, two epochs, two stages.
    expect(steps).toHaveLength(20);
    for (const [index, list] of steps.entries()) {
      expect(list).toMatchObject([
        { kind: 'gradients', target: 'both' },
        { kind: 'sgd', maxNorm: 3 },
        // Each stage begins anew.
        { kind: 'adam', step: (index % 10) + 1, learningRate: 6e-3, betas: [0.5, 0.999], weightDecay: 1e-3 },
      ]);
      expect(list[2]).not.toHaveProperty('maxNorm');
    }
  });

  it('tells of its stages, each of its depth', async () => {
    const { events } = await run({ settings: { ...tinySettings, search2Layers: 4 } });
    expect(events.filter(({ type }) => type === 'start' || type === 'stage')).toMatchObject([
      { layers: 3, stageName: 'search1', validationImages: 0 },
      { stage: 1, name: 'search2', layers: 4, epochs: 2, steps: 5 },
    ]);
    expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(4);
    expect(events.find(({ type }) => type === 'epoch')).not.toHaveProperty('validationAccuracy');
  });

  it('lets the weights learn alone at first where that is wanted', async () => {
    const { commands } = await run({ settings: { ...tinySettings, alphaWarmupEpochs: 1 } });
    const steps = commands.filter((list) => list.some(({ kind }) => kind === 'sgd'));
    const first = steps.slice(0, 10).map((list) => list.find(({ kind }) => kind === 'adam'));
    expect(first.map((adam) => (adam as { step?: number } | undefined)?.step)).toEqual([
      ...Array.from({ length: 5 }, () => undefined),
      ...[1, 2, 3, 4, 5],
    ]);
  });

  it('validates on the rest of the images', async () => {
    const { events, result } = await run({ settings: { ...tinySettings, trainRatio: 0.6 } });
    expect(events[0]).toMatchObject({ trainImages: 24, validationImages: 16 });
    expect(events.find(({ type }) => type === 'epoch')).toHaveProperty('validationAccuracy');
    expect(result).toHaveProperty('validationAccuracy');
  });

  it('leaves the genotype of the epoch that validated best, as its result has it', async () => {
    const out = join(scratch(), 'best');
    const { result, events } = await run({ settings: { ...tinySettings, epochs: 4, trainRatio: 0.6 }, out });
    const told = events.filter(({ type }) => type === 'genotype').map((event) => (event as GenotypeEvent).genotype);
    expect(parseGenotype(readFileSync(join(out, 'genotype.json'), 'utf8'))).toEqual(result.genotype);
    // Or the last one would do as well.
    expect(told.at(-1)).not.toEqual(result.genotype);
  });

  it('takes its stages one by one to what both come to', async () => {
    const settings = { ...tinySettings, search2Layers: 4 };
    const [both, first, second] = ['both', 'first', 'second'].map((name) => join(scratch(), name));
    const { result } = await run({ settings, out: both });
    await run({ settings: { ...settings, stage: 'search1' }, out: first });
    const alone = await run({ settings: { ...settings, stage: 'search2' }, from: first, out: second });
    expect(alone.result.genotype).toEqual(result.genotype);
    const [whole, parts] = [contentsOf(both), contentsOf(first)];
    for (const name of ['genotype.json', 'genotype.txt']) expect(whole[join('search1', name)]).toBe(parts[name]);
    expect(whole[join('search1', 'checkpoint.safetensors')]).toBe(parts['checkpoint.safetensors']);
  });

  it('goes on without the run that it began with', async () => {
    const [first, second] = ['first', 'second'].map((name) => join(scratch(), name));
    await run({ settings: { ...tinySettings, stage: 'search1' }, out: first });
    const { result } = await run({ settings: { ...tinySettings, stage: 'search2' }, from: first, out: second });
    rmSync(first, { recursive: true });
    rmSync(join(second, 'checkpoint.safetensors'));
    const again = startMethod('search', { resume: second, device: createFakeDevice(), dataset: tinyDataset() });
    expect((await again.result).genotype).toEqual(result.genotype);
  });

  it('refuses stages out of order, and what was found in another space or is damaged', async () => {
    const first = join(scratch(), 'first');
    await run({ settings: { ...tinySettings, stage: 'search1' }, out: first });
    const second = { ...tinySettings, stage: 'search2' };
    const refused = async (options: MethodOptions, message: RegExp) =>
      expect(run(options)).rejects.toMatchObject({ message: expect.stringMatching(message) });
    await refused({ settings: second }, /begins with what a first stage found: name its run/);
    await refused({ settings: tinySettings, from: first }, /from \(--from\) is for stage search2 alone/);
    await refused({ settings: second, from: join(first, 'none') }, /holds no run/);
    await refused({ settings: second, from: first, space: 'stacnas_all' }, /searched the space 'stacnas', but/);
    await refused({ settings: { ...second, nodes: 2 }, from: first }, /winners of the normal cell/);
    const journal = join(first, 'journal.jsonl');
    const lines = readFileSync(journal, 'utf8');
    writeFileSync(journal, lines.replace(/"outcome":\{"normal":\["\w+"/, '"outcome":{"normal":["sep_conv_9x9"'));
    await refused({ settings: second, from: first }, /winners of the normal cell but received 'sep_conv_9x9'/);
    writeFileSync(journal, lines.replace(/^.*"type":"outcome".*\n/m, ''));
    await refused({ settings: second, from: first }, /no stage of .* has ended yet/);
    const other = join(scratch(), 'other');
    await run({ method: 'darts', settings: tinySettings, out: other });
    await refused({ settings: second, from: other }, /is a search by darts: expected one by stacnas/);
  });

  it('gives every cell alpha and a genotype of its own where they share none', async () => {
    const settings = { ...tinySettings, layers: 4, search2Layers: 4, alphaShare: false };
    const out = join(scratch(), 'apart');
    const { result } = await run({ settings, out });
    expect(result.genotype.cells).toHaveLength(4);
    expect(Object.keys((result as SearchResult).mixing)).toEqual([0, 1, 2, 3].map((cell) => `cells.${cell}.alphas`));
    const journal = readFileSync(join(out, 'journal.jsonl'), 'utf8');
    const outcome = JSON.parse(/^.*"type":"outcome".*"search1".*$/m.exec(journal)?.[0] ?? '{}').outcome;
    // By a rule of its own: of the first stage's last table, edge by edge.
    const { tables } = [...journal.matchAll(/^\{"type":"alpha".*$/gm)]
      .map(([line]) => JSON.parse(line))
      .findLast(({ stage = 0 }) => stage === 0);
    const names = ['max_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_3x3'];
    for (const cell of [0, 1, 2, 3]) {
      const rows: number[][] = tables[`cells.${cell}.alphas`];
      const best = rows.map((row) => names[row.indexOf(Math.max(...row.slice(0, 4)))]);
      expect(outcome[`cells.${cell}`]).toEqual(best);
    }
    const { layout } = await readHistory(out);
    for (const cell of [0, 1, 2, 3]) {
      const [{ candidates }] = layout.tables[`cells.${cell}`].rows;
      expect(candidates).toContain(outcome[`cells.${cell}`][0]);
    }
    const first = await readHistory(out, { stage: 'search1' });
    expect(first.layout.tables['cells.0'].rows[0].candidates).toHaveLength(5);
    expect((await selectFrom(out)).genotype).toEqual(result.genotype);
    const entry = (await selectFrom(out, { stage: 'search1' })).genotype.cells?.[0].nodes[0][0];
    expect(names).toContain(entry?.operation);
    expect(await genotypeArgument(out)).toEqual({ genotype: result.genotype, run: out });
  });

  it('hands alpha of its own from cell to cell, of stages with as many', async () => {
    const apart = { ...tinySettings, layers: 4, alphaShare: false };
    const first = join(scratch(), 'first');
    await run({ settings: { ...apart, stage: 'search1' }, out: first });
    const second = { ...apart, stage: 'search2', search2Layers: 4 };
    expect((await run({ settings: second, from: first })).result.genotype.cells).toHaveLength(4);
    await expect(run({ settings: { ...apart, search2Layers: 5 } })).rejects.toThrow(
      'alphaShare off needs as many cells in both stages, but layers is 4 and search2Layers 5: give both, such as --layers 4',
    );
    await expect(run({ settings: { ...second, search2Layers: 5 }, from: first })).rejects.toThrow(
      'the first stage was one of 4 cells with alpha of their own, but the second is of 5 cells',
    );
    await expect(run({ settings: { ...second, alphaShare: true }, from: first })).rejects.toThrow(
      'was one of 4 cells with alpha of their own, but the second is of cells that share alpha by type',
    );
  });

  it("searches over groups of one's own, whose members the second stage has", async () => {
    const groups = 'max_pool_3x3 avg_pool_3x3, sep_conv_3x3 sep_conv_5x5 sep_conv_7x7';
    const out = join(scratch(), 'own');
    await run({ settings: { ...tinySettings, search2Layers: 3, groups }, out });
    const layouts = [...readFileSync(join(out, 'journal.jsonl'), 'utf8').matchAll(/^\{"type":"layout".*$/gm)];
    const [first, second] = layouts.map(([line]) => JSON.parse(line).tables.normal.rows);
    expect(first[0].candidates).toEqual(['max_pool_3x3', 'sep_conv_3x3', 'none']);
    for (const { candidates } of second) {
      expect(groups.split(', ')).toContain(candidates.slice(0, -1).join(' '));
      expect(candidates.at(-1)).toBe('none');
    }
    const all = startMethod('search', {
      ...{ method: 'stacnas', space: 'stacnas_all', device: createFakeDevice(), dataset: tinyDataset() },
      settings: { ...tinySettings, stage: 'search1', groups },
    });
    expect(((await all.result) as SearchResult).mixing['alphas_normal'][0]).toHaveLength(6);
  });

  it.each([
    [
      { settings: { ...tinySettings, groups: 'sep_conv_3x3, sep_conv_9x9' } },
      /one of .* for a candidate of group 2 of groups but received 'sep_conv_9x9' \(Did you mean sep_conv_\dx\d\?\)/,
    ],
    [{ settings: { ...tinySettings, groups: 'sep_conv_3x3,, none' } }, /at least one operation for group 2/],
    [
      { settings: { ...tinySettings, groups: 'sep_conv_3x3, none' } },
      /a candidate of group 2 of groups but received 'none'/,
    ],
    [
      { settings: { ...tinySettings, groups: 'sep_conv_3x3, skip_connect sep_conv_3x3' } },
      /an operation of no other group/,
    ],
    [{ settings: { ...tinySettings, groups: 3 } }, /groups, such as .* for groups but received 3/],
    [{ space: { name: 'own', nodes: 2, candidates: ['sep_conv_7x7', 'none'] } }, /one of avg_pool_3x3, .*sep_conv_7x7/],
    [{ space: 'darts' }, /stacnas/],
    [{ settings: { trainRatio: 0 } }, /trainRatio/],
  ])('refuses %j', async (options, message) => {
    await expect(run({ settings: tinySettings, ...options } as MethodOptions)).rejects.toThrow(message);
  });
});
