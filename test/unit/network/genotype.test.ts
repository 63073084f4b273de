import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import { formatGenotype, type Genotype, genotypes, parseGenotype } from '../../../src/network/genotype.ts';
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

/** Replaces `right` in a text by `wrong`, whose `^` marks the place that the error must name. */
function expectFault(text: string, right: string, wrong: string, expectation: string, found: string): void {
  const marked = text.replace(right, () => wrong);
  const column = marked.indexOf('^') + 1;
  expect(column).toBeGreaterThan(0);
  const parse = () => parseGenotype(marked.replace('^', ''));
  expect(parse).toThrow(ArgumentError);
  expect(parse).toThrow(`genotype: expected ${expectation} at line 1, column ${column} but found ${found}`);
}

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
    for (const wrong of ['darts_v2', 'toString', '__proto__', '']) {
      expect(() => parseGenotype(wrong)).toThrow(/expected one of DARTS_V1, DARTS_V2, DARTS, NASNet, AmoebaNet/);
    }
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
      ...Object.values(genotypes),
      ...Array.from({ length: 100 }, (_, seed) => randomGenotype(seed, 2)),
    ];
    for (const genotype of twoEdged) expect(parseGenotype(formatGenotype(genotype))).toEqual(genotype);
    const all = [...twoEdged, ...Array.from({ length: 100 }, (_, seed) => randomGenotype(seed))];
    for (const genotype of all) {
      expect(parseGenotype(formatGenotype(genotype, 'json'))).toEqual(genotype);
      expect(parseGenotype(JSON.stringify(genotype, null, 2))).toEqual(genotype);
    }
  });

  // A mark stands before the character that the message must point at.
  it.each([
    ['range(2, 6)', '^range(2, 7)', 'the state of a node (2 to 5)', '6'],
    ['range(2, 6)', '[2, 3, ^3]', 'each state once', '3'],
    ['range(2, 6)', '^[]', 'at least one state', '[]'],
    ['range(2, 6)', '^range(6, 2)', 'at least one state', '[]'],
    ['range(2, 6)', '^range(2, 2000000000)', 'a range of at most 1000 states', 'range(2, 2000000000)'],
    ['range(2, 6)', '^list(2, 6)', "'range' or '['", '"list"'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^5)", 'an earlier state (0 to 4)', '5'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', ^-1)", 'an earlier state (0 to 4)', '-1'],
    ["('dil_conv_3x3', 2)", `('dil_conv_3x3', ^${'9'.repeat(400)})`, 'an earlier state (0 to 4)', 'Infinity'],
    ["('dil_conv_3x3', 2)", "('dil_conv_3x3', 2^.5)", 'a name, a number, a quoted text or a bracket', '"."'],
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
      `${tinyText} ${tinyText}`,
      `${tinyText}; process.exit()`,
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
