import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { GenotypeByType, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { formatGenotype, parseGenotype } from '../../../src/genotype/text.ts';
import { uniform } from '../../../src/random/philox.ts';

/** NNI's order. */
const operations = [
  ['maxpool', 'max_pool_3x3'],
  ['avgpool', 'avg_pool_3x3'],
  ['skipconnect', 'skip_connect'],
  ['sepconv3x3', 'sep_conv_3x3'],
  ['sepconv5x5', 'sep_conv_5x5'],
  ['dilconv3x3', 'dil_conv_3x3'],
  ['dilconv5x5', 'dil_conv_5x5'],
] as const;

/** DARTS_V2 by hand, as the search of NNI's DARTS example exports since its pull request 2389. */
const mutation = {
  normal_n2_p0: 'sepconv3x3',
  normal_n2_p1: 'sepconv3x3',
  normal_n2_switch: ['normal_n2_p0', 'normal_n2_p1'],
  normal_n3_p0: 'sepconv3x3',
  normal_n3_p1: 'sepconv3x3',
  normal_n3_p2: [],
  normal_n3_switch: ['normal_n3_p0', 'normal_n3_p1'],
  normal_n4_p0: 'skipconnect',
  normal_n4_p1: 'sepconv3x3',
  normal_n4_p2: [],
  normal_n4_p3: [],
  normal_n4_switch: ['normal_n4_p1', 'normal_n4_p0'],
  normal_n5_p0: 'skipconnect',
  normal_n5_p1: [],
  normal_n5_p2: 'dilconv3x3',
  normal_n5_p3: [],
  normal_n5_p4: [],
  normal_n5_switch: ['normal_n5_p0', 'normal_n5_p2'],
  reduce_n2_p0: 'maxpool',
  reduce_n2_p1: 'maxpool',
  reduce_n2_switch: ['reduce_n2_p0', 'reduce_n2_p1'],
  reduce_n3_p0: [],
  reduce_n3_p1: 'maxpool',
  reduce_n3_p2: 'skipconnect',
  reduce_n3_switch: ['reduce_n3_p2', 'reduce_n3_p1'],
  reduce_n4_p0: 'maxpool',
  reduce_n4_p1: [],
  reduce_n4_p2: 'skipconnect',
  reduce_n4_p3: [],
  reduce_n4_switch: ['reduce_n4_p0', 'reduce_n4_p2'],
  reduce_n5_p0: [],
  reduce_n5_p1: 'maxpool',
  reduce_n5_p2: 'skipconnect',
  reduce_n5_p3: [],
  reduce_n5_p4: [],
  reduce_n5_switch: ['reduce_n5_p2', 'reduce_n5_p1'],
};

/** DARTS_V2 in the keys of NNI's hub. */
function hubChoices(input: (state: number) => unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(genotypes.DARTS_V2).flatMap(([type, { nodes }]) =>
      (nodes as GenotypeCell['nodes']).flatMap((edges, node) =>
        edges.flatMap((edge, index) => [
          [`${type}/op_${node + 2}_${index}`, edge.operation],
          [`${type}/input_${node + 2}_${index}`, input(edge.input)],
        ]),
      ),
    ),
  );
}

/** The exported choices in another of NNI's spellings; `chosen` is by index, `count` the number of candidates. */
function respelled(spell: (chosen: readonly number[], count: number, key: string) => unknown): string {
  const names: readonly string[] = operations.map(([name]) => name);
  const choices = Object.entries(mutation).map(([key, value]) => {
    const list = [value].flat();
    const isSwitch = key.endsWith('switch');
    const candidates = isSwitch ? Object.keys(mutation).filter((k) => k.startsWith(`${key.slice(0, 9)}_p`)) : names;
    return [
      key,
      spell(
        list.map((name) => candidates.indexOf(name)),
        candidates.length,
        key,
      ),
    ];
  });
  return JSON.stringify(Object.fromEntries(choices), null, 2);
}

