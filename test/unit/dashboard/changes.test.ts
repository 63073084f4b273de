// What goes over the event stream turns what a page has into what the server has, whatever both are.
import { describe, expect, it } from 'vitest';
import { changeBetween, changed } from '../../../src/dashboard/changes.ts';

const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** A value that came over the wire as changes. */
function followed(before: unknown, after: unknown): unknown {
  const change = changeBetween(before, after);
  return change === undefined ? before : changed(before, throughJson(change));
}

describe('a change', () => {
  it.each<[string, unknown, unknown]>([
    ['a first value', undefined, { runs: { a: { name: 'a' } } }],
    ['a field that comes', { a: 1 }, { a: 1, b: 2 }],
    ['a field that goes', { a: 1, b: { c: 2 } }, { b: { c: 2 } }],
    ['a list that grows', [1, 2], [1, 2, 3]],
    ['a list that shrinks', [1, 2, 3], [1]],
    ['a list whose middle changes', [1, 2, 3], [1, 5, 3]],
    ['a list of objects one of which grows', [{ y: [1] }, { y: [2] }], [{ y: [1, 4] }, { y: [2] }, { y: [] }]],
    ['a list that becomes an object', [1], { a: 1 }],
    ['an object that becomes null', { a: { b: 1 } }, { a: null }],
    [
      'names that objects have anyway',
      { a: 1 },
      throughJson(JSON.parse('{"a":1,"__proto__":{"x":1},"constructor":2}')),
    ],
    ['such a name that changes', JSON.parse('{"__proto__":{"x":1}}'), JSON.parse('{"__proto__":{"x":2}}')],
    ['such a name that goes', JSON.parse('{"__proto__":{"x":1},"b":1}'), { b: 1 }],
  ])('tells of %s', (_, before, after) => {
    const came = followed(before, after);
    expect(JSON.stringify(came)).toBe(JSON.stringify(after));
    expect(Object.prototype).not.toHaveProperty('x');
  });

  it('is none where values are alike, with fields that are undefined too', () => {
    expect(changeBetween({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }], c: undefined })).toBeUndefined();
  });

  it('holds no more than what is new, and leaves the rest the same objects', () => {
    const entries = Array.from({ length: 500 }, (_, epoch) => ({ epoch }));
    const before = { history: { entries }, log: [{ text: 'a' }] };
    const after = { history: { entries: [...entries, { epoch: 500 }] }, log: before.log };
    expect(JSON.stringify(changeBetween(before, after)).length).toBeLessThan(150);
    const came = followed(before, after) as typeof after;
    expect(came.log).toBe(before.log);
    expect(came.history.entries[3]).toBe(entries[3]);
  });

  it('follows any values by any others', () => {
    let state = 7;
    const random = (count: number) => {
      state = (state * 48271) % 2147483647;
      return state % count;
    };
    const value = (depth: number): unknown => {
      const kind = random(depth > 3 ? 3 : 5);
      if (kind === 0) return random(3);
      if (kind === 1) return ['a', 'b', ''][random(3)];
      if (kind === 2) return [null, true, false][random(3)];
      const inner = Array.from({ length: random(5) }, () => value(depth + 1));
      return kind === 3
        ? inner
        : Object.fromEntries(inner.map((one) => [['a', 'b', 'c', '__proto__'][random(4)], one]));
    };
    let before = value(0);
    for (let i = 0; i < 2000; i++) {
      const after = value(0);
      before = followed(before, after);
      // The order of fields is not kept.
      expect(before).toEqual(after);
    }
  });

  it('of something else is refused', () => {
    expect(() => changed(1, { keep: 0, add: [], items: [] })).toThrow(TypeError);
    expect(() => changed([], { fields: {}, gone: [] })).toThrow(TypeError);
  });
});
