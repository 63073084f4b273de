import { expect } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { parseGenotype } from '../../../src/genotype/text.ts';

/** Replaces `right` in a text by `wrong`, whose `^` marks the place that the error must name. */
export function expectFault(text: string, right: string, wrong: string, expectation: string, found: string): void {
  const marked = text.replace(right, () => wrong);
  const column = marked.indexOf('^') + 1;
  expect(column).toBeGreaterThan(0);
  const parse = () => parseGenotype(marked.replace('^', ''));
  expect(parse).toThrow(ArgumentError);
  expect(parse).toThrow(`genotype: expected ${expectation} at line 1, column ${column} but found ${found}`);
}
