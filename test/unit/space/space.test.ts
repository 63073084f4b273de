import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { type EdgePlace, resolveSpace, type SearchSpace, spaces } from '../../../src/space/space.ts';

const identity = { name: 'identity', build: (_: unknown, input: never) => input };
const own = (fields: object): SearchSpace => ({ name: 'own', nodes: 1, candidates: ['skip_connect'], ...fields });

describe('resolveSpace', () => {
  it('knows darts', () => {
    const { name, nodes, activation, edges } = resolveSpace('darts');
    expect({ name, nodes, activation }).toEqual({ name: 'darts', nodes: 4, activation: 'softmax' });
    for (const type of ['normal', 'reduce'] as const) {
      expect(edges[type].map(({ row }) => row)).toEqual([...Array(14).keys()]);
      expect(edges[type].map(({ node, input }) => `${input}-${node}`).join(' ')).toBe(
        '0-0 1-0 0-1 1-1 2-1 0-2 1-2 2-2 3-2 0-3 1-3 2-3 3-3 4-3',
      );
    }
    expect(edges.reduce[13].candidates.map(({ name }) => name)).toEqual(spaces.darts.candidates);
  });

  it('knows how the others mix and begin', () => {
    const told = ['darts', 'fairdarts', 'darts_without_none'].map((name) => {
      const { activation, alphaDeviation, edges } = resolveSpace(name);
      return [name, activation, alphaDeviation, edges.normal[0].candidates[0].name, edges.reduce[13].candidates.length];
    });
    expect(told).toEqual([
      ['darts', 'softmax', 1e-3, 'none', 8],
      ['fairdarts', 'sigmoid', 0, 'max_pool_3x3', 7],
      ['darts_without_none', 'softmax', 1e-3, 'max_pool_3x3', 7],
    ]);
  });

  it.each([
    [{ alphaDeviation: -1 }, 'space.alphaDeviation'],
    [{ alphaDeviation: Number.NaN }, 'space.alphaDeviation'],
    [{ skipNoise: 'N' }, "'normal' or 'integers' for space.skipNoise"],
  ])('refuses %o', (fields, message) => {
    expect(() => resolveSpace(own(fields))).toThrow(message);
  });

  it('asks for the candidates of every edge', () => {
    const asked: EdgePlace[] = [];
    const candidates = (edge: EdgePlace) => {
      asked.push(edge);
      return edge.input === 0 ? [identity] : ['skip_connect', identity];
    };
    const { edges } = resolveSpace(own({ candidates }));
    expect(asked).toEqual([
      { cell: 'normal', node: 0, input: 0 },
      { cell: 'normal', node: 0, input: 1 },
      { cell: 'reduce', node: 0, input: 0 },
      { cell: 'reduce', node: 0, input: 1 },
    ]);
    expect(edges.normal.map(({ candidates }) => candidates.length)).toEqual([1, 2]);
    expect(edges.normal[0].candidates[0].build).toBe(identity.build);
  });

  it.each<[unknown, RegExp]>([
    [
      'dart',
      /expected one of darts, fairdarts, darts_without_none, s1, s2, s3, s4, s5, stacnas, stacnas_all, nasbench201, .* for space but received 'dart'/,
    ],
    ['constructor', /expected one of darts/],
    [null, /a name or a search space/],
    [own({ name: '' }), /space.name/],
    [own({ nodes: 0 }), /an integer from 1 to 100 for space.nodes but received 0/],
    [own({ nodes: 1.5 }), /space.nodes/],
    [own({ activation: 'tanh' }), /'softmax' or 'sigmoid'/],
    [
      own({ candidates: [] }),
      /at least one other than none for the candidates of the edge from state 0 to node 0 of the normal/,
    ],
    [own({ candidates: ['none'] }), /at least one other than none/],
    [own({ candidates: undefined }), /a list/],
    [own({ candidates: () => 'skip_connect' }), /a list/],
    [own({ candidates: ['sep_conv_9x9'] }), /one of none, max_pool_3x3, .* but received 'sep_conv_9x9'/],
    [own({ candidates: [{ ...identity, name: 'sep_conv_3x3' }] }), /a name other than/],
    [own({ candidates: [{ ...identity, name: 'two\nlines' }] }), /without control characters/],
    [own({ candidates: [{ name: 'mine' }] }), /a function/],
    [own({ candidates: [undefined] }), /the name of an operation/],
  ])('refuses %o', (space, message) => {
    expect(() => resolveSpace(space as SearchSpace)).toThrow(ArgumentError);
    expect(() => resolveSpace(space as SearchSpace)).toThrow(message);
  });
});
