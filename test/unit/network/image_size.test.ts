import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { callingSize } from '../../../src/network/image_size.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';

const sizes = { classes: 10, initChannels: 4, layers: 6 };
const derived = (inputShape: readonly [number, number, number], more = {}) =>
  buildDerivedNetwork({ ...sizes, genotype: genotypes.DARTS_V2, inputShape, ...more });

describe('images of a size that a network cannot halve', () => {
  it.each([
    ['supernet', () => buildSupernet({ ...sizes, inputShape: [30, 30, 3] }), '28 or 32'],
    ['derived network', () => derived([30, 30, 3]), '28 or 32'],
    ['one side of a derived network', () => derived([32, 30, 3]), '32x28 or 32'],
    ['a large stem', () => derived([225, 225, 3], { stem: 'large' }), '224 or 253'],
    ['an auxiliary head', () => derived([16, 16, 3], { auxiliaryWeight: 0.4 }), '24'],
    ['no smaller one', () => derived([1, 1, 3]), '4'],
  ])('name those that do: %s', (_, build, expected) => {
    const error = captured(build);
    expect(error).toBeInstanceOf(ArgumentError);
    expect([error.name, error.message.split(' but received ')[0]]).toEqual([
      'ArgumentError',
      `expected ${expected} for the height and width of inputShape`,
    ]);
  });

  it('are told by the name that decides them', () => {
    const error = captured(() => callingSize('imageSize (--image-size)', () => derived([30, 30, 3])));
    expect(error.message).toMatch(/^expected 28 or 32 for imageSize \(--image-size\) but received 30 \(cells\.\d/);
    const other = captured(() => callingSize('x', () => derived([32, 32, 3], { layers: 0 })));
    expect(other.message).toContain('for layers');
  });
});

function captured(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected an error');
}
