// Selections and SDARTS against PyTorch where there is no PyTorch. The other instruction sets and backends: test/slow.
import { describe, expect, it } from 'vitest';
import { clippedRow } from '../../src/methods/sdarts/simplex.ts';
import { expectGolden } from './golden_cases.ts';
import { readGolden } from './goldens.ts';
import { describeProjectionGoldens } from './projection_cases.ts';

describeProjectionGoldens('cpu');

describe('rows put back by SDARTS', () => {
  it('are as PyTorch has them: random ones, zeros, ties, and what lies out of range', () => {
    const { exact } = readGolden('sdarts_rows');
    const rows = [...exact].filter(([name]) => name.startsWith('row.'));
    const clipped = rows.map(([name, { shape, data }]) => {
      const [count, length] = shape;
      const values = Array.from({ length: count }, (_, i) => [
        ...clippedRow(Float32Array.from(data.subarray(i * length, (i + 1) * length))),
      ]);
      return [name.replace('row', 'clipped'), { shape, data: Float64Array.from(values.flat()) }] as const;
    });
    expect(clipped).toHaveLength(5);
    expectGolden('sdarts_rows', new Map([...rows, ...clipped]));
  });
});
