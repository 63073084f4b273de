// Recurrent cells: written forms, rules, the published ones, and cells that are drawn by lot.
import { describe, expect, it } from 'vitest';
import { publishedNames } from '../../../src/cli/published_names.ts';
import { ArgumentError } from '../../../src/errors.ts';
import { withoutDeadNodes } from '../../../src/genotype/dead_nodes.ts';
import { edgeName, keptEdges, withOperation } from '../../../src/genotype/edges.ts';
import { cellName, type Genotype, type GenotypeCell } from '../../../src/genotype/genotype.ts';
import { recurrentGenotypes } from '../../../src/genotype/published/recurrent.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { activations, randomRecurrentCell } from '../../../src/genotype/recurrent.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { findGenotype, formatGenotype, originalForm, parseGenotype } from '../../../src/genotype/text.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { expectFault } from './expect_fault.ts';

const edge = (operation: string, input: number) => ({ operation, input });
const cell: GenotypeCell = { nodes: [[edge('relu', 0)], [edge('tanh', 1)], [edge('identity', 0)]], concat: [1, 2, 3] };
const recurrent: Genotype = { recurrent: cell };
const text = "Genotype(recurrent=[('relu', 0), ('tanh', 1), ('identity', 0)], concat=range(1, 4))";

describe('the published recurrent cells', () => {
  it.each([
    [
      'DARTS_V1_RNN',
      "Genotype(recurrent=[('relu', 0), ('relu', 1), ('tanh', 2), ('relu', 3), ('relu', 4), ('identity', 1), ('relu', 5), ('relu', 1)], concat=range(1, 9))",
    ],
    [
      'DARTS_V2_RNN',
      "Genotype(recurrent=[('sigmoid', 0), ('relu', 1), ('relu', 1), ('identity', 1), ('tanh', 2), ('sigmoid', 5), ('tanh', 3), ('relu', 5)], concat=range(1, 9))",
    ],
    [
      'ENAS_RNN',
      "Genotype(recurrent=[('tanh', 0), ('tanh', 1), ('relu', 1), ('tanh', 3), ('tanh', 3), ('relu', 3), ('relu', 4), ('relu', 7), ('relu', 8), ('relu', 8), ('relu', 8)], concat=[2, 5, 6, 9, 10, 11])",
    ],
  ])('%s is printed and read as its authors have it', (name, published) => {
    expect(formatGenotype(parseGenotype(name))).toBe(published);
    expect(parseGenotype(published)).toEqual(recurrentGenotypes[name]);
  });

  it('are listed in help, on a line of their own', () => {
    expect(publishedNames().split('\n').at(-1)).toBe(
      '  recurrent cells: DARTS_V1_RNN, DARTS_V2_RNN, DARTS_RNN, ENAS_RNN',
    );
  });

  it('take no name of a genotype for images, whose own keep their meaning', () => {
    expect(Object.keys(recurrentGenotypes).filter((name) => Object.hasOwn(genotypes, name))).toEqual([]);
    expect(parseGenotype('DARTS_V2').recurrent).toBeUndefined();
    expect(recurrentGenotypes['DARTS_RNN']).toBe(recurrentGenotypes['DARTS_V2_RNN']);
    expect(() => parseGenotype('DARTS_V3_RNN')).toThrow(/Did you mean DARTS_V[12]_RNN\?/);
    for (const one of Object.values(recurrentGenotypes)) expect(() => checkGenotype(one)).not.toThrow();
  });
});

