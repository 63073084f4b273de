// What CDARTS does with alpha beside its optimiser.
import { describe, expect, it } from 'vitest';
import { authorsRegular, regularisedEntries, regularWeight } from '../../../src/methods/cdarts/regularised.ts';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';
import { cdartsOperations } from '../../../src/operation/cdarts.ts';
import { spaces } from '../../../src/space/space.ts';

const tiny = { inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 } as const;
const { search } = buildCyclicNetworks(tiny);
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
const rowsOf = (flags: Uint8Array) => Array.from({ length: 14 }, (_, row) => [...flags.subarray(8 * row, 8 * row + 8)]);

describe('the penalty on alpha', () => {
  it('counts poolings, identities and dilated convolutions', () => {
    const { alphas_normal: normal, alphas_reduce: reduce } = regularisedEntries(search);
    const usual = [1, 1, 1, 0, 0, 1, 1, 0];
    const strided = [1, 1, 0, 0, 0, 1, 1, 0];
    expect(rowsOf(normal)).toEqual(Array(14).fill(usual));
    // p0 and p1 of the four nodes.
    const first = [0, 1, 2, 3, 5, 6, 9, 10];
    expect(rowsOf(reduce)).toEqual(Array.from({ length: 14 }, (_, row) => (first.includes(row) ? strided : usual)));
    const [atTwo, atOne] = [true, false].map((isStrided) =>
      sum(rowsOf(reduce).flatMap((flags, row) => (first.includes(row) === isStrided ? flags : []))),
    );
    expect([sum(normal), atTwo, atOne]).toEqual([70, 32, 30]);
  });

  it("counts what the authors' code does, on every edge", () => {
    const flags = regularisedEntries(search, authorsRegular);
    expect(Object.values(flags).map(sum)).toEqual([3 * 14, 3 * 14]);
    expect(rowsOf(flags['alphas_reduce'])[0]).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
  });

  it("counts a user's candidates by name", () => {
    const blur = { name: 'blur', build: cdartsOperations['avg_pool_3x3'] };
    const space = { ...spaces['cdarts'], name: 'mine', candidates: [blur, 'skip_connect', 'none'] };
    const { search: searched } = buildCyclicNetworks({ ...tiny, space });
    const flags = regularisedEntries(searched, { candidates: ['blur'], stridedSkips: false });
    expect([...flags['alphas_normal']].slice(0, 6)).toEqual([1, 0, 0, 1, 0, 0]);
  });

  it('leaves out what was cut, however it was marked', () => {
    const row = (value: number) => [value, ...new Array<number>(7).fill(0)];
    const zeros = () => Array.from({ length: 14 }, () => row(0));
    const cut = [row(-Infinity), row(-1e10), row(1e10), row(-9.9e9), ...zeros().slice(4)];
    const flags = regularisedEntries(search, undefined, { alphas_normal: cut, alphas_reduce: zeros() });
    expect(
      rowsOf(flags['alphas_normal'])
        .slice(0, 5)
        .map(([first]) => first),
    ).toEqual([0, 0, 0, 1, 1]);
    expect(sum(flags['alphas_normal'])).toBe(67);
  });

  it('falls as the published script has it: 5 in epoch 2, 5/6 less each epoch, 0 from epoch 8 on', () => {
    const published = { regularCoeff: 5, regularRatio: 0.2, epochs: 32, warmupEpochs: 2, iterationEpochs: 1 };
    const weights = Array.from({ length: 30 }, (_, index) => regularWeight(published, index + 2));
    for (const [index, weight] of weights.entries()) expect(weight).toBeCloseTo(Math.max(5 - (5 / 6) * index, 0), 12);
    expect(weights.slice(6).every((weight) => weight === 0)).toBe(true);
  });

  it('falls from pass to pass where epochs have several', () => {
    const settings = { regularCoeff: 5, regularRatio: 0.5, epochs: 6, warmupEpochs: 2, iterationEpochs: 2 };
    const weights = [2, 3, 4, 5].flatMap((epoch) => [0, 1].map((pass) => regularWeight(settings, epoch, pass)));
    expect(weights).toEqual([5, 3.75, 2.5, 1.25, 0, 0, 0, 0]);
  });

  it('is nothing where it has no epochs to fall in', () => {
    const settings = { regularCoeff: 5, regularRatio: 0, epochs: 32, warmupEpochs: 2, iterationEpochs: 1 };
    expect(regularWeight(settings, 2)).toBe(0);
    expect(regularWeight({ ...settings, regularRatio: 0.5, epochs: 2 }, 2)).toBe(0);
  });
});
