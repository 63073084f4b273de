// Counts against a second count, written from the paper's words over flat lists.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { uniform } from '../../../src/random/philox.ts';
import type { MixingHistory } from '../../../src/select/history.ts';
import { activationOf } from '../../../src/select/history.ts';
import type { AlphaLayout } from '../../../src/select/layout.ts';
import { operationCounts } from '../../../src/select/statistics.ts';

const names = ['none', 'skip_connect', 'sep_conv_3x3', 'max_pool_3x3'];

function layoutOf(nodes: number): AlphaLayout {
  const rows = Array.from({ length: nodes }, (_, node) =>
    Array.from({ length: node + 2 }, (_, input) => ({ node, input, candidates: names })),
  ).flat();
  return { nodes, tables: { normal: { name: 'n', rows }, reduce: { name: 'r', rows } } };
}

function historyOf(nodes: number, epochs: number): MixingHistory {
  const layout = layoutOf(nodes);
  const count = layout.tables.normal.rows.length * names.length;
  const table = (seed: number) => {
    // Tenths, so that many tie.
    const numbers = [...uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, count)].map(
      (x) => Math.round(x * 10) / 10,
    );
    return layout.tables.normal.rows.map((_, row) => numbers.slice(row * names.length, (row + 1) * names.length));
  };
  const entries = Array.from({ length: epochs }, (_, epoch) => ({
    epoch,
    mixing: { n: table(epoch), r: table(epoch + 100) },
  }));
  return { layout, activation: 'sigmoid', entries };
}

describe('operationCounts', () => {
  const history = historyOf(3, 20);

  it('counts edges by the operation that leads them, and operations that reach the threshold', () => {
    for (const [cell, table] of [
      ['normal', 'n'],
      ['reduce', 'r'],
    ] as const) {
      const counts = operationCounts(history, cell, { by: 'threshold_edge', threshold: 0.6 });
      expect(counts.map(({ epoch }) => epoch)).toEqual(history.entries.map(({ epoch }) => epoch));
      for (const [epoch, { largest, atThreshold, edges }] of counts.entries()) {
        const rows = history.entries[epoch].mixing[table];
        const leaders = rows.map((row) => names[row.indexOf(Math.max(...row))]);
        for (const [column, name] of names.entries()) {
          expect(largest[name]).toBe(leaders.filter((leader) => leader === name).length);
          // 0.6 as float32 is above 0.6: it is reached.
          expect(atThreshold[name]).toBe(rows.filter((row) => row[column] >= 0.6).length);
        }
        expect(Object.values(largest).reduce((a, b) => a + b)).toBe(edges);
      }
    }
  });

  it('counts the skip connections of the genotype of a rule', () => {
    for (const { entries, skips } of operationCounts(history, 'normal', { by: 'darts', threshold: 0.85 })) {
      expect(entries).toBe(6);
      expect(skips).toBeLessThanOrEqual(6);
    }
    const one = (row: number[]): MixingHistory => ({
      ...history,
      layout: layoutOf(1),
      entries: [{ epoch: 7, mixing: { n: [row, [0, 0, 0.7, 0]], r: [row, row] } }],
    });
    const count = (row: number[], by: 'darts' | 'threshold_sparse' | 'threshold_edge') => {
      const [{ skips, entries, epoch }] = operationCounts(one(row), 'normal', { by, threshold: 0.75 });
      expect(epoch).toBe(7);
      return [skips, entries];
    };
    expect(count([1, 0.8, 0.1, 0.9], 'darts')).toEqual([0, 2]);
    expect(count([1, 0.8, 0.1, 0.2], 'darts')).toEqual([1, 2]);
    expect(count([1, 0.8, 0.1, 0.2], 'threshold_sparse')).toEqual([1, 1]);
    expect(count([1, 0.8, 0.1, 0.9], 'threshold_edge')).toEqual([1, 2]);
    expect(count([1, 0.7, 0.1, 0.2], 'threshold_edge')).toEqual([0, 0]);
  });

  it.each<[unknown, unknown, unknown]>([
    [null, 'normal', { by: 'darts', threshold: 0.5 }],
    [{ ...history, entries: [] }, 'normal', { by: 'darts', threshold: 0.5 }],
    [{ ...history, entries: [null] }, 'normal', { by: 'darts', threshold: 0.5 }],
    [{ ...history, entries: [{ epoch: 0, mixing: { n: [[1]], r: [] } }] }, 'normal', { by: 'darts', threshold: 0.5 }],
    [{ ...history, activation: 'relu' }, 'normal', { by: 'darts', threshold: 0.5 }],
    [history, 'other', { by: 'darts', threshold: 0.5 }],
    [history, 'normal', null],
    [history, 'normal', { by: 'darts', threshold: 2 }],
  ])('refuses what is none: case %#', (...given) => {
    expect(() => operationCounts(...(given as Parameters<typeof operationCounts>))).toThrow(ArgumentError);
  });
});

describe('activationOf', () => {
  it('knows a softmax by rows that sum to 1', () => {
    const layout = layoutOf(1);
    const entry = (row: number[]) => ({ epoch: 0, mixing: { n: [row, row], r: [row, row] } });
    expect(activationOf(layout, [entry([0.25, 0.25, 0.25, 0.25])])).toBe('softmax');
    expect(activationOf(layout, [entry([0.5, 0.5, 0.5, 0.5])])).toBe('sigmoid');
    expect(activationOf(layout, [entry([0.25, 0.25, 0.25, 0.25]), entry([0.3, 0.3, 0.3, 0.3])])).toBe('sigmoid');
  });
});
