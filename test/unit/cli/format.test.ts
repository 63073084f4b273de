import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatExact,
  formatFigure,
  formatShare,
  formatTable,
} from '../../../src/cli/format.ts';

describe('formats', () => {
  it.each([
    [0, '0:00'],
    [7.4, '0:07'],
    [59.6, '1:00'],
    [3599.7, '1:00:00'],
    [5025, '1:23:45'],
    [360000, '100:00:00'],
    [-1, '0:00'],
    [Number.NaN, '-:--'],
    [Number.POSITIVE_INFINITY, '-:--'],
  ])('%d seconds as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it.each([
    [0, '0'],
    [812, '812'],
    [1930618, '1.931 M'],
    [295.8e6, '295.8 M'],
    [3e12, '3.000 T'],
  ])('%d as %s', (count, text) => expect(formatCount(count)).toBe(text));

  it.each([
    [0, '0'],
    [0.00164, '0.00164'],
    [0.0123456, '0.0123'],
    [0.98, '0.980'],
    [1.2345, '1.23'],
    [45.67, '45.7'],
    [99.99, '100'],
    [9.999, '10.0'],
    [1234.5, '1235'],
  ])('%d to three digits as %s', (value, text) => expect(formatFigure(value)).toBe(text));

  it('bytes, shares and exact counts', () => {
    expect(formatBytes(512)).toBe('512 B');
    expect(formatBytes(86.25 * 2 ** 20)).toBe('86.25 MiB');
    expect(formatShare(0.9312)).toBe('93.1%');
    expect(formatExact(1930618)).toBe('1,930,618');
  });

  it('tables', () => {
    expect(
      formatTable(
        [
          ['a', '10', 'x'],
          ['long', '1', ''],
        ],
        [1],
      ),
    ).toEqual(['a     10  x', 'long   1']);
  });
});
