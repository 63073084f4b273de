// The Mersenne Twister against what Python's random and NumPy's RandomState drew, and the orders that follow from its seeds.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import {
  type Mt19937,
  maskedBelow,
  mt19937,
  mt19937ByArray,
  shuffleAsPython,
  topBitsBelow,
} from '../../../src/random/mt19937.ts';

const outputs = (generator: Mt19937, count: number) => Array.from({ length: count }, () => generator.next());

/** Draws an open item, and closes it. */
function take(generator: Mt19937, open: number[]): number {
  return open.splice(maskedBelow(generator, open.length), 1)[0];
}

/** The orders in which lists are drawn in turn from one stream. */
function drawnInTurn(generator: Mt19937, lists: readonly (readonly number[])[]): string {
  const open = lists.map((list) => [...list]);
  const orders: number[][] = lists.map(() => []);
  while (open[0].length > 0) for (const [i, list] of open.entries()) orders[i].push(take(generator, list));
  return orders.map((order) => order.join(' ')).join('; ');
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

describe('MT19937', () => {
  it('seeded by an array gives what mt19937ar.out lists, and what random.Random(88) of Python gives', () => {
    const published = [1067595299, 955945823, 477289528, 4107218783, 4228976476];
    expect(outputs(mt19937ByArray([0x123, 0x234, 0x345, 0x456]), 5)).toEqual(published);
    const python = outputs(mt19937ByArray([88]), 2002);
    expect(python.slice(0, 3)).toEqual([1707201716, 4182107318, 813946014]);
    expect(python.slice(2000)).toEqual([390666508, 2787308821]);
  });

  it('seeded by an integer gives what RandomState of NumPy gives', () => {
    const numpy = outputs(mt19937(0), 2000);
    expect(numpy.slice(0, 3)).toEqual([2357136044, 2546248239, 3071714933]);
    expect(numpy.slice(1998)).toEqual([2908299069, 3856691381]);
    expect(outputs(mt19937(2 ** 32 - 1), 2)).toEqual([419326371, 479346978]);
  });

  it('draws positions as NumPy does and as Python does', () => {
    const counts = [1, 2, 3, 5, 100, 25000, 1, 17];
    const [numpy, python] = [mt19937(7), mt19937ByArray([7])];
    expect(counts.map((count) => maskedBelow(numpy, count))).toEqual([0, 1, 0, 1, 67, 20691, 0, 7]);
    expect(counts.map((count) => topBitsBelow(python, count))).toEqual([0, 0, 1, 0, 9, 17559, 0, 11]);
  });

  it("shuffles as Python does: the halves of CIFAR-10's training images", () => {
    const order = numbers(0, 50_000);
    shuffleAsPython(mt19937ByArray([1021]), order);
    const halves = [order.slice(0, 25_000), order.slice(25_000)].map((half) => half.sort((a, b) => a - b));
    expect(halves.map((half) => [half[0], half[10], half[111]])).toEqual([
      [0, 26, 203],
      [1, 18, 242],
    ]);
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN])('refuses the seed %d', (seed) => {
    expect(() => mt19937(seed)).toThrow(ArgumentError);
    expect(() => mt19937ByArray([seed])).toThrow(ArgumentError);
    expect(() => maskedBelow(mt19937(0), seed === 2 ** 32 ? 0 : seed)).toThrow(ArgumentError);
  });

  it('refuses a key without a word', () => {
    expect(() => mt19937ByArray([])).toThrow(
      'expected a list of integers below 2^32, not empty for key but received []',
    );
  });
});

describe('the order in which DARTS-PT decides', () => {
  const edges = numbers(0, 14);
  const nodes = numbers(1, 3);
  // Of arXiv:2108.04392's code: six edges of NAS-Bench-201; fourteen of the normal and the reduction cell in turn, then their nodes.
  it.each([
    [0, '4 0 5 2 3 1', '12 0 13 8 4 3 11 1 9 5 6 7 2 10; 5 3 4 12 8 7 11 0 6 1 9 10 13 2', '1 3 2; 1 3 2'],
    [1, '5 3 0 1 4 2', '5 13 10 6 0 11 2 8 12 9 1 3 4 7; 11 8 13 0 2 9 4 12 5 7 6 3 1 10', '1 3 2; 2 3 1'],
    [2, '0 1 4 5 3 2', '8 9 13 10 2 6 5 11 7 4 12 3 0 1; 13 6 2 9 1 7 8 5 4 11 10 3 0 12', '2 1 3; 1 2 3'],
  ])('follows from seed %d', (seed, single, pair, nodePair) => {
    expect(drawnInTurn(mt19937(seed), [numbers(0, 6)])).toBe(single);
    const generator = mt19937(seed);
    expect(drawnInTurn(generator, [edges, edges])).toBe(pair);
    expect(drawnInTurn(generator, [nodes, nodes])).toBe(nodePair);
  });
});
