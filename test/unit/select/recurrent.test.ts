// Which recurrent cell alpha stands for.
import { describe, expect, it } from 'vitest';
import { formatGenotype } from '../../../src/genotype/text.ts';
import { mixingWeights } from '../../../src/network/mixing.ts';
import { uniform } from '../../../src/random/philox.ts';
import { isLayout, selectableOf } from '../../../src/select/layout.ts';
import { recurrentRows } from '../../../src/select/recurrent_rows.ts';
import { selectGenotype } from '../../../src/select/rules.ts';
import { genotypeOf } from '../../../src/select/strongest_edges.ts';

const layout = (nodes: number) => ({ nodes, tables: { recurrent: { name: 'alphas', rows: recurrentRows(nodes) } } });
const genotype = (mixing: number[][], nodes: number) => genotypeOf(selectableOf(layout(nodes)), { alphas: mixing });
const columns = ['none', 'tanh', 'relu', 'sigmoid', 'identity'];

/** The page's rule, row by row of the whole table: node i has rows i(i-1)/2 to i(i-1)/2 + i - 1. */
function pairsByPage(rows: readonly (readonly number[])[], nodes: number): [string, number][] {
  return Array.from({ length: nodes }, (_, index) => {
    const first = ((index + 1) * index) / 2;
    let [best, from, column] = [-1, 0, 0];
    for (let j = 0; j <= index; j++) {
      for (let k = 1; k < 5; k++) {
        if (rows[first + j][k] > best) [best, from, column] = [rows[first + j][k], j, k];
      }
    }
    return [columns[column], from];
  });
}

describe('the rows of a recurrent cell', () => {
  it('are 36 of five columns in a search', () => {
    const rows = recurrentRows(8);
    expect(rows).toHaveLength(36);
    expect(rows.every(({ candidates }) => candidates.join() === columns.join())).toBe(true);
    expect(rows.slice(0, 4).map(({ node, input }) => [node, input])).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 0],
    ]);
    expect(isLayout(layout(8))).toBe(true);
    expect(
      isLayout({ nodes: 1, tables: { recurrent: { name: 'a', rows: [{ node: 0, input: 1, candidates: columns }] } } }),
    ).toBe(false);
    expect(() => recurrentRows(0)).toThrow('for nodes');
  });
});

describe('the genotype of a recurrent cell', () => {
  it('has of each node the row with the largest weight other than none, and its best activation', () => {
    const mixing = [
      [0.9, 0.02, 0.01, 0.04, 0.03],
      // none does not count: 0.3 is more than 0.2.
      [0.6, 0.2, 0.1, 0.05, 0.05],
      [0.1, 0.2, 0.2, 0.2, 0.3],
    ];
    expect(formatGenotype(genotype(mixing, 2))).toBe(
      "Genotype(recurrent=[('sigmoid', 0), ('identity', 1)], concat=range(1, 3))",
    );
  });

  it('gives ties to the lower index, of rows and of columns', () => {
    const even = Array.from({ length: 6 }, () => [0.2, 0.2, 0.2, 0.2, 0.2]);
    expect(formatGenotype(genotype(even, 3))).toBe(
      "Genotype(recurrent=[('tanh', 0), ('tanh', 0), ('tanh', 0)], concat=range(1, 4))",
    );
    const tied = [
      [1, 0, 0, 0, 0],
      [0.5, 0, 0.1, 0.3, 0.1],
      [0.1, 0, 0.3, 0.3, 0.3],
    ];
    expect(genotype(tied, 2).recurrent?.nodes[1]).toEqual([{ operation: 'sigmoid', input: 0 }]);
  });

  it('compares weights, which rows share out, and not alpha', () => {
    const alpha = Float32Array.of(0, 0, 0, 0, 0, 9, 9.5, 9, 9, 9, -9, -9, -9, -9, 0);
    const mixing = mixingWeights(alpha, [5, 5, 5], 'softmax');
    expect(genotype(mixing, 2).recurrent?.nodes[1]).toEqual([{ operation: 'identity', input: 1 }]);
  });

  it('follows the rule for any alpha', () => {
    for (let seed = 0; seed < 100; seed++) {
      const numbers = uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, 180);
      // Coarse, so that there are ties.
      const alpha = Float32Array.from(numbers, (number) => Math.floor(number * (seed % 2 ? 4 : 1e6)) / 2);
      const mixing = mixingWeights(alpha, Array(36).fill(5), 'softmax').map((row) => row.map(Math.fround));
      const { recurrent } = genotype(mixing, 8);
      expect(recurrent?.nodes.map(([{ operation, input }]) => [operation, input])).toEqual(pairsByPage(mixing, 8));
      expect(recurrent?.concat).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    }
  });

  it('is of no threshold, and the same by the rules without one', () => {
    const mixing = { alphas: [[0, 0.1, 0.2, 0.3, 0.4]] };
    const supernet = selectableOf(layout(1));
    for (const by of ['threshold_sparse', 'threshold_edge'] as const) {
      expect(() => selectGenotype(supernet, mixing, { by, threshold: 0.5 })).toThrow(
        'every node of a recurrent cell keeps an edge: choose the rule darts',
      );
    }
    for (const by of ['darts', 'cdarts', 'stacnas'] as const) {
      expect(selectGenotype(supernet, mixing, { by, threshold: 0 }, mixing)).toEqual(genotype(mixing.alphas, 1));
    }
  });

  it('wants rows that fit', () => {
    expect(() => genotype([[1, 2, 3, 4]], 1)).toThrow('5 finite numbers, one a candidate');
    expect(() => genotype([], 1)).toThrow('1 rows, one an edge');
  });
});
