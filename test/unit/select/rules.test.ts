// Every rule against a second implementation, written from the page: flat tables and argsort as numpy would have them.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { GenotypeCell } from '../../../src/genotype/genotype.ts';
import { uniform } from '../../../src/random/philox.ts';
import { countAtThreshold, emptyCellNotice } from '../../../src/select/empty_cells.ts';
import { parseMethods, type SelectionRule, selectGenotype } from '../../../src/select/rules.ts';
import { resolveSpace } from '../../../src/space/space.ts';
import { byType } from '../../helpers/by_type.ts';

const primitives = [
  'max_pool_3x3',
  'avg_pool_3x3',
  'skip_connect',
  'sep_conv_3x3',
  'sep_conv_5x5',
  'dil_conv_3x3',
  'dil_conv_5x5',
];

const fair = searched(4, primitives);
const draws = (seed: number, count: number) => uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, count);

/** Tables of a space as a supernet has them. */
function searched(nodes: number, candidates: readonly string[] | ((node: number, input: number) => readonly string[])) {
  const space = resolveSpace({
    name: 'own',
    nodes,
    candidates: typeof candidates === 'function' ? ({ node, input }) => candidates(node, input) : candidates,
    activation: 'sigmoid',
  });
  const table = (type: 'normal' | 'reduce') => ({
    name: `alphas_${type}`,
    rowLengths: space.edges[type].map((edge) => edge.candidates.length),
    edges: space.edges[type],
  });
  return { space, tables: { normal: table('normal'), reduce: table('reduce') } };
}

/** Both tables cut from numbers, row after row. */
function rowsOf({ tables }: ReturnType<typeof searched>, numbers: ArrayLike<number>): Record<string, number[][]> {
  let at = 0;
  const rows = (lengths: readonly number[]) =>
    lengths.map((length) => Array.from({ length }, () => numbers[at++ % numbers.length]));
  return { alphas_normal: rows(tables.normal.rowLengths), alphas_reduce: rows(tables.reduce.rowLengths) };
}

/** Indices that sort numbers upwards, of equals the lower index first: numpy's argsort of kind stable. */
function argsort(values: readonly number[]): number[] {
  const order: number[] = [];
  for (const index of values.keys()) {
    let at = order.length;
    while (at > 0 && values[order[at - 1]] > values[index]) at--;
    order.splice(at, 0, index);
  }
  return order;
}

/** The page's rules over one table of float32 numbers: entries (operation, to, from) in the order of the list. */
function entriesByPage(by: SelectionRule, rows: readonly (readonly number[])[], names: readonly string[], T: number) {
  const W = rows.map((row) => [...Float32Array.from(row)]);
  const found: [string, number, number][] = [];
  for (let i = 0, s = 0; s < W.length; s += i + 2, i++) {
    if (by === 'threshold_edge') {
      for (let j = 0; j < i + 2; j++) {
        for (const k of argsort(W[s + j]).slice(-2)) if (W[s + j][k] >= T) found.push([names[k], i + 2, j]);
      }
      continue;
    }
    const strength = Array.from({ length: i + 2 }, (_, j) => -Math.max(...W[s + j]));
    for (const j of argsort(strength).slice(0, 2)) {
      const k = W[s + j].indexOf(-strength[j]);
      if (by === 'darts' || W[s + j][k] >= T) found.push([names[k], i + 2, j]);
    }
  }
  return found;
}

/** A cell's entries in the order of the list. */
function entriesOf({ nodes }: GenotypeCell): [string, number, number][] {
  return nodes.flatMap((edges, node) =>
    edges.map(({ operation, input }): [string, number, number] => [operation, node + 2, input]),
  );
}

function expectAgreement(seed: number, numbers: ArrayLike<number>, threshold: number): void {
  const mixing = rowsOf(fair, numbers);
  const told = parseMethods.map((by) => {
    const { entries, ...cells } = byType(selectGenotype(fair, mixing, { by, threshold }));
    const cell = ({ nodes, concat }: GenotypeCell) => [nodes.length, concat, entriesOf({ nodes, concat })];
    return [by, entries, cell(cells.normal), cell(cells.reduce)];
  });
  const expected = parseMethods.map((by) => {
    const cell = (rows: readonly (readonly number[])[]) => {
      const entries = entriesByPage(by, rows, primitives, threshold);
      return [4, by === 'darts' ? [2, 3, 4, 5] : [...new Set(entries.map(([, to]) => to))], entries];
    };
    const form = by === 'darts' ? undefined : 'triples';
    return [by, form, cell(mixing['alphas_normal']), cell(mixing['alphas_reduce'])];
  });
  expect(told, `table ${seed}`).toEqual(expected);
}