describe('the forms of a recurrent cell', () => {
  it('are Python and JSON', () => {
    expect(formatGenotype(recurrent)).toBe(text);
    expect(originalForm(recurrent)).toBe(text);
    expect(JSON.parse(formatGenotype(recurrent, 'json'))).toEqual(recurrent);
    for (const form of ['python', 'json'] as const)
      expect(parseGenotype(formatGenotype(recurrent, form))).toEqual(recurrent);
  });

  it.each([
    ['lists', "Genotype(recurrent=[('relu', 0), ('tanh', 1), ('identity', 0)], concat=[1, 2, 3])"],
    [
      'tuples, double quotes and a comma more',
      'Genotype(recurrent=(("relu", 0), ("tanh", 1), ["identity", 0],), concat=(1, 2, 3,))',
    ],
    ['the other order', "Genotype(concat=list(range(1, 4)), recurrent=[('relu', 0), ('tanh', 1), ('identity', 0)])"],
    ["Python 2's range", text.replace('range', 'xrange')],
    ['numpy', text.replace("('relu', 0)", "(np.str_('relu'), np.int64(0))").replace('range(1, 4)', 'np.arange(1, 4)')],
    [
      'a module',
      `DARTS_V9 = Genotype(\n  recurrent = [ # nodes\n    ('relu', 0), ('tanh', 1),\n    ('identity', 0)], concat = range(1, 4)\n)\n`,
    ],
    ['a dict', "{'recurrent': [('relu', 0), ('tanh', 1), ('identity', 0)], 'concat': range(1, 4)}"],
    ['a dict as JSON', '{"concat": [1, 2, 3], "recurrent": [["relu", 0], ["tanh", 1], ["identity", 0]]}'],
    ['JSON, concat first', `{"recurrent": {"concat": [1, 2, 3], "nodes": ${JSON.stringify(cell.nodes)}}}`],
  ])('are read as %s', (_, written) => {
    expect(parseGenotype(written)).toEqual(recurrent);
  });

  it('may stand in a log, where the last one is meant, beside cells for images', () => {
    const images = formatGenotype(genotypes['DARTS_V2']);
    expect(findGenotype(`epoch 1 ${images}\nepoch 2 ${text} loss 5\n`)).toEqual({
      genotype: recurrent,
      count: 2,
      line: 2,
    });
    expect(parseGenotype(`epoch 1 ${text}\nepoch 2 ${images}\n`)).toEqual(genotypes['DARTS_V2']);
  });

  it.each([
    ["('tanh', 1)", "('tanh', ^2)", 'an earlier state (0 to 1)', '2'],
    ["('tanh', 1)", "(^'none', 1)", 'one of tanh, relu, sigmoid, identity', '"none"'],
    [
      "('tanh', 1)",
      "('tanh', 1, ^0.5)",
      "a pair (activation, from) a node, such as ('relu', 0),",
      'another number: 0.5',
    ],
    ['range(1, 4)', '^range(1, 5)', 'the state of a node (1 to 3)', '4'],
    ['range(1, 4)', '^range(4)', 'the state of a node (1 to 3)', '0'],
    ['range(1, 4)', '[1, ^1]', 'each state once', '1'],
    ['range(1, 4)', '^[]', 'at least one state', '[]'],
    ["[('relu', 0), ('tanh', 1), ('identity', 0)]", '^[]', 'at least one node', '[]'],
    [', concat=range(1, 4)', '^', 'the field concat', '")"'],
    ['concat', '^normal_concat', 'the field concat', '"normal_concat"'],
    [
      "[('relu', 0), ('tanh', 1), ('identity', 0)]",
      "[^[('relu', 0)], [('tanh', 1)]]",
      "a pair (activation, from) a node, such as ('relu', 0),",
      'a list of them',
    ],
  ])('tell the place of a fault: %s as %s', (right, wrong, expectation, found) => {
    expectFault(text, right, wrong, expectation, found);
  });

  it('say every cell, and are read again', () => {
    for (let seed = 0; seed < 100; seed++) {
      const { recurrent } = randomRecurrentCell(seed, 1 + (seed % 12));
      const concat = recurrent.concat.filter((state) => state === 1 || (seed >> (state % 7)) % 2 === 0).toReversed();
      const drawn = { recurrent: { ...recurrent, concat } };
      for (const form of ['python', 'json'] as const) expect(parseGenotype(formatGenotype(drawn, form))).toEqual(drawn);
    }
  });

  it('are refused where they are cut or lengthened without end', () => {
    const whole = [text, formatGenotype(recurrent, 'json'), '{"recurrent": [["relu", 0]], "concat": [1]}'];
    for (const one of whole) {
      for (let length = 0; length < one.length; length++)
        expect(() => parseGenotype(one.slice(0, length))).toThrow(ArgumentError);
    }
    const hostile = [
      `Genotype(recurrent=${'['.repeat(1e6)}`,
      `Genotype(recurrent=[('relu', ${'np.int64('.repeat(1e5)}`,
      "Genotype(recurrent=[('relu', 0)], concat=range(1, 1000000000))",
      "Genotype(recurrent=[('relu', 0)], recurrent=[('relu', 0)], concat=[1])",
      "Genotype(recurrent=[('relu', 0)], normal=[], concat=[1])",
      `{"recurrent":{"nodes":${'['.repeat(1e6)}`,
      '{"recurrent": null}',
      '{"recurrent": {"nodes": [], "concat": []}, "cell": {}}',
    ];
    for (const one of hostile) expect(() => parseGenotype(one)).toThrow(ArgumentError);
  });

  it('are no others', () => {
    expect(() => formatGenotype(recurrent, 'python-nested')).toThrow('has a recurrent one; use the Python form');
    expect(() => formatGenotype(recurrent, 'nni')).toThrow('has a recurrent one');
    expect(() => formatGenotype(recurrent, 'nni-masks')).toThrow('has a recurrent one');
    expect(() => formatGenotype(recurrent, 'nasbench201')).toThrow('has a recurrent one');
  });
});

