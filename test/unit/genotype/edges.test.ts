import { describe, expect, it } from 'vitest';
import { edgeName, keptEdge, keptEdges, operationsOn, withOperation } from '../../../src/genotype/edges.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { byType } from '../../helpers/by_type.ts';

const darts = genotypes['DARTS_V2'];
const entry = (operation: string, input: number) => ({ operation, input });
const triples: Genotype = {
  entries: 'triples',
  normal: { nodes: [[], [entry('a', 2), entry('b', 0), entry('c', 2)]], concat: [3] },
  reduce: { nodes: [[entry('d', 1)], []], concat: [2] },
};

describe('edges of a genotype', () => {
  it('are named by cell, node and input, each once', () => {
    expect(keptEdges(darts).map(edgeName).slice(0, 4)).toEqual([
      'normal.0.0',
      'normal.0.1',
      'normal.1.0',
      'normal.1.1',
    ]);
    expect(keptEdges(darts)).toHaveLength(16);
    expect(keptEdges(triples).map(edgeName)).toEqual(['normal.1.2', 'normal.1.0', 'reduce.0.1']);
  });

  it('are found by name, the first without one; others are refused with a list', () => {
    expect(keptEdge(darts)).toEqual({ cell: 'normal', node: 0, input: 0 });
    expect(keptEdge(triples, 'reduce.0.1')).toEqual({ cell: 'reduce', node: 0, input: 1 });
    expect(() => keptEdge(triples, 'normal.0.1')).toThrow(
      "expected one that the genotype keeps, normal.1.2, normal.1.0, reduce.0.1, for edge but received 'normal.0.1'",
    );
    const empty = { ...triples, normal: { nodes: [[]], concat: [] }, reduce: { nodes: [[]], concat: [] } };
    expect(() => keptEdge(empty)).toThrow('it keeps none');
  });

  it('take another operation, and nothing else changes', () => {
    const edge = keptEdge(darts, 'normal.1.1');
    const other = withOperation(darts, edge, 'skip_connect');
    expect(operationsOn(other, edge)).toEqual(['skip_connect']);
    expect(withOperation(other, edge, operationsOn(darts, edge)[0])).toEqual(darts);
    expect(operationsOn(darts, edge)).toEqual(['sep_conv_3x3']);
  });

  it('of triples have one operation then, in the place of the first', () => {
    const edge = keptEdge(triples, 'normal.1.2');
    expect(operationsOn(triples, edge)).toEqual(['a', 'c']);
    const other = byType(withOperation(triples, edge, 'z'));
    checkGenotype(other);
    expect(other.normal.nodes).toEqual([[], [entry('z', 2), entry('b', 0)]]);
    expect(other.reduce).toEqual(triples.reduce);
  });

  it('of a genotype by cell are those of every cell', () => {
    const genotype = { cells: [darts.normal, darts.reduce, darts.normal] };
    const edge = keptEdge(genotype, 'cells.2.0.1');
    const { cells } = withOperation(genotype, edge, 'z');
    expect(cells?.slice(0, 2)).toEqual([darts.normal, darts.reduce]);
    expect(operationsOn({ cells: cells! }, edge)).toEqual(['z']);
    expect(keptEdges(genotype)).toHaveLength(24);
  });

  it('keep their constant weight', () => {
    const weighted = { ...darts, normal: { ...darts.normal, nodes: [[{ ...entry('a', 0), weight: 0.5 }]] } };
    const { nodes } = byType(withOperation(weighted, keptEdge(weighted), 'b')).normal;
    expect(nodes).toEqual([[{ operation: 'b', input: 0, weight: 0.5 }]]);
  });
});