describe('selectGenotype', () => {
  it('is what the page says of 1,000 random tables', () => {
    for (let seed = 0; seed < 1000; seed++) {
      // By turns most weights are below the threshold, or most above.
      const numbers = draws(seed, 196).map((value) => value ** [0.2, 1, 3][seed % 3]);
      expectAgreement(seed, numbers, [0.85, 0.5, 0.95][seed % 3]);
    }
  });

  it('is what the page says of 300 tables full of ties', () => {
    for (let seed = 0; seed < 300; seed++) {
      const steps = 1 + (seed % 4);
      const numbers = draws(seed, 196).map((value) => 0.8 + 0.05 * Math.floor(value * steps));
      expectAgreement(seed, numbers, 0.85);
    }
  });

  it('takes of seven equal weights the first by edge, and by operation the last two in their order', () => {
    const mixing = rowsOf(fair, [0.9]);
    const sparse = byType(selectGenotype(fair, mixing, { by: 'threshold_sparse', threshold: 0.85 }));
    expect(sparse.normal.nodes[3]).toEqual([
      { operation: 'max_pool_3x3', input: 0 },
      { operation: 'max_pool_3x3', input: 1 },
    ]);
    const every = byType(selectGenotype(fair, mixing, { by: 'threshold_edge', threshold: 0.85 }));
    expect(every.reduce.nodes.map((entries) => entries.length)).toEqual([4, 6, 8, 10]);
    expect(every.reduce.nodes[0]).toEqual([
      { operation: 'dil_conv_3x3', input: 0 },
      { operation: 'dil_conv_5x5', input: 0 },
      { operation: 'dil_conv_3x3', input: 1 },
      { operation: 'dil_conv_5x5', input: 1 },
    ]);
  });

  it('compares a float32 weight with the threshold in double', () => {
    // 0.85 as float32 is 0.85000002384185791, 0.9 is 0.89999997615814209, 0.75 is itself.
    for (const [threshold, isKept] of [[0.85, true] as const, [0.9, false] as const, [0.75, true] as const]) {
      const mixing = rowsOf(fair, [threshold]);
      const { nodes } = byType(selectGenotype(fair, mixing, { by: 'threshold_sparse', threshold })).normal;
      expect(nodes.map((entries) => entries.length)).toEqual(new Array(4).fill(isKept ? 2 : 0));
    }
    // Two doubles that are one float32 tie: the lower index comes first.
    const close = rowsOf(fair, [0.9, 0.9 + 1e-12]);
    expect(byType(selectGenotype(fair, close, { by: 'darts', threshold: 0 })).normal.nodes[0][0].input).toBe(0);
  });

  it('gives cells without entries where nothing reaches the threshold', () => {
    const genotype = selectGenotype(fair, rowsOf(fair, [0.5]), { by: 'threshold_edge', threshold: 0.85 });
    const empty = { nodes: [[], [], [], []], concat: [] };
    expect(genotype).toEqual({ normal: empty, reduce: empty, entries: 'triples' });
  });

  it('leaves isolated nodes out of concat', () => {
    const mixing = rowsOf(fair, [0.1]);
    mixing['alphas_normal'][9][3] = 0.99;
    const { normal } = byType(selectGenotype(fair, mixing, { by: 'threshold_sparse', threshold: 0.85 }));
    expect(normal).toEqual({ nodes: [[], [], [], [{ operation: 'sep_conv_3x3', input: 0 }]], concat: [5] });
  });

  it('takes any space, with candidates by edge, and never none', () => {
    const own = searched(2, (node, input) =>
      node === 1 && input === 2 ? ['skip_connect', 'none'] : ['none', 'max_pool_3x3', 'sep_conv_7x7'],
    );
    // Rows of both tables: two of 3 candidates into node 0, three of 3, 3 and 2 into node 1.
    const mixing = rowsOf(own, [0.99, 0.9, 0.95, 0.99, 0.1, 0.2, 0.99, 0.9, 0.86, 0.99, 0.1, 0.9, 0.7, 0.99]);
    const select = (by: SelectionRule) =>
      entriesOf(byType(selectGenotype(own, mixing, { by, threshold: 0.85 })).normal);
    expect(select('darts')).toEqual([
      ['sep_conv_7x7', 2, 0],
      ['sep_conv_7x7', 2, 1],
      ['max_pool_3x3', 3, 0],
      ['sep_conv_7x7', 3, 1],
    ]);
    expect(select('threshold_sparse')).toEqual([
      ['sep_conv_7x7', 2, 0],
      ['max_pool_3x3', 3, 0],
      ['sep_conv_7x7', 3, 1],
    ]);
    expect(select('threshold_edge')).toEqual([
      ['max_pool_3x3', 2, 0],
      ['sep_conv_7x7', 2, 0],
      ['sep_conv_7x7', 3, 0],
      ['max_pool_3x3', 3, 0],
      ['sep_conv_7x7', 3, 1],
    ]);
  });

  it.each([
    [
      { by: 'threshold', threshold: 0.85 },
      /expected one of darts, threshold_sparse, threshold_edge, stacnas, cdarts for by/,
    ],
    [{ by: 'threshold_sparce', threshold: 0.85 }, /Did you mean threshold_sparse\?/],
    [{ by: 'toString', threshold: 0.85 }, /for by but received 'toString'/],
    [{ by: 'darts', threshold: 1.5 }, /expected a number from 0 to 1 for threshold but received 1.5/],
    [{ by: 'darts', threshold: Number.NaN }, /for threshold but received NaN/],
    [{ by: 'darts', threshold: '0.85' }, /for threshold but received '0.85'/],
    [{ by: 'darts', treshold: 0.85 }, /for a field of options but received 'treshold'/],
    [null, /an object with by, threshold for options/],
  ])('refuses %j', (options, message) => {
    const select = () => selectGenotype(fair, rowsOf(fair, [0.5]), options as never);
    expect(select).toThrow(ArgumentError);
    expect(select).toThrow(message);
  });

  it('refuses an edge that has nothing to select', () => {
    const { space, tables } = searched(1, ['none', 'skip_connect']);
    const edges = tables.normal.edges.map((edge) => ({ ...edge, candidates: [{ name: 'none' }, { name: 'none' }] }));
    const own = { space, tables: { ...tables, normal: { ...tables.normal, edges } } };
    const mixing = {
      alphas_normal: [
        [0.5, 0.5],
        [0.5, 0.5],
      ],
      alphas_reduce: [
        [0.5, 0.5],
        [0.5, 0.5],
      ],
    };
    expect(() => selectGenotype(own, mixing, { by: 'darts', threshold: 0.5 })).toThrow(/one at least other than none/);
  });

  it('refuses rows that do not fit', () => {
    const mixing = { ...rowsOf(fair, [0.5]), alphas_reduce: [[0.5]] };
    expect(() => selectGenotype(fair, mixing, { by: 'threshold_edge', threshold: 0.85 })).toThrow(
      /14 rows, one an edge for mixing.alphas_reduce/,
    );
  });
});