describe('a recurrent cell', () => {
  it.each<[object, string]>([
    [{ recurrent: null }, 'a cell with nodes and concat for genotype.recurrent'],
    [{ recurrent: { ...cell, nodes: [] } }, 'at least one node for genotype.recurrent.nodes'],
    [
      { recurrent: { ...cell, nodes: [[], ...cell.nodes.slice(1)] } },
      'at least one edge for genotype.recurrent.nodes[0]',
    ],
    [
      { recurrent: { ...cell, nodes: [[edge('relu', 0), edge('tanh', 0)]] } },
      'one edge for genotype.recurrent.nodes[0] but received 2',
    ],
    [
      { recurrent: { ...cell, nodes: [[edge('relu', 1)]] } },
      'an earlier state (0 to 0) for genotype.recurrent.nodes[0][0].input',
    ],
    [
      { recurrent: { ...cell, nodes: [[edge('gelu', 0)]] } },
      'one of tanh, relu, sigmoid, identity for genotype.recurrent.nodes[0][0].operation',
    ],
    [
      { recurrent: { ...cell, nodes: [[{ ...edge('relu', 0), weight: 1 }]] } },
      'none in a recurrent cell for genotype.recurrent.nodes[0][0].weight',
    ],
    [{ recurrent: { ...cell, concat: [0, 1] } }, 'the state of a node (1 to 3) for genotype.recurrent.concat[0]'],
    [{ recurrent: cell, cell }, 'nothing beside recurrent for genotype.cell'],
    [{ recurrent: cell, entries: 'triples' }, 'nothing beside recurrent for genotype.entries'],
  ])('is refused: %o', (wrong, message) => {
    expect(() => checkGenotype(wrong as Genotype)).toThrow(message);
  });

  it('has edges by name, no dead nodes, and a name of its own', () => {
    expect(keptEdges(recurrent).map(edgeName)).toEqual(['recurrent.0.0', 'recurrent.1.1', 'recurrent.2.0']);
    expect(withOperation(recurrent, { cell: 'recurrent', node: 1, input: 1 }, 'sigmoid').recurrent?.nodes[1]).toEqual([
      edge('sigmoid', 1),
    ]);
    expect(withoutDeadNodes(recurrent)).toBe(recurrent);
    expect(cellName('recurrent')).toBe('recurrent cell');
  });

  it('is nothing that images go through', () => {
    const network = { genotype: recurrent, inputShape: [8, 8, 3], classes: 2 } as const;
    const refusal =
      'one of normal and reduction cells for the genotype of a darts network but received one of a recurrent cell';
    expect(() => buildDerivedNetwork(network)).toThrow(refusal.replace('received one', "received 'one"));
    expect(() => buildDerivedNetwork({ ...network, skeleton: 'nasbench201' })).toThrow(ArgumentError);
  });
});

describe('randomRecurrentCell', () => {
  it('is a sound cell of all nodes, the same for a seed', () => {
    for (let seed = 0; seed < 50; seed++) {
      const drawn = randomRecurrentCell(seed);
      checkGenotype(drawn);
      expect(drawn.recurrent.concat).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(randomRecurrentCell(seed)).toEqual(drawn);
      // More nodes do not change those before them.
      expect(randomRecurrentCell(seed, 11).recurrent.nodes.slice(0, 8)).toEqual(drawn.recurrent.nodes);
    }
  });

  it('draws every activation and every predecessor alike', () => {
    const count = 4000;
    const cells = Array.from({ length: count }, (_, seed) => randomRecurrentCell(seed, 5).recurrent.nodes);
    for (let node = 0; node < 5; node++) {
      const share = (holds: (one: { operation: string; input: number }) => boolean) =>
        cells.filter((nodes) => holds(nodes[node][0])).length / count;
      // Five deviations of a share.
      for (const name of activations)
        expect(Math.abs(share(({ operation }) => operation === name) - 0.25)).toBeLessThan(0.035);
      const both = share(({ operation, input }) => operation === 'tanh' && input === node);
      expect(Math.abs(both - 0.25 / (node + 1))).toBeLessThan(0.035);
      for (let from = 0; from <= node; from++) {
        expect(Math.abs(share(({ input }) => input === from) - 1 / (node + 1))).toBeLessThan(0.04);
      }
    }
  });

  it('refuses what is no seed or no number of nodes', () => {
    for (const seed of [-1, 0.5, '1']) expect(() => randomRecurrentCell(seed as number)).toThrow(ArgumentError);
    expect(() => randomRecurrentCell(1, 0)).toThrow('for nodes but received 0');
  });
});
