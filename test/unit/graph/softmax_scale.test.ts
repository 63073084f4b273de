// A vector of weights whose softmax weighs tensors: its first values, and what is refused. What it computes is in the kernels' tables.
import { describe, expect, it } from 'vitest';
import { initialValues } from '../../../src/backend/initial_values.ts';
import { placeParameters } from '../../../src/backend/parameter_map.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { GraphBuilder, type SoftmaxScaleOptions } from '../../../src/graph/builder.ts';
import { checkGraph } from '../../../src/graph/check.ts';
import type { Graph, Initialiser } from '../../../src/graph/graph.ts';

function scaled(options: SoftmaxScaleOptions, name = 'ensemble'): Graph {
  const builder = new GraphBuilder();
  return builder.finish(builder.softmaxScale(name, builder.input('x', [4]), options));
}

function firstValues(count: number, initialiser?: Initialiser): Float32Array {
  const map = placeParameters(scaled({ count, index: 0, initialiser }));
  return initialValues(map, 'weight', 7).subarray(0, count);
}

describe('softmaxScale', () => {
  it('has one weight, of the name itself, in its group', () => {
    const builder = new GraphBuilder().within('network').inGroup('ensemble');
    const y = builder.softmaxScale('ensemble_param', builder.input('x', [4]), { count: 3, index: 2 });
    const [{ name, role, shape, group }] = builder.finish(y).parameters;
    expect({ name, role, shape, group }).toEqual({
      name: 'network.ensemble_param',
      role: 'weight',
      shape: [3],
      group: 'ensemble',
    });
  });

  it('begins with zeros, or with what is told: numbers from least to bound', () => {
    expect([...firstValues(3)]).toEqual([0, 0, 0]);
    const drawn = firstValues(3000, { kind: 'uniform', least: 0, bound: 1 / 3 });
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...drawn)).toBeLessThanOrEqual(1 / 3);
    // A mean of 3000 uniform numbers is within 5 of its deviations, (1/3)/sqrt(12·3000), of 1/6.
    expect(Math.abs(drawn.reduce((sum, value) => sum + value, 0) / 3000 - 1 / 6)).toBeLessThan(0.009);
    // Without least both sides of 0, as ever.
    expect(Math.min(...firstValues(3000, { kind: 'uniform', bound: 1 / 3 }))).toBeLessThan(-0.3);
  });

  it.each<[string, SoftmaxScaleOptions, RegExp]>([
    ['an entry that there is not', { count: 3, index: 3 }, /index/],
    ['an entry before the first', { count: 3, index: -1 }, /index/],
    ['no weights', { count: 0, index: 0 }, /count/],
    ['least above bound', { count: 3, index: 0, initialiser: { kind: 'uniform', least: 1, bound: 0 } }, /least/],
    ['a negative bound alone', { count: 3, index: 0, initialiser: { kind: 'uniform', bound: -1 } }, /bound/],
  ])('refuses %s', (_, options, message) => {
    expect(() => scaled(options)).toThrow(ArgumentError);
    expect(() => scaled(options)).toThrow(message);
  });

  it.each([
    ['a count that is not that of the weights', { count: 2 }, /nodes\[1\]\.count/],
    ['an entry that there is not', { index: 3 }, /nodes\[1\]\.index/],
    ['a weight that there is not', { weight: 'other' }, /nodes\[1\]\.weight/],
  ])('a graph from elsewhere with %s is refused', (_, change, message) => {
    const { nodes, ...graph } = scaled({ count: 3, index: 0 });
    const changed = { ...graph, nodes: [nodes[0], { ...nodes[1], ...change }] } as Graph;
    expect(() => checkGraph('graph', changed)).toThrow(message);
  });
});
