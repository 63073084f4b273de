// Choices that are cut, and alpha's loss by itself.
import { describe, expect, it } from 'vitest';
import { cutChoices, regularLoss } from '../../../src/methods/cdarts/cut_choices.ts';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';
import { mixingOfRows } from '../../../src/select/alpha.ts';

const { search } = buildCyclicNetworks({
  ...{ inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 },
});
const none = Number.NEGATIVE_INFINITY;

describe('cutChoices', () => {
  const alpha = { rows: [[3, 1, 2, 0, 5, 1, 4, 6]] };

  it('cuts the smallest of every row, of equals the first', () => {
    expect(cutChoices(alpha, 2)).toEqual({ rows: [[3, none, 2, none, 5, 1, 4, 6]] });
    expect(cutChoices(alpha, 0)).toEqual(alpha);
  });

  it('counts from the beginning', () => {
    const twice = cutChoices(cutChoices(alpha, 2), 4);
    expect(twice).toEqual(cutChoices(alpha, 4));
    expect(cutChoices(twice, 4)).toEqual(twice);
  });

  it('leaves every row a choice', () => {
    expect(() => cutChoices(alpha, 8)).toThrow(/from 0 to 7 for count/);
    expect(() => cutChoices(alpha, -1)).toThrow(/count/);
  });
});

describe('the loss of alpha alone', () => {
  const tables = Object.values(search.tables);
  const rowsOf = (value: number) =>
    Object.fromEntries(
      tables.map(({ name, rowLengths }) => [name, rowLengths.map((length) => Array(length).fill(value))]),
    );

  it('counts 70 logits of the normal cell and 62 of the reduction cell', () => {
    expect(regularLoss(search, rowsOf(-1))).toBe(132);
  });

  it('passes over what is cut, whose mixing weight is 0', () => {
    const cut = cutChoices(rowsOf(-1), 2);
    // The first two of every row: both poolings, which all 28 rows have.
    expect(regularLoss(search, cut)).toBe(132 - 56);
    const mixing = mixingOfRows(search, cut);
    for (const rows of Object.values(mixing)) {
      for (const row of rows) {
        expect(row.slice(0, 2)).toEqual([0, 0]);
        expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
      }
    }
  });
});
