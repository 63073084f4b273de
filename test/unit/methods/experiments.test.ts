// The experiments of the FairDARTS code on plain DARTS: noise on skip connections, random search, weights in genotypes.
import { describe, expect, it } from 'vitest';
import type { DropoutDraw, GatheredBatch } from '../../../src/backend/device.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import type { MixedNode } from '../../../src/graph/graph.ts';
import { noiseScale } from '../../../src/learn/noise.ts';
import { drawArchitecture } from '../../../src/methods/darts/random_search.ts';
import { presets } from '../../../src/methods/darts/settings.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';
import type { SearchResult } from '../../../src/run/events.ts';
import { startMethod } from '../../../src/run/start.ts';
import { reweighted } from '../../../src/select/reweight.ts';
import { genotypeOf } from '../../../src/select/strongest_edges.ts';
import { spaces } from '../../../src/space/space.ts';
import { byType } from '../../helpers/by_type.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

describe('noise', () => {
  const settings = { noiseDarts: true, noiseType: 'N', maxStep: 30, noiseSchedule: 'cosine' } as const;
  const scales = (changes: object, epochs: readonly number[]) =>
    epochs.map((epoch) => noiseScale({ ...settings, ...changes }, epoch));

  it('fades by a cosine, or by a line, and is gone', () => {
    const [first, tenth, half, last, gone, after] = scales({}, [0, 10, 15, 29, 30, 49]);
    expect([first, gone, after]).toEqual([1, 0, 0]);
    expect(tenth).toBeCloseTo(0.75, 15);
    expect(half).toBeCloseTo(0.5, 15);
    expect(last).toBeCloseTo((1 - Math.cos(Math.PI / 30)) / 2, 15);
    const linear = scales({ noiseSchedule: 'linear', maxStep: 5 }, [0, 1, 2, 3, 4, 5]);
    expect(linear).toEqual([1, 0.75, 0.5, 0.25, 0, 0]);
    expect(scales({ noiseSchedule: 'linear', maxStep: 1 }, [0, 1])).toEqual([1, 0]);
    expect(scales({ noiseDarts: false }, [0, 5])).toEqual([0, 0]);
  });

  it('is on every skip connection of stride 1, in reduction cells too, and nowhere else', () => {
    const space = { ...spaces['darts_without_none'], skipNoise: 'integers' } as const;
    const { graph } = buildSupernet({ space, inputShape: [8, 8, 1], classes: 3, initChannels: 2, layers: 3 });
    const noisy = graph.nodes.filter(({ op }) => op === 'noise');
    // A normal cell of 14 edges, two reduction cells of 6 that do not leave an input.
    expect(noisy.length).toBe(14 + 2 * 6);
    for (const node of noisy) expect(node).toMatchObject({ distribution: 'integers' });
    const mixed = graph.nodes.filter((node): node is MixedNode => node.op === 'mixed');
    const isSkip = (id: number) =>
      mixed.some(({ branches }) => branches.some(({ name, output }) => name === 'skip_connect' && output === id));
    expect(noisy.every(({ id }) => isSkip(id))).toBe(true);
    // No weights of its own.
    const plain = buildSupernet({
      space: 'darts_without_none',
      inputShape: [8, 8, 1],
      classes: 3,
      initChannels: 2,
      layers: 3,
    });
    expect(graph.parameters).toEqual(plain.graph.parameters);
  });

  it.each([false, true])(
    'is drawn anew in each pass of a step while it lasts, but in none that scores (unrolled: %s)',
    async (unrolled) => {
      const device = createFakeDevice();
      const run = startMethod('search', {
        ...{ device, dataset: tinyDataset(), seed: 5 },
        settings: { ...tinySettings, epochs: 3, noiseDarts: true, maxStep: 2, unrolled },
      });
      await run.result;
      const draws: (DropoutDraw | undefined)[] = [];
      for (const command of device.calls.flat()) {
        if (command.kind === 'evaluate') expect(command.batch.dropout).toBeUndefined();
        else if (command.kind === 'hypergradient') draws.push(command.train.dropout, command.validation.dropout);
        else if (command.kind === 'gradients') draws.push(command.batch.dropout);
      }
      const passes = unrolled ? 3 : 2;
      const [first, second, third] = [0, 1, 2].map((epoch) =>
        draws.slice(3 * passes * epoch, 3 * passes * (epoch + 1)),
      );
      expect(new Set(first.map((draw) => draw?.noiseScale))).toEqual(new Set([1]));
      for (const draw of second) expect(draw?.noiseScale).toBeCloseTo(0.5, 15);
      expect(third.every((draw) => draw === undefined)).toBe(true);
      const names = [...first, ...second].map((draw) => JSON.stringify(draw));
      expect(new Set(names).size).toBe(6 * passes);
    },
  );

  it('is a number of its own for every pass over one batch', async () => {
    const device = createFakeDevice();
    const settings = { ...tinySettings, noiseDarts: true, unrolled: true };
    await startMethod('search', { device, dataset: tinyDataset(), settings }).result;
    const [hypergradient, , gradients] = device.calls[0];
    if (hypergradient.kind !== 'hypergradient' || gradients.kind !== 'gradients') throw new Error('another step');
    const [train, batch] = [hypergradient.train as GatheredBatch, gradients.batch as GatheredBatch];
    expect(train.indices).toEqual(batch.indices);
    expect(train.augmentation).toEqual(batch.augmentation);
    expect(train.dropout).not.toEqual(batch.dropout);
  });
});

