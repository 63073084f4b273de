import { describe, expect, it } from 'vitest';
import { genotypeLines } from '../../../src/cli/progress.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { cellsOf, emptyCells, type Genotype, type GenotypeByCell, mapCells } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { formatGenotype, originalForm, parseGenotype } from '../../../src/genotype/text.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { cellsToDot } from '../../../src/report/dot.ts';
import { byType } from '../../helpers/by_type.ts';
import { randomGenotype } from './random_genotype.ts';

/** Every cell another. */
function ofCells(count: number): GenotypeByCell {
  return { cells: Array.from({ length: count }, (_, seed) => randomGenotype(seed, 2).normal) };
}

const listed = ({ cells }: GenotypeByCell) => {
  const cell = (index: number) =>
    cells[index].nodes.map((edges) => `[${edges.map(({ operation, input }) => `('${operation}', ${input})`)}]`);
  return `[${cells.map((_, index) => `[${cell(index)}]`)}]`;
};

describe('a genotype by cell', () => {
  it.each([1, 2, 11, 20])('is JSON and back: %i cells', (count) => {
    const genotype = ofCells(count);
    expect(parseGenotype(formatGenotype(genotype, 'json'))).toEqual(genotype);
  });

  it('is read from the lists that StacNAS logs, where they have more than two cells', () => {
    const plain = { cells: Array(3).fill(genotypes.DARTS_V2.normal) };
    expect(parseGenotype(`epoch 80: ${listed(plain)}`)).toEqual(plain);
    expect(byType(parseGenotype(listed({ cells: plain.cells.slice(1) }))).reduce).toEqual(plain.cells[0]);
  });

  it.each([
    [{ cells: [] }, 'a list of 1 to 1000 cells for genotype.cells'],
    [{ cells: {} }, 'a list of 1 to 1000 cells for genotype.cells'],
    [{ cells: [null] }, 'a cell with nodes and concat for genotype.cells.0'],
    [
      { cells: [genotypes.DARTS_V2.normal, { nodes: [[{ operation: 'none', input: 2 }]], concat: [2] }] },
      'an earlier state (0 to 1) for genotype.cells.1.nodes[0][0].input',
    ],
    [{ ...genotypes.DARTS_V2, cells: [genotypes.DARTS_V2.normal] }, 'nothing beside cells for genotype.normal'],
  ])('has its fault told: %#', (genotype, message) => {
    expect(() => checkGenotype(genotype as never)).toThrow(message);
    expect(() => checkGenotype(genotype as never)).toThrow(ArgumentError);
  });

  it('has its fault in a text told by line and column', () => {
    const text = formatGenotype(ofCells(3), 'json').replaceAll(/"input":\d+/g, '"input":9');
    expect(() => parseGenotype(text)).toThrow(/an earlier state \(0 to 1\) at line 1, column \d+ but found 9/);
    expect(() => parseGenotype('{"cells": 3}')).toThrow(ArgumentError);
  });

  it('has no Python or NNI form', () => {
    expect(originalForm(ofCells(3))).toBeUndefined();
    for (const form of ['python', 'nni'] as const) {
      expect(() => formatGenotype(ofCells(3), form)).toThrow(
        /every cell of this genotype is another; use the JSON form/,
      );
    }
  });

  it('tells its cells by their places', () => {
    const genotype = ofCells(12);
    expect(cellsOf(genotype).map(([key]) => key)).toEqual(Array.from({ length: 12 }, (_, i) => `cells.${i}`));
    expect(mapCells(genotype, (cell) => cell)).toEqual(genotype);
    const none = { nodes: [[], []], concat: [] };
    expect(emptyCells(mapCells(genotype, (cell, key) => (key === 'cells.10' ? none : cell)))).toEqual(['cells.10']);
  });

  it('builds each cell of the network, and no other number of them', () => {
    const options = { inputShape: [16, 16, 3] as const, classes: 10, initChannels: 2 };
    const { normal, reduce } = genotypes.DARTS_V2;
    const cells = [
      normal,
      genotypes.DARTS_V1.normal,
      genotypes.STACNAS_CIFAR10.normal,
      reduce,
      genotypes.STACNAS_CIFAR100.normal,
    ];
    const parametersOf = (genotype: Genotype, index: number) =>
      buildDerivedNetwork({ genotype, layers: 5, ...options })
        .graph.parameters.filter(({ name }) => name.startsWith(`cells.${index}.`))
        .map(({ name, shape }) => [name, shape]);
    expect(() => buildDerivedNetwork({ genotype: { cells }, layers: 6, ...options })).toThrow(
      'expected 5, as many cells as the genotype has for layers but received 6',
    );
    for (const [index, cell] of cells.entries()) {
      expect(parametersOf({ cells }, index)).toEqual(parametersOf({ normal: cell, reduce: cell }, index));
    }
  });

  it('is drawn and told cell by cell', () => {
    const dot = cellsToDot(ofCells(3));
    for (const index of [0, 1, 2]) expect(dot).toContain(`<<B>cell ${index}</B>>`);
    const lines = genotypeLines(ofCells(3), 200);
    expect(lines.filter((line) => line.startsWith('  cells.'))).toHaveLength(3);
  });
});
