// The generator against Random123's published vectors, and what is drawn from it against what it should be distributed as.
import { describe, expect, it } from 'vitest';
import {
  normal,
  permutation,
  philox,
  purposes,
  randomBlock,
  type StreamKey,
  sample,
  uniform,
} from '../../../src/random/philox.ts';

type Quad = readonly [number, number, number, number];

const stream: StreamKey = { seed: 7, purpose: 'trainOrder', epoch: 3, step: 11 };
const draws = 100_000;

function mean(values: ArrayLike<number>, power = 1): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** power;
  return sum / values.length;
}

/** How far a mean of `draws` numbers may stray: five deviations, which chance exceeds once in a million. */
function fiveDeviations(variance: number): number {
  return 5 * Math.sqrt(variance / draws);
}

describe('philox 4x32-10', () => {
  // kat_vectors of Random123 (Salmon, Moraes, Dror, Shaw, SC11).
  const vectors: readonly { counter: Quad; key: readonly [number, number]; block: Quad }[] = [
    { counter: [0, 0, 0, 0], key: [0, 0], block: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      block: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      block: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ];

  it.each(vectors)('gives the published block (%#)', ({ counter, key, block }) => {
    expect(philox(counter, key)).toEqual(block);
  });
});

describe('streams', () => {
  it('put purpose, epoch, step and index in the counter and all 53 bits of the seed in the key', () => {
    const seed = 0x1f_2345_6789_abcd;
    const expected = philox([purposes.trainOrder, 3, 11, 5], [0x6789abcd, 0x1f2345]);
    expect(randomBlock({ ...stream, seed }, 5)).toEqual(expected);
  });

  it('differ in every part of their name', () => {
    const others: readonly StreamKey[] = [
      { ...stream, seed: 8 },
      { ...stream, seed: 7 + 2 ** 32 },
      { ...stream, purpose: 'validationOrder' },
      { ...stream, epoch: 4 },
      { ...stream, step: 12 },
    ];
    const blocks = [stream, ...others].map((key) => randomBlock(key, 0).join());
    blocks.push(randomBlock(stream, 1).join());
    expect(new Set(blocks).size).toBe(blocks.length);
  });

  it('number each purpose differently', () => {
    const numbers = Object.values(purposes);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

describe('uniform', () => {
  it('stays in [0, 1) and is exact in float32', () => {
    const values = uniform(stream, draws);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(values.every((value) => Math.fround(value) === value)).toBe(true);
  });

  it('has the moments of a uniform number and fills the interval evenly', () => {
    const values = uniform(stream, draws);
    expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(fiveDeviations(1 / 12));
    expect(Math.abs(mean(values, 2) - 1 / 3)).toBeLessThan(fiveDeviations(4 / 45));
    const bins = new Array<number>(64).fill(0);
    for (const value of values) bins[Math.floor(value * bins.length)]++;
    const expected = draws / bins.length;
    const chiSquared = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 63 degrees of freedom: mean 63, deviation 11.2.
    expect(chiSquared).toBeLessThan(63 + 5 * 11.2);
  });

  it('has no correlation between neighbours', () => {
    const values = uniform(stream, draws).map((value) => value - 1 / 2);
    const products = values.map((value, i) => value * values[(i + 1) % draws]);
    expect(Math.abs(mean(products))).toBeLessThan(fiveDeviations(1 / 144));
  });

  it.each([0, 1, 2, 3, 5])('gives the first %i numbers of the longer draw', (count) => {
    expect(uniform(stream, count)).toEqual(uniform(stream, 64).slice(0, count));
  });
});

describe('normal', () => {
  it('has the first four moments of the standard normal distribution', () => {
    const values = normal(stream, draws);
    expect(values.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean(values))).toBeLessThan(fiveDeviations(1));
    expect(Math.abs(mean(values, 2) - 1)).toBeLessThan(fiveDeviations(2));
    expect(Math.abs(mean(values, 3))).toBeLessThan(fiveDeviations(15));
    expect(Math.abs(mean(values, 4) - 3)).toBeLessThan(fiveDeviations(96));
  });

  it('has independent halves of a pair', () => {
    const values = normal(stream, 2 * draws);
    const products = Float64Array.from({ length: draws }, (_, i) => values[2 * i] * values[2 * i + 1]);
    expect(Math.abs(mean(products))).toBeLessThan(fiveDeviations(1));
  });

  it.each([0, 1, 2, 3, 5])('gives the first %i numbers of the longer draw', (count) => {
    expect(normal(stream, count)).toEqual(normal(stream, 64).slice(0, count));
  });
});

describe('permutation', () => {
  it.each([0, 1, 2, 3, 17, 1000])('holds each of %i numbers once', (count) => {
    const sorted = permutation(stream, count).slice().sort();
    expect(sorted).toEqual(Uint32Array.from({ length: count }, (_, i) => i));
  });

  it('is the same for the same stream and another for another', () => {
    expect(permutation(stream, 100)).toEqual(permutation(stream, 100));
    expect(permutation(stream, 100)).not.toEqual(permutation({ ...stream, epoch: 4 }, 100));
  });

  it('puts every number in every place equally often', () => {
    const [rounds, count] = [24_000, 4];
    const orders = new Map<string, number>();
    for (let step = 0; step < rounds; step++) {
      const order = permutation({ ...stream, step }, count).join();
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    const expected = rounds / 24;
    const chiSquared = [...orders.values()].reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
    // 23 degrees of freedom: mean 23, deviation 6.8.
    expect(chiSquared).toBeLessThan(23 + 5 * 6.8);
  });
});

describe('sample', () => {
  it('takes as many as are asked for, none twice, and is a permutation where it takes all', () => {
    for (const size of [0, 1, 5, 12]) {
      const taken = [...sample(stream, 12, size)];
      expect(taken.length).toBe(size);
      expect(new Set(taken).size).toBe(size);
      expect(taken.every((value) => Number.isInteger(value) && value >= 0 && value < 12)).toBe(true);
      // Whatever else is taken.
      expect(taken).toEqual([...sample(stream, 12, 12)].slice(0, size));
    }
  });

  it('takes every ordered pair equally often', () => {
    const count = 20_000;
    const pairs = new Map<string, number>();
    for (let step = 0; step < count; step++) {
      const pair = sample({ ...stream, step }, 5, 2).join();
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    expect(pairs.size).toBe(20);
    const share = 1 / 20;
    for (const found of pairs.values()) {
      // Five deviations of a share.
      expect(Math.abs(found / count - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / count));
    }
  });
});
