import { expect, it } from 'vitest';
import type { TestModule } from 'vitest/node';
import { closingLine } from '../helpers/closing_line.ts';

function module(states: readonly string[], { ofFile = 0, ofSuite = 0 } = {}): TestModule {
  const errors = (count: number) => () => new Array<Error>(count).fill(new Error());
  const tests = states.map((state) => ({ result: () => ({ state }) }));
  const suites = [{ errors: errors(ofSuite) }];
  return { errors: errors(ofFile), children: { allTests: () => tests, allSuites: () => suites } } as never;
}

it('counts tests of all files once', () => {
  expect(closingLine([module(['passed', 'failed']), module(['passed', 'skipped'])], [])).toBe(
    '2 passed, 1 failed, 1 skipped',
  );
});

it('counts what failed outside a test, and tests that never ran', () => {
  expect(closingLine([module([], { ofFile: 1 })], [])).toBe('0 passed, 1 failed');
  expect(closingLine([module(['skipped'], { ofSuite: 1 })], [])).toBe('0 passed, 1 failed, 1 skipped');
  expect(closingLine([module(['pending'])], [new Error('unhandled')])).toBe('0 passed, 2 failed');
});
