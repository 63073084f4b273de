// Averaged SGD: when it takes over, by which rate it moves, what its average is (darts-rnn.md, "Losses and the weight step").
import { describe, expect, it } from 'vitest';
import {
  averageKept,
  averagingOf,
  freshAveraging,
  laggingFactor,
  takesOver,
} from '../../../src/methods/train_rnn/averaging.ts';

describe('averaged SGD', () => {
  it.each<[string, readonly number[], number, number, boolean]>([
    ['not while no more than nonmono losses are recorded', [1, 2, 3, 4, 5], 9, 5, false],
    ['at the earliest after the seventh epoch, against the first', [5, 9, 9, 9, 9, 9], 6, 5, true],
    ['not where that one is worse', [5, 9, 9, 9, 9, 9], 4.9, 5, false],
    ['not where it is as good', [5, 9, 9, 9, 9, 9], 5, 5, false],
    ['not by the last nonmono losses', [5, 1, 1, 1, 1, 1], 4, 5, false],
    ['by the best of those before', [7, 3, 6, 2], 4, 1, true],
    ['by the one before the last where nonmono is 1', [3, 1], 2, 1, false],
  ])('takes over %s', (_, recorded, loss, nonmono, over) => {
    expect(takesOver(recorded, loss, nonmono)).toBe(over);
  });

  it('lags by a step, but for the first one', () => {
    expect(laggingFactor(freshAveraging, 0.4)).toBe(0.4);
    expect(laggingFactor({ steps: 1, factor: 0.4 }, 1.2)).toBe(0.4);
  });

  it('averages what came from the second step on', () => {
    const weights = [3, -1, 4, 1, 5, -9];
    let average = 100;
    for (const [index, weight] of weights.entries()) {
      const kept = averageKept(index + 1);
      average = kept * average + (1 - kept) * weight;
      const from = index === 0 ? weights.slice(0, 1) : weights.slice(1, index + 1);
      expect(average).toBeCloseTo(from.reduce((sum, value) => sum + value, 0) / from.length, 12);
    }
  });

  it('is read from a checkpoint, or refused', () => {
    expect(averagingOf({})).toBeUndefined();
    expect(averagingOf({ averaging: { steps: 3, factor: 0.5 } })).toEqual({ steps: 3, factor: 0.5 });
    for (const averaging of [3, null, [], { steps: 3 }, { steps: '3', factor: 1 }, { steps: 3, factor: null }]) {
      expect(() => averagingOf({ averaging })).toThrow(/^the checkpoint is damaged: expected steps and factor/);
    }
  });
});
