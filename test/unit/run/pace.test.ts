import { describe, expect, it } from 'vitest';
import type { Stage } from '../../../src/methods/method.ts';
import { Pace } from '../../../src/run/pace.ts';

const stage = (more: Partial<Stage>): Stage => ({ name: 'search', epochs: 1, steps: 10, ...more });

describe('the time that is left', () => {
  it('goes by the mean of the steps so far', () => {
    const pace = new Pace(0);
    pace.took(stage({}), 1000);
    pace.took(stage({}), 4000);
    expect(pace.secondsLeft(stage({}), 8)).toBe(16);
  });

  it('counts what later stages take, each kind at its own pace, one not seen yet at that of this one', () => {
    const pace = new Pace(0);
    const tuning = stage({ kind: 'fine-tuning', later: { decision: 3, 'fine-tuning': 4 } });
    const decision = stage({ kind: 'decision', later: { decision: 3, 'fine-tuning': 4 } });
    pace.took(decision, 1000);
    expect(pace.secondsLeft(decision, 2)).toBe(2 + 3 + 4);
    pace.took(tuning, 6000);
    expect(pace.secondsLeft(tuning, 1)).toBe(5 + 3 + 20);
  });
});
