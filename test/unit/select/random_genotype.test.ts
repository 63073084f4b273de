// Random genotypes of every space that searches can be asked for.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { checkLive } from '../../../src/genotype/dead_nodes.ts';
import { cellsOf, emptyCells, type Genotype } from '../../../src/genotype/genotype.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { formatGenotype } from '../../../src/genotype/text.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { selectableOf } from '../../../src/select/layout.ts';
import { randomGenotype } from '../../../src/select/random_genotype.ts';
import { recurrentRows } from '../../../src/select/recurrent_rows.ts';
import { defaultThreshold, type SelectionOptions } from '../../../src/select/rules.ts';
import { spaces } from '../../../src/space/space.ts';

const darts: SelectionOptions = { by: 'darts', threshold: defaultThreshold };
const sparse: SelectionOptions = { by: 'threshold_sparse', threshold: defaultThreshold };

const supernetOf = (space: string) =>
  buildSupernet({ space, inputShape: [8, 8, 3], classes: 3, layers: 3, initChannels: 2 });
const recurrent = selectableOf({ nodes: 8, tables: { recurrent: { name: 'alphas', rows: recurrentRows(8) } } });

const namesOf = (genotype: Genotype) =>
  cellsOf(genotype).flatMap(([, { nodes }]) => nodes.flat().map(({ operation }) => operation));

describe('randomGenotype', () => {
  it.each(Object.keys(spaces))('draws what space %s holds, by seed', (space) => {
    const supernet = supernetOf(space);
    const selection = supernet.space.activation === 'sigmoid' ? sparse : darts;
    const drawn = [0, 1, 2, 3].map((seed) => randomGenotype(supernet, selection, seed));
    const candidates = Object.values(supernet.tables).flatMap(({ edges }) => edges.flatMap((edge) => edge.candidates));
    const known = new Set(candidates.map(({ name }) => name));
    for (const genotype of drawn) {
      checkGenotype(genotype);
      checkLive(genotype);
      expect(namesOf(genotype).filter((name) => !known.has(name))).toEqual([]);
    }
    expect(randomGenotype(supernet, selection, 2)).toEqual(drawn[2]);
    expect(new Set(drawn.map((genotype) => formatGenotype(genotype, 'json'))).size).toBe(4);
  });

  it('draws recurrent cells', () => {
    const genotype = randomGenotype(recurrent, darts, 5);
    checkGenotype(genotype);
    expect(genotype.recurrent?.nodes).toHaveLength(8);
    expect(randomGenotype(recurrent, darts, 6)).not.toEqual(genotype);
  });

  it('takes every operation of an edge as often, none too where edges keep it', () => {
    const supernet = supernetOf('nasbench201');
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 500; seed++) {
      for (const name of namesOf(randomGenotype(supernet, darts, seed))) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBe(5);
    // 3,000 edges: 600 of each, with a deviation of 22.
    for (const count of counts.values()) expect(Math.abs(count - 600)).toBeLessThan(5 * 22);
  });

  it('takes every pair of inputs of a node as often', () => {
    const supernet = supernetOf('darts');
    const pairs = new Map<string, number>();
    for (let seed = 0; seed < 400; seed++) {
      const { normal } = randomGenotype(supernet, darts, seed);
      const inputs = normal!.nodes[3].map(({ input }) => input).sort();
      pairs.set(inputs.join(), (pairs.get(inputs.join()) ?? 0) + 1);
    }
    // Ten pairs of five inputs, 40 of each, with a deviation of 6.
    expect(pairs.size).toBe(10);
    for (const count of pairs.values()) expect(Math.abs(count - 40)).toBeLessThan(5 * 6);
  });

  it('leaves no cell of triples empty, and says so where a threshold would', () => {
    const supernet = supernetOf('fairdarts');
    for (let seed = 0; seed < 50; seed++) {
      const genotype = randomGenotype(supernet, { by: 'threshold_edge', threshold: 0.97 }, seed);
      expect(emptyCells(genotype)).toEqual([]);
      checkLive(genotype);
    }
    expect(() => randomGenotype(supernet, { by: 'threshold_sparse', threshold: 1 }, 0)).toThrow(
      'each had a cell without entries: the threshold 1',
    );
  });

  it.each([[-1], [0.5], ['1'], [undefined]])('refuses the seed %s', (seed) => {
    expect(() => randomGenotype(recurrent, darts, seed as number)).toThrow(ArgumentError);
  });
});
