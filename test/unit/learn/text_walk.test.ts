import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { textScore } from '../../../src/learn/text_score.ts';
import { longestStep, validationSpan, type WalkSettings, walkEpoch, walkScore } from '../../../src/learn/text_walk.ts';

const search: WalkSettings = { bptt: 35 };
const training: WalkSettings = { bptt: 35, maxSeqLenDelta: 20 };
const epochs = (rows: number, settings: WalkSettings, count: number, seed = 3) =>
  Array.from({ length: count }, (_, epoch) => walkEpoch(rows, settings, { seed, epoch }));

/** The share of standard normal numbers below a bound, by the midpoint rule. */
function normalBelow(bound: number): number {
  let sum = 0;
  for (let x = -8; x < bound; x += 1e-3) sum += Math.exp(-0.5 * (x + 5e-4) ** 2);
  return (sum * 1e-3) / Math.sqrt(2 * Math.PI);
}

describe('walkEpoch', () => {
  it.each([search, training])('steps through all rows but the last two, %o', (settings) => {
    for (const rows of [3, 4, 7, 36, 37, 38, 500, 3631]) {
      for (const walk of epochs(rows, settings, 20)) {
        let row = 0;
        for (const step of walk) {
          expect(step.row).toBe(row);
          expect(step.steps).toBe(Math.min(step.length, rows - 1 - row));
          expect(step.steps).toBeGreaterThanOrEqual(2);
          expect(step.rateFactor).toBe(step.length / 35);
          row += step.length;
        }
        expect(walk.at(-1)!.row).toBeLessThan(rows - 2);
        expect(row).toBeGreaterThanOrEqual(rows - 2);
      }
    }
  });

  it('has steps of bptt or its half, cut, in a search', () => {
    const lengths = epochs(14_524, search, 20).flatMap((walk) => walk.map(({ length }) => length));
    const halves = lengths.filter((length) => length === 17).length;
    expect(lengths.filter((length) => length === 35).length + halves).toBe(lengths.length);
    // 5 % of some 8,500 steps: six deviations on either side.
    expect(Math.abs(halves / lengths.length - 0.05)).toBeLessThan(6 * Math.sqrt((0.05 * 0.95) / lengths.length));
  });

  it('has steps of a normal number about that, cut towards zero, within bounds, in a training', () => {
    const lengths = epochs(32_634, training, 30).flatMap((walk) => walk.map(({ length }) => length));
    const count = lengths.length;
    expect(lengths.every((length) => Number.isInteger(length) && length >= 5 && length <= 55)).toBe(true);
    // Kolmogorov's distance to the distribution of 0.95 N(35, 5) + 0.05 N(17.5, 5), cut towards zero: 1.95 is passed once in a thousand.
    for (let length = 5; length < 55; length++) {
      const expected = 0.95 * normalBelow((length + 1 - 35) / 5) + 0.05 * normalBelow((length + 1 - 17.5) / 5);
      const found = lengths.filter((one) => one <= length).length / count;
      expect(Math.abs(found - expected), `${length}`).toBeLessThan(1.95 / Math.sqrt(count));
    }
  });

  it('is held to its bounds where normal numbers leave them', () => {
    const narrow = epochs(5_000, { bptt: 6, maxSeqLenDelta: 1 }, 5).flat();
    expect([...new Set(narrow.map(({ length }) => length))].sort()).toEqual([5, 6, 7]);
    expect([
      ...new Set(
        epochs(300, { bptt: 3, maxSeqLenDelta: 0 }, 5)
          .flat()
          .map(({ length }) => length),
      ),
    ]).toEqual([3]);
    expect([longestStep(search), longestStep(training)]).toEqual([35, 55]);
  });

  it.each([
    // Steps of an epoch as published, with the rows of PTB and WikiText-2 at batch 64 and 256.
    [14_524, training, 432],
    [32_634, training, 971],
    [3_631, search, 107],
    [8_158, search, 240],
  ])('of %d rows has about as many steps as published', (rows, settings, published) => {
    const counts = epochs(rows, settings, 40).map(({ length }) => length);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    expect(Math.abs(mean / published - 1)).toBeLessThan(0.01);
  });

  it('is a function of seed and epoch, whose steps do not follow from one another', () => {
    const at = { seed: 5, epoch: 2 };
    const walk = walkEpoch(900, training, at);
    expect(walkEpoch(900, training, at)).toEqual(walk);
    expect(walkEpoch(900, training, { seed: 6, epoch: 2 })).not.toEqual(walk);
    expect(walkEpoch(900, training, { seed: 5, epoch: 3 })).not.toEqual(walk);
    // A text of another length begins alike.
    expect(walkEpoch(2_000, training, at).slice(0, 5)).toEqual(walk.slice(0, 5));
  });

  it('does not end where a step has no rows, and is refused', () => {
    expect(() => walkEpoch(100, { bptt: 1 }, { seed: 0, epoch: 0 })).toThrow('an integer of at least 2 for bptt');
    expect(() => walkEpoch(2, search, { seed: 0, epoch: 0 })).toThrow('an integer of at least 3 for rows');
    expect(() => walkEpoch(9, { bptt: 5, maxSeqLenDelta: -1 }, { seed: 0, epoch: 0 })).toThrow(ArgumentError);
  });
});

describe('validationSpan', () => {
  it('goes round the other text', () => {
    expect(validationSpan(0, 288, 35)).toEqual({ row: 0, steps: 35, lap: 0 });
    expect(validationSpan(280, 288, 35)).toEqual({ row: 280, steps: 7, lap: 0 });
    expect(validationSpan(286, 288, 35)).toEqual({ row: 286, steps: 1, lap: 0 });
    expect(validationSpan(287, 288, 35)).toEqual({ row: 0, steps: 35, lap: 1 });
    expect(validationSpan(7, 2, 35)).toEqual({ row: 0, steps: 1, lap: 7 });
  });
});

describe('walkScore', () => {
  it('covers every row but the last once', () => {
    expect(walkScore(72, 35)).toEqual([
      { row: 0, steps: 35 },
      { row: 35, steps: 35 },
      { row: 70, steps: 1 },
    ]);
    expect(walkScore(71, 35)).toHaveLength(2);
    expect(walkScore(2, 35)).toEqual([{ row: 0, steps: 1 }]);
    expect(() => walkScore(1, 35)).toThrow(ArgumentError);
  });
});

describe('textScore', () => {
  it('divides by the rows as published, and by the predicted ones', () => {
    const score = textScore(4 * Math.log(8), 5);
    expect(score.loss).toBeCloseTo(0.8 * Math.log(8), 12);
    expect(score.perplexity).toBeCloseTo(8 ** 0.8, 12);
    expect(score.exactPerplexity).toBeCloseTo(8, 12);
    expect(score.exactLoss).toBeCloseTo(Math.log(8), 12);
    expect(score.bitsPerWord).toBeCloseTo(3, 12);
  });

  it('is about 0.03 too low as published on valid text of PTB, 0.003 on test', () => {
    const valid = textScore(7_375 * Math.log(58.1), 7_376);
    expect(valid.exactPerplexity - valid.perplexity).toBeCloseTo(0.03, 2);
    const test = textScore(82_429 * Math.log(55.7), 82_430);
    expect(test.exactPerplexity - test.perplexity).toBeCloseTo(0.003, 3);
  });
});