describe('emptyCellNotice', () => {
  const threshold = 0.85;
  const notice = (mixing: Record<string, number[][]>) =>
    emptyCellNotice(fair, mixing, selectGenotype(fair, mixing, { by: 'threshold_sparse', threshold }), threshold);

  it('says what the largest weight is, where, and what to do', () => {
    const mixing = rowsOf(fair, [0.5]);
    mixing['alphas_normal'][7][4] = 0.731999;
    mixing['alphas_reduce'][0][0] = 0.9;
    mixing['alphas_reduce'][0][1] = 0.9;
    expect(notice(mixing)).toBe(
      'no network can be built of this selection: no mixing weight reaches the threshold 0.85 in the normal cell; normal cell: 0 ' +
        'of 98 weights, the largest 0.7320 (sep_conv_5x5 from state 2 to state 4); reduction cell: 2 of 98 weights, the largest ' +
        '0.9000 (max_pool_3x3 from state 0 to state 2); select by a threshold of 0.731 or less, or by darts, which needs none',
    );
    const { nodes } = byType(selectGenotype(fair, mixing, { by: 'threshold_sparse', threshold: 0.731 })).normal;
    expect(nodes.flat()).toHaveLength(1);
  });

  it('names both cells where both are empty, and is silent where none is', () => {
    expect(notice(rowsOf(fair, [0.5]))).toMatch(/in the normal cell and the reduction cell; .* of 0.5 or less/);
    expect(notice(rowsOf(fair, [0.9]))).toBeUndefined();
    expect(
      emptyCellNotice(
        fair,
        rowsOf(fair, [0.1]),
        selectGenotype(fair, rowsOf(fair, [0.1]), { by: 'darts', threshold }),
        threshold,
      ),
    ).toBeUndefined();
  });

  it('counts without none', () => {
    const own = searched(1, ['none', 'skip_connect']);
    const count = countAtThreshold(own, rowsOf(own, [0.99, 0.3, 0.99, 0.4]), 0.85).normal;
    expect(count).toEqual({
      weights: 2,
      atLeastThreshold: 0,
      largest: { operation: 'skip_connect', input: 1, node: 0, weight: Math.fround(0.4) },
    });
  });
});
