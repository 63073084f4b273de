// Genotypes of one cell, and the strings by which NAS-Bench-201 names them.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { withoutDeadNodes } from '../../../src/genotype/dead_nodes.ts';
import { edgeName, keptEdges, operationsOn, withOperation } from '../../../src/genotype/edges.ts';
import type { Genotype, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { findGenotype, formatGenotype, originalForm, parseGenotype } from '../../../src/genotype/text.ts';

const text = '|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|none~1|skip_connect~2|';
const edge = (operation: string, input: number) => ({ operation, input });
const cell: GenotypeCell = {
  nodes: [
    [edge('avg_pool_3x3', 0)],
    [edge('nor_conv_1x1', 0), edge('skip_connect', 1)],
    [edge('nor_conv_1x1', 0), edge('none', 1), edge('skip_connect', 2)],
  ],
  concat: [3],
};

describe('the string of NAS-Bench-201', () => {
  it('is read and printed', () => {
    expect(parseGenotype(text)).toEqual({ cell });
    expect(formatGenotype({ cell })).toBe(text);
    expect(formatGenotype({ cell }, 'nasbench201')).toBe(text);
    expect(originalForm({ cell })).toBe(text);
  });

  it('is read as the published class prints it, and within a log, where the last one is meant', () => {
    expect(parseGenotype(`  Structure(4 nodes with ${text})\n`)).toEqual({ cell });
    const log = `epoch 1: Structure(2 nodes with |none~0|)\nepoch 2, genotype = ${text} (loss 0.1)\n`;
    expect(findGenotype(log)).toEqual({ genotype: { cell }, count: 2, line: 2 });
  });

  it('has any number of nodes', () => {
    for (const whole of ['|none~0|', `${text}+|a~0|b~1|c~2|d~3|`]) {
      expect(formatGenotype(parseGenotype(whole))).toBe(whole);
    }
  });

  it.each([
    ['|a~0|+|b~0|', 'an edge from each of the states 0, 1, in this order, at line 1, column 7 but found "0"'],
    ['|a~0|+|b~1|c~0|', 'an edge from each of the states 0, 1, in this order, at line 1, column 7 but found "1, 0"'],
    ['|a~1|', 'an earlier state (0 to 0) at line 1, column 4 but found 1'],
    ['|a~x|', 'OPERATION~STATE at line 1, column 2 but found "a~x"'],
    ['|a|', 'OPERATION~STATE at line 1, column 2 but found "a"'],
    ['|a~0|+b', 'OPERATION~STATE at line 1, column 7 but found "b"'],
    ['|', 'at least one edge at line 1, column 1'],
    ['|a~0|+', 'at least one edge at line 1, column 7'],
    ['Structure(', "'|' at line 1, column 11 but found the end"],
    [`Structure(5 nodes with ${text})`, "5 nodes, the cell's input one of them, at line 1, column 24 but found 4"],
  ])('refuses %s', (wrong, message) => {
    expect(() => parseGenotype(wrong)).toThrow(ArgumentError);
    expect(() => parseGenotype(wrong)).toThrow(message);
  });

  it('says no other genotype and no weights', () => {
    expect(() => formatGenotype(parseGenotype('DARTS_V2'), 'nasbench201')).toThrow('is of one cell');
    const weighted = { cell: { ...cell, nodes: [[{ ...edge('a', 0), weight: 2 }], ...cell.nodes.slice(1)] } };
    expect(() => formatGenotype(weighted)).toThrow('no weights');
    expect(parseGenotype(formatGenotype(weighted, 'json'))).toEqual(weighted);
    expect(() => formatGenotype({ cell: { nodes: [[edge('a b', 0)]], concat: [1] } })).toThrow('use the JSON form');
  });
});

describe('a genotype of one cell', () => {
  it('has a JSON form, and none of Python or NNI', () => {
    expect(parseGenotype(formatGenotype({ cell }, 'json'))).toEqual({ cell });
    for (const form of ['python', 'nni'] as const) {
      expect(() => formatGenotype({ cell }, form)).toThrow('the one cell of this genotype has one');
    }
  });

  it.each<[object, string]>([
    [{ cell: null }, 'a cell with nodes and concat for genotype.cell'],
    [{ cell: { ...cell, concat: [2, 3] } }, 'the state of the last node, [3] for genotype.cell.concat'],
    [{ cell: { nodes: [[]], concat: [1] } }, 'at least one edge for genotype.cell.nodes[0]'],
    [{ cell: { nodes: [], concat: [0] } }, 'at least one node for genotype.cell.nodes'],
    [{ cell: { nodes: [null], concat: [1] } }, 'a list of edges for genotype.cell.nodes[0]'],
    [{ cell, normal: cell }, 'nothing beside cell for genotype.normal'],
    [{ cell, entries: 'triples' }, 'nothing beside cell for genotype.entries'],
  ])('is refused: %o', (wrong, message) => {
    expect(() => checkGenotype(wrong as Genotype)).toThrow(message);
  });

  it('has edges by name, and no dead nodes', () => {
    const genotype = { cell };
    expect(withoutDeadNodes(genotype)).toBe(genotype);
    expect(keptEdges(genotype).map(edgeName).join(' ')).toBe('cell.0.0 cell.1.0 cell.1.1 cell.2.0 cell.2.1 cell.2.2');
    const place = { cell: 'cell', node: 2, input: 1 };
    expect(operationsOn(genotype, place)).toEqual(['none']);
    expect(formatGenotype(withOperation(genotype, place, 'nor_conv_3x3'))).toBe(text.replace('none', 'nor_conv_3x3'));
  });
});
