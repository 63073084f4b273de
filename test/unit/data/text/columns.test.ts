import { describe, expect, it } from 'vitest';
import { columnGroups, columnsOf, textBatch } from '../../../../src/data/text/columns.ts';
import { ArgumentError } from '../../../../src/errors.ts';

const tokens = Int32Array.from({ length: 23 }, (_, token) => 100 + token);

describe('columnsOf', () => {
  it.each([
    // PTB and WikiText-2 as arXiv:1806.09055 batches them: tokens, columns, rows.
    [929_589, 256, 3_631],
    [929_589, 64, 14_524],
    [73_760, 256, 288],
    [73_760, 10, 7_376],
    [82_430, 1, 82_430],
    [2_088_628, 256, 8_158],
    [2_088_628, 64, 32_634],
    [217_646, 256, 850],
    [217_646, 10, 21_764],
    [245_569, 1, 245_569],
  ])('cuts %d tokens into %d columns of %d rows', (count, columns, rows) => {
    const text = columnsOf(new Int32Array(count), columns);
    expect(text).toMatchObject({ columns, rows });
    expect(text.tokens).toHaveLength(columns * rows);
  });

  it('refuses more columns than the text has rows for', () => {
    expect(columnsOf(tokens, 11).rows).toBe(2);
    expect(() => columnsOf(tokens, 12)).toThrow(
      'at most 11 (the text of 23 tokens has 2 rows then) for columns but received 12',
    );
    const learned = { least: 3, name: 'batchSize (--batch-size)' };
    expect(columnsOf(tokens, 7, learned).rows).toBe(3);
    expect(() => columnsOf(tokens, 8, learned)).toThrow('for batchSize (--batch-size) but received 8');
    expect(() => columnsOf(new Int32Array(1), 1)).toThrow('a text of at least 2 tokens for columns but received 1');
    for (const columns of [0, 1.5, Number.NaN, '3'])
      expect(() => columnsOf(tokens, columns as number)).toThrow(ArgumentError);
    expect(() => columnsOf([1, 2, 3] as never, 1)).toThrow(ArgumentError);
  });
});

describe('textBatch', () => {
  const text = columnsOf(tokens, 3);

  it('has rows of all columns, time first, and the rows behind them as targets', () => {
    const { inputs, targets } = textBatch(text, 1, 3);
    expect([...inputs]).toEqual([101, 108, 115, 102, 109, 116, 103, 110, 117]);
    expect([...targets]).toEqual([102, 109, 116, 103, 110, 117, 104, 111, 118]);
  });

  it('has some columns where they are wanted', () => {
    const { inputs, targets } = textBatch(text, 5, 1, { first: 1, count: 2 });
    expect([...inputs]).toEqual([112, 119]);
    expect([...targets]).toEqual([113, 120]);
  });

  it('ends a row before the end', () => {
    expect(textBatch(text, 0, 6).targets.at(-1)).toBe(120);
    for (const [row, steps] of [
      [0, 7],
      [6, 1],
      [5, 2],
      [-1, 1],
      [0, 0],
    ]) {
      expect(() => textBatch(text, row, steps)).toThrow(ArgumentError);
    }
    for (const range of [
      { first: 3, count: 1 },
      { first: 1, count: 3 },
      { first: 0, count: 0 },
    ]) {
      expect(() => textBatch(text, 0, 1, range)).toThrow(ArgumentError);
    }
  });
});

describe('columnGroups', () => {
  it('are all columns, each once', () => {
    expect(columnGroups(6, 2)).toEqual([0, 2, 4].map((first) => ({ first, count: 2 })));
    expect(columnGroups(6, 6)).toEqual([{ first: 0, count: 6 }]);
    for (const size of [4, 0, 12, 1.5, -1]) {
      expect(() => columnGroups(6, size, 'smallBatchSize')).toThrow(
        `a divisor of 6 for smallBatchSize but received ${size}`,
      );
    }
  });
});
