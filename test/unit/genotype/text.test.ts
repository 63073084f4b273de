import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { Genotype } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { findGenotype, formatGenotype, parseGenotype } from '../../../src/genotype/text.ts';
import { byType } from '../../helpers/by_type.ts';
import { expectFault } from './expect_fault.ts';
import { randomGenotype } from './random_genotype.ts';

const dartsV2Text =
  "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), " +
  "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), " +
  "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), " +
  "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))";

const edge = (operation: string, input: number) => ({ operation, input });
const tiny: Genotype = {
  normal: { nodes: [[edge('none', 0), edge('skip_connect', 1)]], concat: [2] },
  reduce: { nodes: [[edge('none', 1), edge('skip_connect', 0)]], concat: [2] },
};
const tinyText =
  "Genotype(normal=[('none', 0), ('skip_connect', 1)], normal_concat=range(2, 3), " +
  "reduce=[('none', 1), ('skip_connect', 0)], reduce_concat=range(2, 3))";

describe('formatGenotype', () => {
  it('prints the published text', () => {
    expect(formatGenotype(genotypes.DARTS_V2)).toBe(dartsV2Text);
  });

  it('prints a list where the concatenated states leave gaps or go down', () => {
    expect(formatGenotype(genotypes.AmoebaNet)).toContain('normal_concat=range(4, 7)');
    expect(formatGenotype(genotypes.AmoebaNet)).toContain('reduce_concat=[3, 4, 6]');
  });

  it('prints JSON of nothing but the genotype', () => {
    const noisy = { ...tiny, normal: { ...tiny.normal, note: 'x' } };
    expect(JSON.parse(formatGenotype(noisy, 'json'))).toEqual(tiny);
  });

  it('sends other than two edges a node to JSON', () => {
    const single = { ...tiny, reduce: { nodes: [[edge('none', 0)]], concat: [2] } };
    expect(() => formatGenotype(single)).toThrow(/node 0 of the reduce cell has 1; use the JSON form/);
    expect(parseGenotype(formatGenotype(single, 'json'))).toEqual(single);
  });

  it('refuses faulty genotypes, naming the place', () => {
    const faulty = { ...tiny, normal: { nodes: [[edge('none', 0), edge('none', 2)]], concat: [2] } };
    expect(() => formatGenotype(faulty)).toThrow(
      'expected an earlier state (0 to 1) for genotype.normal.nodes[0][1].input but received 2',
    );
    expect(() => formatGenotype({ ...tiny, reduce: { ...tiny.reduce, concat: [3] } })).toThrow(/reduce.concat\[0\]/);
    expect(() => formatGenotype(null as unknown as Genotype)).toThrow(ArgumentError);
    expect(() => formatGenotype({ normal: tiny.normal } as unknown as Genotype)).toThrow(/genotype.reduce/);
  });
});

