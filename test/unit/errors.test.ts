// The one form of errors about values: a line, short, and never an error of its own.
import { describe, expect, it } from 'vitest';
import { ArgumentError, invalid } from '../../src/errors.ts';

const circular: Record<string, unknown> = { a: 1 };
circular['self'] = circular;
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const throwing = () => {
  throw new Error('of the value');
};

describe('invalid', () => {
  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'undefined'],
    ['NaN', Number.NaN, 'NaN'],
    ['a text', 'two', "'two'"],
    ['a text of lines', 'one\ntwo\u2028\ud800\u0000', "'one\\ntwo\\u2028\\ud800\\u0000'"],
    ['a list', [1, ['x']], '[1,["x"]]'],
    ['a list with a hole', new Array(2), '[undefined,undefined]'],
    ['an object', { a: { b: null } }, '{"a":{"b":null}}'],
    ['an object without a prototype', Object.create(null), '{}'],
    ['a circular object', circular, '{"a":1,"self":a circular reference}'],
    ['a BigInt', -5n, '-5n'],
    ['a huge BigInt', 1n << 4_000_000n, 'a huge n'],
    ['a BigInt in a list', [10n], '[10n]'],
    ['a Symbol', Symbol('s'), 'Symbol(s)'],
    ['a function', throwing, 'a function'],
    ['a toJSON that throws', { toJSON: throwing }, '{"toJSON":a function}'],
    ['a getter that throws', Object.defineProperty({}, 'a', { get: throwing, enumerable: true }), '{"a":a getter}'],
    ['a Proxy whose traps throw', new Proxy({}, { get: throwing, ownKeys: throwing }), 'a Proxy'],
    ['a revoked Proxy', revoked.proxy, 'a Proxy'],
    ['an object over a revoked Proxy', Object.create(revoked.proxy), 'an instance of a class without a name'],
    ['an instance', new Map(), 'an instance of Map'],
    ['a typed array', new Float64Array(3), 'Float64Array of 24 bytes'],
    ['a typed array that lies', Object.assign(new Float32Array(2), { constructor: null }), 'Float32Array of 8 bytes'],
    ['a view', new DataView(new ArrayBuffer(2)), 'DataView of 2 bytes'],
  ])('shows %s', (_, value, shown) => {
    const error = invalid('limit', 'a number', value);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toBe(`expected a number for limit but received ${shown}`);
  });

  it.each<[string, unknown]>([
    ['a huge text', 'x'.repeat(1e7)],
    ['a huge list', new Array(1e9)],
    ['a huge object', { images: 'x'.repeat(1e7), labels: new Array(1e7).fill(1) }],
    ['a deep list', Array.from({ length: 1e5 }).reduce<unknown>((inner) => [inner], [])],
  ])('cuts %s without reading all of it', (_, value) => {
    const { message } = invalid('limit', 'a number', value);
    expect(message.length).toBe('expected a number for limit but received '.length + 80);
    expect(message.endsWith('...')).toBe(true);
  });

  it('keeps to one line whatever the name', () => {
    expect(invalid('inputs.a\nb', 'a\rb', 1).message).toBe('expected a\\rb for inputs.a\\nb but received 1');
  });
});