/** The order of edges in a node is not NNI's to keep where it writes a bool for each. */
function sorted({ normal, reduce }: GenotypeByType): GenotypeByType {
  const cell = ({ nodes, concat }: GenotypeCell) => ({
    nodes: nodes.map((edges) => edges.toSorted((a, b) => a.input - b.input)),
    concat,
  });
  return { normal: cell(normal), reduce: cell(reduce) };
}

/** A genotype that NNI can say, drawn from `seed`. */
function sayable(seed: number): GenotypeByType {
  const numbers = uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, 400);
  let used = 0;
  const below = (count: number) => Math.floor(numbers[used++] * count);
  const cell = () => {
    const nodes = Array.from({ length: 1 + below(6) }, (_, node) => {
      const inputs = Array.from({ length: node + 2 }, (_, input) => input);
      const count = 1 + below(inputs.length);
      return Array.from({ length: count }, () => ({
        operation: operations[below(operations.length)][1],
        input: inputs.splice(below(inputs.length), 1)[0],
      }));
    });
    return { nodes, concat: nodes.map((_, node) => node + 2) };
  };
  return { normal: cell(), reduce: cell() };
}

describe('architectures of NNI', () => {
  it('reads the names that the example exports', () => {
    expect(parseGenotype(` ${JSON.stringify(mutation, null, 2)}\n`)).toEqual(genotypes.DARTS_V2);
  });

  it('reads indices, alone and in lists', () => {
    expect(parseGenotype(respelled((chosen) => (chosen.length === 1 ? chosen[0] : chosen)))).toEqual(
      genotypes.DARTS_V2,
    );
    expect(parseGenotype(respelled((chosen) => chosen))).toEqual(genotypes.DARTS_V2);
  });

  it('reads true or false for each candidate, as it first exported', () => {
    const flags = respelled((chosen, count) => Array.from({ length: count }, (_, index) => chosen.includes(index)));
    expect(parseGenotype(flags)).toEqual(sorted(genotypes.DARTS_V2));
  });

  it('reads what its Retiarii form exports: an operation on every edge, indices in the switch', () => {
    const all = respelled((chosen, _, key) => {
      return key.endsWith('switch') ? chosen : operations[chosen[0] ?? 2][0];
    });
    expect(parseGenotype(all)).toEqual(genotypes.DARTS_V2);
  });

  it('reads the DARTS space of the hub, with inputs alone and in lists', () => {
    const sizes = { width: 36, num_cells: 20 };
    expect(parseGenotype(JSON.stringify(hubChoices((state) => [state])))).toEqual(genotypes.DARTS_V2);
    expect(parseGenotype(JSON.stringify({ ...sizes, ...hubChoices((state) => state) }))).toEqual(genotypes.DARTS_V2);
  });

  it('writes the names that the example exports', () => {
    expect(JSON.parse(formatGenotype(genotypes.DARTS_V2, 'nni'))).toEqual(mutation);
  });

  it('reads back what it writes, with the order of edges', () => {
    for (let seed = 0; seed < 200; seed++) {
      const genotype = sayable(seed);
      expect(parseGenotype(formatGenotype(genotype, 'nni'))).toEqual(genotype);
    }
  });

  it('says what of a genotype it cannot write', () => {
    const { normal } = genotypes.DARTS_V2;
    const cell = (edge: { operation: string; input: number }) => {
      return { ...normal, nodes: [[{ operation: 'skip_connect', input: 0 }, edge], ...normal.nodes.slice(1)] };
    };
    const write = (reduce: GenotypeCell) => () => formatGenotype({ normal, reduce }, 'nni');
    expect(write({ ...normal, concat: [3, 4, 5] })).toThrow(
      "the NNI form concatenates all nodes of a cell, but the reduce cell's output is of states 3, 4, 5; use the JSON form",
    );
    expect(write(cell({ operation: 'sep_conv_7x7', input: 1 }))).toThrow(
      "the NNI form has no 'sep_conv_7x7', which reduce_n2_p1 would be; use the JSON form",
    );
    expect(write(cell({ operation: 'max_pool_3x3', input: 0 }))).toThrow(
      'the NNI form has one operation an edge, but reduce_n2_p0 would be several; use the JSON form',
    );
  });

  it.each<[string, unknown, string]>([
    [
      'normal_n2_p0',
      'conv3x3',
      "maxpool, avgpool, skipconnect, sepconv3x3, sepconv5x5, dilconv3x3, dilconv5x5 for genotype.normal_n2_p0 but received 'conv3x3'",
    ],
    ['normal_n2_p0', 7, 'for genotype.normal_n2_p0 but received 7'],
    ['normal_n2_p0', null, 'for genotype.normal_n2_p0 but received null'],
    ['normal_n2_p0', [true, false], 'for genotype.normal_n2_p0 but received [true,false]'],
    ['normal_n2_p0', { name: 'maxpool' }, 'for genotype.normal_n2_p0 but received {"name":"maxpool"}'],
    ['normal_n2_p0', [], 'expected exactly one choice for genotype.normal_n2_p0 but received []'],
    [
      'normal_n2_p0',
      ['maxpool', 'avgpool'],
      'expected exactly one choice for genotype.normal_n2_p0 but received [0,1]',
    ],
    [
      'reduce_n4_switch',
      ['reduce_n4_p0', 'reduce_n4_p4'],
      'expected choices among reduce_n4_p0, reduce_n4_p1, reduce_n4_p2, reduce_n4_p3 for genotype.reduce_n4_switch',
    ],
    ['reduce_n4_switch', [0, 0], 'for genotype.reduce_n4_switch but received [0,0]'],
    ['reduce_n4_switch', [0.5], 'for genotype.reduce_n4_switch but received [0.5]'],
    ['reduce_n4_switch', [], 'expected at least one edge for genotype.reduce_n4_switch but received []'],
    ['reduce_n4_switch', undefined, 'expected the key "reduce_n4_switch" but found none'],
    ['normal_n3_p2', undefined, 'expected the key "normal_n3_p2" but found none'],
    ['normal_n2_p2', 'maxpool', 'expected no key beside the choices of both cells but found "normal_n2_p2"'],
    ['normal_n7_p0', 'maxpool', 'but found "normal_n7_p0"'],
    ['width', 36, 'but found "width"'],
    ['constructor', 1, 'but found "constructor"'],
  ])('refuses %s: %j', (key, value, message) => {
    const text = JSON.stringify({ ...mutation, [key]: value });
    expect(() => parseGenotype(text)).toThrow(ArgumentError);
    expect(() => parseGenotype(text)).toThrow(message);
  });

  it('refuses what the DARTS space of the hub does not have', () => {
    const faulty = (key: string, value: unknown) => () =>
      parseGenotype(JSON.stringify({ ...hubChoices((state) => state), [key]: value }));
    expect(faulty('normal/op_2_0', 'sep_conv_7x7')).toThrow("for genotype.normal/op_2_0 but received 'sep_conv_7x7'");
    expect(faulty('normal/input_2_0', 2)).toThrow('expected choices among 0, 1 for genotype.normal/input_2_0');
    expect(faulty('reduce/input_5_1', undefined)).toThrow('expected the key "reduce/input_5_1" but found none');
    // The five nodes of its other spaces, which join states otherwise.
    expect(faulty('normal/op_6_0', 'sep_conv_3x3')).toThrow('but found "normal/op_6_0"');
  });

  it('survives hostile texts with an ArgumentError', () => {
    const text = JSON.stringify(mutation);
    const hostile = [
      text.replace('{', '{"normal_n2_p0":"maxpool",'),
      text.replace('[]', '['.repeat(1e5)),
      text.replace('[]', `[${'0,'.repeat(1e5)}0]`),
      text.replace('{', '{"__proto__":{"normal_n2_p0":"maxpool"},'),
      `${text}${text}`,
      `${text}; process.exit()`,
      '{"normal_n2_switch": [0]}',
      '{"normal_n99999999_switch": [0]}',
      '{"reduce/op_2_0": "none"}',
    ];
    for (const wrong of hostile) expect(() => parseGenotype(wrong)).toThrow(ArgumentError);
    for (let length = 0; length < text.length; length++) {
      expect(() => parseGenotype(text.slice(0, length))).toThrow(ArgumentError);
    }
  });
});
