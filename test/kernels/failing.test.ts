import { describe, expect, it } from 'vitest';
import { runFailingTasks } from '../helpers/failing.ts';
import { describeFailing } from './failing_cases.ts';

describeFailing('cpu', 40);

describe('a task of a thread pool that throws anything', () => {
  it.each([1, 2, 7])('reaches the caller from whichever of %i threads ran it, and the pool goes on', (threads) => {
    expect(runFailingTasks(threads)).toBe(8);
  });
});