describe('parseGenotype', () => {
  it('reads published names, with case', () => {
    for (const [name, genotype] of Object.entries(genotypes)) expect(parseGenotype(` ${name}\n`)).toBe(genotype);
    expect(genotypes.DARTS).toBe(genotypes.DARTS_V2);
    for (const wrong of ['darts_v2', 'toString', '__proto__', '', 'a'.repeat(1e7)]) {
      expect(() => parseGenotype(wrong)).toThrow(
        /expected a published name such as DARTS_V2, or the Python, JSON, NNI or NAS-Bench-201 form/,
      );
    }
    expect(() => parseGenotype('fairdarts_A')).toThrow("received 'fairdarts_A' (Did you mean FairDARTS_a?)");
  });

  it('reads the published text', () => {
    expect(parseGenotype(dartsV2Text)).toEqual(genotypes.DARTS_V2);
  });

  it('is free about quotes, white space, lists, field order, commas at the end and a name in front', () => {
    const text = `found = Genotype (
      reduce_concat = [ 2 , ] ,  reduce=[ ("none",1,) , ('skip_connect' , 0), ],\r\n
      normal_concat=[2], normal=[('none',0),('skip_connect',1)],
    ) \n`;
    expect(parseGenotype(text)).toEqual(tiny);
  });

  it('reads back whatever formatGenotype prints', () => {
    const twoEdged = [
      ...Object.values(genotypes).filter(({ entries }) => entries === undefined),
      ...Array.from({ length: 100 }, (_, seed) => randomGenotype(seed, 2)),
    ];
    for (const genotype of twoEdged) expect(parseGenotype(formatGenotype(genotype))).toEqual(genotype);
    const all = [...twoEdged, ...Array.from({ length: 100 }, (_, seed) => randomGenotype(seed))];
    for (const genotype of all) {
      expect(parseGenotype(formatGenotype(genotype, 'json'))).toEqual(genotype);
      expect(parseGenotype(JSON.stringify(genotype, null, 2))).toEqual(genotype);
    }
  });

  const nodes = (pairs: string) => pairs.replace(/(\('\w+', \d\), \('\w+', \d\))/g, '[$1]');
  const fields = dartsV2Text.slice('Genotype('.length, -1);
  it.each([
    ['a list a node', nodes(dartsV2Text)],
    ['tuples for nodes and states', nodes(dartsV2Text).replaceAll('[', '(').replaceAll(']', ')')],
    ['lists for edges', dartsV2Text.replace(/\(('\w+', \d)\)/g, '[$1]')],
    ["a line of the published code's log", `07/08 05:56:53 AM genotype = ${dartsV2Text}`],
    ['a line with something behind it', `epoch 3: ${dartsV2Text}, valid_acc 97.24`],
    ['comments', `# of seed 3\nFOUND = ${dartsV2Text.replaceAll('), ', '), # ( an edge\n')}  # seed 3 (`],
    [
      'several lines with commas at the ends',
      dartsV2Text.replaceAll(/([)\]]), /g, '$1,\r\n    ').replace(/\)$/, ',\n)\n'),
    ],
    ['a module in front', `genotypes.${dartsV2Text}`],
    ['fields without names', dartsV2Text.replace(/\w+=/g, '')],
    ['some fields without names', dartsV2Text.replace('normal=', '').replace('normal_concat=', '')],
    ['double quotes', dartsV2Text.replaceAll("'", '"')],
    ["Python 2's texts", dartsV2Text.replaceAll("('", "(u'").replaceAll('range', 'xrange')],
    ['a list', dartsV2Text.replaceAll('range(2, 6)', '[2, 3, 4, 5]')],
    ['a tuple', dartsV2Text.replaceAll('range(2, 6)', '(2, 3, 4, 5,)')],
    ['a list of a range', dartsV2Text.replaceAll('range(2, 6)', 'list(range(2, 6))')],
    ['a tuple of a range with its step', dartsV2Text.replaceAll('range(2, 6)', 'tuple(range(2, 6, 1))')],
    ['an array', dartsV2Text.replaceAll('range(2, 6)', 'array([2, 3, 4, 5])')],
    ['an array with its type', dartsV2Text.replaceAll('range(2, 6)', 'np.array([2, 3, 4, 5], dtype=np.int64)')],
    ['a range of numpy', dartsV2Text.replaceAll('range(2, 6)', 'list(numpy.arange(2, 6))')],
    ['scalars of numpy 2', dartsV2Text.replace(/, (\d)\)/g, ', np.int64($1))').replaceAll(/('\w+')/g, 'np.str_($1)')],
    [
      'scalars of several kinds',
      dartsV2Text.replace("3', 0)", "3', numpy.uint8(0))").replace("3', 1)", "3', np.intp(1))"),
    ],
    ['states of PyTorch', dartsV2Text.replace(/, (\d)\)/g, ", tensor($1, device='cuda:0'))")],
    ['lines of JSON that quote it', `{"epoch": 1}\n${JSON.stringify({ epoch: 2, genotype: dartsV2Text })}\n`],
    ["Python's dict", `{${fields.replace(/(\w+)=/g, "'$1': ").replaceAll('range(2, 6)', '[2, 3, 4, 5]')}}`],
    [
      'what json makes of the dict',
      `{${fields
        .replaceAll('range(2, 6)', '[2, 3, 4, 5]')
        .replaceAll('(', '[')
        .replaceAll(')', ']')
        .replaceAll("'", '"')
        .replace(/(\w+)=/g, '"$1": ')}}`,
    ],
  ])('reads %s', (_, text) => {
    expect(parseGenotype(text)).toEqual(genotypes.DARTS_V2);
  });

  it('reads any number of edges where every node has its list', () => {
    const text = tinyText.replace(
      "[('none', 0), ('skip_connect', 1)]",
      "[[('none', 0)], [['a', 2], ('b', 0), ('c', 1)]]",
    );
    expect(byType(parseGenotype(text)).normal.nodes).toEqual([
      [edge('none', 0)],
      [edge('a', 2), edge('b', 0), edge('c', 1)],
    ]);
  });

  it('takes the last genotype of a log or a module, no comment and no definition, and counts them', () => {
    const log = `07/08 05:56:53 AM gpu device = 0\n07/08 05:57 AM genotype = ${tinyText}\ntensor([[0.1249, 0.12]])\n`;
    expect(findGenotype(`${log}07/09 epoch 1 lr 2.5e-2\n07/09 genotype = ${dartsV2Text}\ntrain 000 [§\n`)).toEqual({
      ...{ genotype: genotypes.DARTS_V2, count: 2, line: 5 },
    });
    const module = `Genotype = namedtuple('Genotype', 'normal')\n#OLD = ${tinyText}\nDARTS_V2 = ${dartsV2Text}\n  # ${tinyText}\n`;
    expect(findGenotype(module)).toEqual({ genotype: genotypes.DARTS_V2, count: 1, line: 3 });
    expect(findGenotype(`# ${dartsV2Text}`)).toMatchObject({ genotype: genotypes.DARTS_V2, count: 1 });
    expect(() => parseGenotype(`${log}07/09 genotype = ${dartsV2Text.slice(0, 60)}`)).toThrow(/line 4/);
  });

  it('finds the last of many in a long text at once', () => {
    const line = `${' '.repeat(500)}07/08 genotype = ${tinyText}`;
    // 40 MB in lines, and 10 MB in one.
    expect(findGenotype(`${line}\n`.repeat(6e4)).count).toBe(6e4);
    expect(findGenotype(line.repeat(1.5e4)).count).toBe(1.5e4);
  });

  // A mark stands before the character that the message must point at.
  it.each([
    ['range(2, 6)', '^range(2, 7)', 'the state of a node (2 to 5)', '6'],
    ['range(2, 6)', '[2, 3, ^3]', 'each state once', '3'],
    ['range(2, 6)', '^[]', 'at least one state', '[]'],
    ['range(2, 6)', '^range(6, 2)', 'at least one state', '[]'],
    ['range(2, 6)', '^range(2, 2000000000)', 'a range of at most 1000 states', 'range(2, 2000000000)'],
    ['range(2, 6)', 'list(^2, 6)', "'['", '"2"'],
    ['range(2, 6)', '^slice(2, 6)', "'range', '[' or '('", '"slice"'],
    ['range(2, 6)', '^range(2, 6, 0)', 'a range of at most 1000 states', 'range(2, 6, 0)'],
    ['range(2, 6)', 'list(list(list(list(^list(2)))))', "'range', '[' or '('", '"list"'],
    ['range(2, 6)', 'list([2], ^[3])', "a keyword or ')'", '"["'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^float(2))", 'an integer', '"float"'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', 2^]", "')'", '"]"'],
    ["('dil_conv_3x3', 2)", "^[('dil_conv_3x3', 2)]", 'edges that are all in a list of their node, or none,', '"("'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^5)", 'an earlier state (0 to 4)', '5'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^-1)", 'an earlier state (0 to 4)', '-1'],
    ["('dil_conv_3x3', 2)", `('dil_conv_3x3', ^${'9'.repeat(400)})`, 'an earlier state (0 to 4)', 'Infinity'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^2.5)", 'an integer', '"2.5"'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', 2, 0, ^1)", "')'", '"1"'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^.)", 'a name, a number, a quoted text or a bracket', '"."'],
    [
      "('dil_conv_3x3', 2)",
      "(^'dil_conv_3x3', 5, 2)",
      'a pair (operation, from), as the first entry is,',
      'a triple (operation, to, from)',
    ],
    [
      "('dil_conv_3x3', 2)",
      "(^'dil_conv_3x3', 2, 0.5)",
      'a pair (operation, from), as the first entry is,',
      'a pair with a weight (operation, from, decimal)',
    ],
    [dartsV2Text, dartsV2Text.replace(/normal=\[.*?\]/, 'normal=^[]'), 'at least one node', '[]'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3'^)", "','", '")"'],
    ["('dil_conv_3x3', 2)", '(^dil_conv_3x3, 2)', 'the quoted name of an operation', '"dil_conv_3x3"'],
    ["('dil_conv_3x3', 2)", "(^'', 2)", 'the name of an operation, without control characters', '""'],
    ["('dil_conv_3x3', 2)", "(^'a\\u0007', 2)", 'the name of an operation, without control characters', '"a\\u0007"'],
    ["('dil_conv_3x3', 2)", "('a^\\n', 2)", 'an escape of a quote, a backslash or \\uXXXX', '"\\\\n"'],
    ["('dil_conv_3x3', 2)", '(^"dil\n", 2)', 'a closing " for the text that begins', 'none on its line'],
    [", ('dil_conv_3x3', 2)]", '^]', 'an even number of edges, two a node,', 'the end of 7'],
    ['normal_concat', '^normal_cat', 'the field normal_concat or reduce or reduce_concat', '"normal_cat"'],
    ['normal_concat', '^normal', 'the field normal_concat or reduce or reduce_concat', '"normal"'],
    [', reduce_concat=range(2, 6))', '^)', 'the field reduce_concat', '")"'],
    ['reduce_concat=range(2, 6))', 'reduce_concat=range(2, 6)^', "',' or ')'", 'the end'],
    ['Genotype', '^Phenotype', "'Genotype', '{' or a published name", '"Phenotype"'],
    ['Genotype', 'x = ^__import__', "'Genotype'", '"__import__"'],
    ['Genotype', '^§', 'a name, a number, a quoted text or a bracket', '"§"'],
  ])('refuses %s replaced by %s', (right, wrong, expectation, found) => {
    expectFault(dartsV2Text, right, wrong, expectation, found);
  });

  it.each([
    ['"normal"', '^"normol"', 'the field normal or reduce', '"normol"'],
    ['"input":0', '"input":^2', 'an earlier state (0 to 1)', '2'],
    ['"input":0', '"input":^"0"', 'an integer', '"0"'],
    ['"input":0', '"input":0,^"input":0', "'}'", '"input"'],
    [',"input":0}', '^}', 'the field input', '"}"'],
    ['"nodes":[[', '"nodes":[^[],[', 'at least one edge', '[]'],
    ['"nodes":[', '"nodes":^{', "'['", '"{"'],
    ['"concat":[2]', '"concat":[2,^3]', 'the state of a node (2 to 2)', '3'],
  ])('refuses JSON with %s replaced by %s', (right, wrong, expectation, found) => {
    expectFault(formatGenotype(tiny, 'json'), right, wrong, expectation, found);
  });

  it('gives the line of a fault', () => {
    expect(() => parseGenotype(tinyText.replaceAll(', ', ',\n').replace('1)]', '2)]'))).toThrow(
      /line 4, column 1 but found 2/,
    );
  });

  it('survives hostile texts with an ArgumentError', () => {
    const hostile = [
      '('.repeat(1e5),
      `{"normal":${'['.repeat(1e5)}`,
      `Genotype(${'a'.repeat(1e6)}=1)`,
      `Genotype(normal=[('${'\\'.repeat(1e6)}`,
      `${'# '.repeat(1e6)}\n${'Genotype('.repeat(1e5)}`,
      `Genotype(normal=[('a', ${'np.int64('.repeat(1e5)}`,
      `Genotype(${'['.repeat(1e6)}`,
      `Genotype(normal=[('a', 0), ('a', 1)], normal_concat=${'list('.repeat(1e5)}`,
      `Genotype(normal=[], normal_concat=[${'2,'.repeat(1e5)}]`,
      'genotypes.Genotype',
      'class Genotype(NamedTuple): pass',
      'Genotype',
      'Genotype(',
      '{}',
      '{',
      '\0',
      '{"__proto__":{}}',
      'Genotype(constructor=[], normal=[])',
    ];
    for (const text of hostile) expect(() => parseGenotype(text)).toThrow(ArgumentError);
    for (let length = 0; length < tinyText.length; length++) {
      expect(() => parseGenotype(tinyText.slice(0, length))).toThrow(ArgumentError);
    }
    expect(() => parseGenotype(7 as unknown as string)).toThrow('expected a text for genotype but received 7');
  });
});
