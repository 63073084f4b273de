import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTensors, writeTensors } from '../../../bench/peers/tensor_file.ts';
import { count } from '../../../bench/support/arguments.ts';
import { machine } from '../../../bench/support/machine.ts';
import { alternate } from '../../../bench/support/measure.ts';
import { figure, formatTable, writeJson } from '../../../bench/support/report.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { median, quantile, spread } from '../../../src/kernels/statistics.ts';

describe('statistics', () => {
  it('takes quantiles by linear interpolation, whatever the order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(quantile([5, 1], 0.25)).toBe(2);
    expect(spread([1, 2, 3, 4, 5])).toBe(2);
    expect(spread([7])).toBe(0);
  });

  it('alternates after a warm-up and compares within each round', async () => {
    const log: string[] = [];
    const contestant = (name: string, seconds: number[]) => ({
      name,
      run: async () => {
        log.push(name);
        return seconds.shift()!;
      },
    });
    const [a, b] = await alternate([contestant('a', [100, 1, 2, 4]), contestant('b', [100, 3, 4, 20])], 3);
    expect(log.join('')).toBe('abababab');
    expect(a).toEqual({ name: 'a', seconds: [1, 2, 4], median: 2, spread: 1.5, ratio: 1 });
    expect(b.seconds).toEqual([3, 4, 20]);
    // Ratios 3, 2 and 5; the ratio of medians would be 2.
    expect(b.ratio).toBe(3);
  });
});

describe('reports', () => {
  it('aligns numbers to the right and text to the left', () => {
    const rows = [
      { op: 'relu', ms: 1.5 },
      { op: 'conv 3x3', ms: 120 },
    ];
    expect(formatTable(rows).split('\n')).toEqual(['op         ms', '--------  ---', 'relu      1.5', 'conv 3x3  120']);
  });

  it('rounds to three significant digits', () => {
    expect([0.012345, 1.2345, 12.345, 1234.5].map(figure)).toEqual([0.0123, 1.23, 12.3, 1235]);
  });

  it('writes results with the machine', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dartsmith-bench-'));
    try {
      writeJson(join(folder, 'x.json'), { machine: machine(), results: [1] });
      const { machine: where, results } = JSON.parse(readFileSync(join(folder, 'x.json'), 'utf8'));
      expect(results).toEqual([1]);
      expect(where.node).toBe(process.version);
      expect(where.commit).toMatch(/^([0-9a-f]{40}(-dirty)?|unknown)$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses an option that is not a count', () => {
    expect(count('rounds', undefined, 3)).toBe(3);
    expect(count('rounds', '12', 3)).toBe(12);
    for (const bad of ['0', '-1', '1.5', 'x', '']) expect(() => count('rounds', bad, 3)).toThrow(ArgumentError);
  });
});

describe('tensor files', () => {
  it('give back what was written, to the bit', () => {
    const folder = mkdtempSync(join(tmpdir(), 'dartsmith-bench-'));
    try {
      const tensors = new Map([
        ['a.weight', { shape: [2, 2], data: Float64Array.of(1, -0, 1e-300, Math.PI) }],
        ['empty', { shape: [0], data: new Float64Array(0) }],
        ['b', { shape: [], data: Float64Array.of(7) }],
      ]);
      writeTensors(join(folder, 'x'), tensors);
      expect(readTensors(join(folder, 'x'))).toEqual(tensors);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
