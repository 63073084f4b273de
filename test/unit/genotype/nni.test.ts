import { readFileSync } from 'node:fs';
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

/** CDARTS_CIFAR as NNI's CDARTS writes it: by Python's json.dump with indent=2 and sort_keys. */
const masks = readFileSync(new URL('../../fixtures/cdarts/epoch_31.json', import.meta.url), 'utf8');
const cdarts = sorted(genotypes['CDARTS_CIFAR']);
const parsedMasks = () => JSON.parse(masks) as Record<string, boolean[]>;

/** The masks with another value of a key: its JSON, as Python may write it. */
function withValue(key: string, json: string): string {
  return masks.replace(new RegExp(`"${key}": \\[[^\\]]*\\]`), () => `"${key}": ${json}`);
}

describe('what CDARTS writes', () => {
  it('is written to the byte', () => {
    expect(formatGenotype(genotypes['CDARTS_CIFAR'], 'nni-masks')).toBe(masks);
    expect(Object.keys(parsedMasks())).toHaveLength(36);
    expect(parseGenotype(masks)).toEqual(cdarts);
  });

  it.each<[string, (mask: readonly boolean[]) => unknown]>([
    ['indices in lists', (mask) => mask.flatMap((chosen, index) => (chosen ? [index] : []))],
    ['an index by itself', (mask) => (mask.filter(Boolean).length === 1 ? mask.indexOf(true) : mask)],
    [
      'the names of its candidates',
      (mask) => (mask.length === 7 && mask.includes(true) ? String(mask.indexOf(true)) : mask),
    ],
  ])('is read with %s', (_form, spell) => {
    const respelt = Object.entries(parsedMasks()).map(([key, mask]) => [key, spell(mask)]);
    expect(parseGenotype(JSON.stringify(Object.fromEntries(respelt)))).toEqual(cdarts);
  });

  it('is read with source keys in a switch', () => {
    expect(parseGenotype(withValue('reduce_n5_switch', '["reduce_n5_p0", "reduce_n5_p2"]'))).toEqual(cdarts);
  });

  it('takes as many floats as candidates for weights', () => {
    const all = Object.entries(parsedMasks()).map(([key, mask]) => {
      return `"${key}": [${mask.map((chosen) => (chosen ? '1.0' : '0.0')).join(', ')}]`;
    });
    expect(parseGenotype(`{${all.join(',')}}`)).toEqual(cdarts);
    const weighted = parseGenotype(withValue('normal_n2_p1', '[0.0, 0.0, 0.0, 2.5e-1, 0.0, 0.0, -0.0]'));
    expect(weighted.normal?.nodes[0][1]).toEqual({ operation: 'sep_conv_3x3', input: 1, weight: 0.25 });
    // A weight of the edge and one of its operation.
    const both = withValue('normal_n2_switch', '[1.0, 0.5]').replace(
      /"normal_n2_p1": \[[^\]]*\]/,
      '"normal_n2_p1": [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0]',
    );
    expect(parseGenotype(both).normal?.nodes[0][1].weight).toBe(0.25);
    // As NNI 1.4 and 1.5 take integers, which cannot be indices here.
    expect(parseGenotype(withValue('normal_n2_p1', '[0, 0, 0, 1, 0, 0, 0]'))).toEqual(cdarts);
  });

  it('tells floats from integers in a switch of as many', () => {
    // Both are chosen by index; one is by weight, and the other was none.
    expect(parseGenotype(withValue('normal_n2_switch', '[0, 1]'))).toEqual(cdarts);
    expect(parseGenotype(withValue('normal_n2_switch', '[0.0, 1.0]')).normal?.nodes[0]).toEqual([
      { operation: 'sep_conv_3x3', input: 1 },
    ]);
  });

  it.each<[string, string, string]>([
    [
      'normal_n2_p0',
      '[false, false, false, false, false, false, false]',
      'expected exactly one choice for genotype.normal_n2_p0 but received []',
    ],
    [
      'normal_n2_p0',
      '[true, false, false, true, false, false, false]',
      'expected exactly one choice for genotype.normal_n2_p0 but received [0,3]',
    ],
    [
      'normal_n2_p0',
      '[0.5, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0]',
      'expected exactly one choice for genotype.normal_n2_p0 but received [0,3]',
    ],
    ['normal_n2_p0', '"7"', "for genotype.normal_n2_p0 but received '7'"],
    ['normal_n2_p0', '[true, false, 0, true, false, false, false]', 'expected choices among maxpool'],
    ['normal_n2_p0', '[1e999, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]', 'expected choices among maxpool'],
    ['normal_n2_p0', '[NaN, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]', 'expected JSON, as NNI writes it'],
    [
      'reduce_n4_switch',
      '[false, false, false, false]',
      'expected at least one edge for genotype.reduce_n4_switch but received []',
    ],
    ['reduce_n4_switch', '[true, true]', 'expected choices among reduce_n4_p0'],
    ['reduce_n4_switch', '["0", "1"]', 'expected choices among reduce_n4_p0'],
  ])('is refused in one line with %s %s', (key, json, message) => {
    const parse = () => parseGenotype(withValue(key, json));
    expect(parse).toThrow(ArgumentError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^.{1,400}$/);
  });

  it('has exactly 36 keys', () => {
    const keysOf = (keep: (key: string) => boolean, more = {}) =>
      JSON.stringify({ ...Object.fromEntries(Object.entries(parsedMasks()).filter(([key]) => keep(key))), ...more });
    expect(() => parseGenotype(keysOf((key) => key !== 'reduce_n5_p4'))).toThrow('expected the key "reduce_n5_p4"');
    expect(() => parseGenotype(keysOf(() => true, { normal_n1_p0: [true] }))).toThrow('found "normal_n1_p0"');
    expect(() => parseGenotype(keysOf((key) => !key.includes('_n5_')))).toThrow(
      "expected the 36 keys of cells of 4 nodes for genotype but received '3 nodes in the normal cell'",
    );
    expect(() => parseGenotype(masks.replace('{', '{"normal_n2_p0": 0,'))).toThrow('found "normal_n2_p0" twice');
  });

  it('is refused where it is truncated or corrupt', () => {
    for (let length = 0; length < masks.length; length += 7) {
      expect(() => parseGenotype(masks.slice(0, length))).toThrow(ArgumentError);
    }
    for (let at = 0; at < masks.length; at += 13) {
      const corrupt = `${masks.slice(0, at)}\u0000${masks.slice(at + 1)}`;
      expect(() => parseGenotype(corrupt)).toThrow(ArgumentError);
    }
  });

  it('has no words for other genotypes', () => {
    const { normal, reduce } = genotypes['CDARTS_CIFAR'];
    const three = ({ nodes }: GenotypeCell) => ({ nodes: nodes.slice(0, 3), concat: [2, 3, 4] });
    expect(() => formatGenotype({ normal: three(normal), reduce: three(reduce) }, 'nni-masks')).toThrow(
      'the NNI form has 4 nodes a cell in CDARTS',
    );
    expect(() => formatGenotype(genotypes['FairDARTS_a'], 'nni-masks')).toThrow('the NNI form has no triples');
  });
});

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