describe('random search', () => {
  const supernet = buildSupernet({
    ...{ space: 'darts_without_none', inputShape: [8, 8, 1] as const, classes: 3 },
    ...{ initChannels: 2, layers: 3 },
  });
  const wanted = { numIdentity: 2, flopsThreshold: 450 };
  const draw = (number: number, seed = 2) => drawArchitecture(supernet, wanted, { seed, number }, genotypeOf);
  const published = { inputShape: [32, 32, 3] as const, classes: 10, initChannels: 36, layers: 20 };

  it('draws architectures of so many skips and at least so many FLOPs, others by another seed', async () => {
    const drawn = [await draw(0), await draw(1), await draw(0, 3)];
    for (const { genotype, megaflops, seed } of drawn) {
      expect(
        byType(genotype)
          .normal.nodes.flat()
          .filter(({ operation }) => operation === 'skip_connect').length,
      ).toBe(2);
      expect(costOf(buildDerivedNetwork({ genotype, ...published }).graph).flops / 1e6).toBe(megaflops);
      expect(megaflops).toBeGreaterThanOrEqual(450);
      expect(seed).toBeGreaterThanOrEqual(0);
      expect(seed).toBeLessThanOrEqual(1000);
    }
    expect(new Set(drawn.map(({ genotype }) => JSON.stringify(genotype))).size).toBe(3);
    expect(await draw(0)).toEqual(drawn[0]);
  });

  it('has the published ones among what it may draw', () => {
    for (const name of ['DARTS_ID2_FPT_1', 'DARTS_ID2_FPT_4', 'DARTS_ID2_FPT_7']) {
      const genotype = genotypes[name];
      expect(
        byType(genotype)
          .normal.nodes.flat()
          .filter(({ operation }) => operation === 'skip_connect').length,
      ).toBe(2);
      expect(costOf(buildDerivedNetwork({ genotype, ...published }).graph).flops / 1e6).toBeGreaterThanOrEqual(500);
    }
  });

  it('gives up where nothing is such', async () => {
    const never = drawArchitecture(supernet, { numIdentity: 8, flopsThreshold: 0 }, { seed: 0, number: 0 }, genotypeOf);
    await expect(never).rejects.toThrow(/^of 20000 architectures drawn 0 had numIdentity 8 skip connections/);
  });

  it('finds as many as are asked for, by name, trains nothing, and keeps weights where they are asked for', async () => {
    const device = createFakeDevice();
    const settings = { ...tinySettings, randomSearch: true, numArch: 3, flopsThreshold: 300, reweight: true };
    const run = startMethod('search', { device, dataset: tinyDataset(), preset: 'fairdarts', settings });
    const types: string[] = [];
    for await (const { type } of run) types.push(type);
    expect(types).toEqual(['start', ...Array(3).fill(['epoch', 'decision', 'genotype']).flat()]);
    const { architectures = {}, genotype } = (await run.result) as SearchResult;
    expect(Object.keys(architectures)).toEqual(['arch_0', 'arch_1', 'arch_2']);
    expect(genotype).toEqual(architectures['arch_2']);
    expect(device.calls).toEqual([]);
    for (const { weight } of byType(genotype).normal.nodes.flat()) {
      // Softmax of seven alphas near 0, the largest.
      expect(weight).toBeGreaterThan(1 / 7);
      expect(weight).toBeLessThan(0.145);
    }
  });
});

describe('reweighted', () => {
  const space = { name: 'two', nodes: 1, candidates: ['skip_connect', 'none', 'sep_conv_3x3'] };
  const supernet = buildSupernet({ space, inputShape: [8, 8, 1], classes: 3, initChannels: 2, layers: 3 });
  const mixing = {
    alphas_normal: [
      [0.5, 0.3, 0.2],
      [0.1, 0.2, 0.7],
    ],
    alphas_reduce: [
      [0.25, 0.5, 0.25],
      [0.3, 0.3, 0.4],
    ],
  };

  it('gives each entry the mixing weight of its operation on its edge', () => {
    const entries = ({ nodes }: { nodes: readonly (readonly object[])[] }) => nodes;
    const { normal, reduce } = byType(reweighted(supernet, mixing, genotypeOf(supernet, mixing)));
    // As float32 they are those of the tables.
    const [half, seven, quarter, four] = [0.5, 0.699999988, 0.25, 0.400000006];
    expect([seven, four].map(Math.fround)).toEqual([0.7, 0.4].map(Math.fround));
    expect(entries(normal)).toEqual([
      [
        { operation: 'sep_conv_3x3', input: 1, weight: seven },
        { operation: 'skip_connect', input: 0, weight: half },
      ],
    ]);
    expect(entries(reduce)).toEqual([
      [
        { operation: 'sep_conv_3x3', input: 1, weight: four },
        { operation: 'skip_connect', input: 0, weight: quarter },
      ],
    ]);
  });
});

describe('the preset of plain DARTS beside FairDARTS', () => {
  it('brings its space, which an option replaces', async () => {
    const spaceOf = async (options: object) => {
      const device = createFakeDevice();
      const run = startMethod('search', { device, dataset: tinyDataset(), settings: tinySettings, ...options });
      for await (const event of run) if (event.type === 'start') return event.space;
      return undefined;
    };
    expect(presets.fairdarts.space).toBe('darts_without_none');
    expect(await spaceOf({ preset: 'fairdarts' })).toBe('darts_without_none');
    expect(await spaceOf({ preset: 'fairdarts', space: 'fairdarts' })).toBe('fairdarts');
    expect(await spaceOf({})).toBe('darts');
  });
});
