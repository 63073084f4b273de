import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { Genotype, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { findGenotype, formatGenotype, originalForm, parseGenotype } from '../../../src/genotype/text.ts';
import { uniform } from '../../../src/random/philox.ts';
import { expectFault } from './expect_fault.ts';
import { publishedTexts } from './published_texts.ts';
import { randomGenotype, randomTriples, withRandomWeights } from './random_genotype.ts';

const text = publishedTexts.FairDARTS_c;
const wanted = genotypes.FairDARTS_c;
const weightedText = publishedTexts.DARTS_EXP1_RE1;

const edge = (operation: string, input: number) => ({ operation, input });
const nothing: GenotypeCell = { nodes: [[], [], [], []], concat: [] };

/** A genotype of triples whose normal cell is this one. */
function withNormal(normal: unknown): Genotype {
  return { entries: 'triples', normal: normal as GenotypeCell, reduce: nothing };
}

describe('checkGenotype of triples', () => {
  it('takes isolated nodes, cells without entries, several operations an edge, any order of nodes and weights', () => {
    const two = [edge('none', 0), edge('none', 0), { ...edge('none', 1), weight: -0.5 }];
    for (const cell of [nothing, { nodes: [two, [], two], concat: [4, 2] }]) {
      expect(() => checkGenotype(withNormal(cell))).not.toThrow();
    }
  });

  it.each<[string, unknown, string]>([
    [
      'a later state',
      { nodes: [[edge('none', 2)]], concat: [2] },
      'an earlier state (0 to 1) for genotype.normal.nodes[0][0].input but received 2',
    ],
    [
      'a node too many',
      { nodes: [[edge('none', 0)], []], concat: [2, 3] },
      'the states of the nodes with entries (2) for genotype.normal.concat but received [2,3]',
    ],
    [
      'a node too few',
      { nodes: [[edge('none', 0)], [edge('none', 0)]], concat: [2] },
      'the states of the nodes with entries (2, 3) for genotype.normal.concat but received [2]',
    ],
    [
      'a node twice',
      { nodes: [[edge('none', 0)], [edge('none', 0)]], concat: [2, 2] },
      'the states of the nodes with entries (2, 3)',
    ],
    ['a concat of an empty cell', { nodes: [[]], concat: [2] }, 'no state for genotype.normal.concat but received [2]'],
    ['no concat', { nodes: [[]] }, 'no state for genotype.normal.concat but received undefined'],
    ['no nodes', { nodes: [], concat: [] }, 'at least one node for genotype.normal.nodes'],
    ['a node that is no list', { nodes: [{}], concat: [] }, 'a list of edges for genotype.normal.nodes[0]'],
    [
      'a hole',
      { nodes: [Object.assign(new Array(2), { 0: edge('none', 0) })], concat: [2] },
      'without control characters for genotype.normal.nodes[0][1].operation',
    ],
    [
      'a weight that is no number',
      { nodes: [[{ ...edge('none', 0), weight: '1' }]], concat: [2] },
      "a finite number for genotype.normal.nodes[0][0].weight but received '1'",
    ],
    ['an endless weight', { nodes: [[{ ...edge('none', 0), weight: Infinity }]], concat: [2] }, 'a finite number for'],
    [
      'a weight beyond float32',
      { nodes: [[{ ...edge('none', 0), weight: 1e39 }]], concat: [2] },
      'a finite number for',
    ],
  ])('refuses %s', (_, normal, message) => {
    expect(() => checkGenotype(withNormal(normal))).toThrow(ArgumentError);
    expect(() => checkGenotype(withNormal(normal))).toThrow(message);
  });

  it('refuses other words for entries, and keeps pairs from having isolated nodes', () => {
    const odd = { ...wanted, entries: 'pairs' } as unknown as Genotype;
    expect(() => checkGenotype(odd)).toThrow(
      "expected 'triples', or nothing for pairs, for genotype.entries but received 'pairs'",
    );
    expect(() => checkGenotype({ normal: wanted.normal, reduce: wanted.reduce })).toThrow(
      'expected at least one edge for genotype.normal.nodes[1]',
    );
  });
});

describe('triples in Python', () => {
  const fields = text.slice('Genotype('.length, -1);
  it.each([
    ['lists for entries', text.replace(/\(('\w+', \d, \d)\)/g, '[$1]')],
    ['commas at the ends', text.replace(/(\d)\)/g, '$1,)')],
    ['lists for ranges', text.replaceAll('range(2, 6)', '[2, 3, 4, 5]')],
    ['double quotes', text.replaceAll("'", '"')],
    [
      'scalars of numpy 2',
      text.replace(/, (\d), (\d)\)/g, ', np.int64($1), np.int64($2))').replace(/('\w+')/g, 'np.str_($1)'),
    ],
    ['states of PyTorch', text.replace(/, (\d)\)/g, ", tensor($1, device='cuda:0'))")],
    ['fields without names', text.replace(/\w+=/g, '')],
    ['fields in another order', `Genotype(${fields.replace(/(.*), (reduce=.*)/, '$2, $1')})`],
    [
      'concats in front',
      `Genotype(${fields.replace(/(normal=.*), (normal_c.*), (reduce=.*), (reduce_c.*)/, '$2, $4, $1, $3')})`,
    ],
    ["a line of the published code's log", `07/08 05:56:53 AM genotype = ${text}\n07/08 epoch 3 lr 0.004984`],
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
    [
      'a list a node',
      `Genotype(normal=[${[2, 3, 4, 5]
        .map(
          (to) =>
            `[${
              fields
                .slice(0, fields.indexOf('normal_'))
                .match(new RegExp(`\\('\\w+', ${to}, \\d\\)`, 'g'))
                ?.join(', ') ?? ''
            }]`,
        )
        .join(', ')}]${text.slice(text.indexOf(', normal_concat'))}`,
    ],
    ['a concat of the targets alone', text.replace('normal_concat=range(2, 6)', 'normal_concat=[2, 4, 5]')],
  ])('are read with %s', (_, spelled) => {
    expect(parseGenotype(spelled)).toEqual(wanted);
  });

  it('tell by their order how nodes are computed, and by their concat how many there are', () => {
    const given = text
      .replace(/normal=\[.*?\]/, "normal=[('none', 4, 0), ('a', 2, 1), ('b', 4, 0), ('none', 2, 0)]")
      .replace('range(2, 6)', 'range(2, 7)');
    const { normal } = parseGenotype(given);
    expect(normal).toEqual({
      nodes: [[edge('a', 1), edge('none', 0)], [], [edge('none', 0), edge('b', 0)], [], []],
      concat: [4, 2],
    });
    expect(formatGenotype(parseGenotype(given))).toContain(
      "normal=[('none', 4, 0), ('b', 4, 0), ('a', 2, 1), ('none', 2, 0)], normal_concat=range(2, 7)",
    );
  });

  it('are what empty lists are of', () => {
    const empty = 'Genotype(normal=[], normal_concat=range(2, 6), reduce=[], reduce_concat=range(2, 5))';
    const genotype: Genotype = { entries: 'triples', normal: nothing, reduce: { nodes: [[], [], []], concat: [] } };
    expect(parseGenotype(empty)).toEqual(genotype);
    expect(formatGenotype(genotype)).toBe(empty);
    expect(parseGenotype(text.replace(/normal=\[.*?\]/, 'normal=[]'))).toEqual({ ...wanted, normal: nothing });
  });

  it('are counted in a log, the last taken', () => {
    const log = `genotype = ${publishedTexts.FairDARTS_a}\ngenotype = ${text}\n`;
    expect(findGenotype(log)).toEqual({ genotype: wanted, count: 2, line: 2 });
  });

  it.each([
    ["('skip_connect', 5, 3)", "('skip_connect', ^6, 3)", 'the state of a node (2 to 5)', '6'],
    ["('skip_connect', 5, 3)", "('skip_connect', ^1, 0)", 'the state of a node (2 to 5)', '1'],
    ["('skip_connect', 5, 3)", `('skip_connect', ^${'9'.repeat(400)}, 3)`, 'the state of a node (2 to 5)', 'Infinity'],
    ["('skip_connect', 5, 3)", "('skip_connect', 5, ^5)", 'an earlier state (0 to 4)', '5'],
    ["('skip_connect', 5, 3)", "('skip_connect', 2, ^4)", 'an earlier state (0 to 1)', '4'],
    ["('skip_connect', 5, 3)", "('skip_connect', 5, ^-1)", 'an earlier state (0 to 4)', '-1'],
    ["('skip_connect', 5, 3)", "(^'', 5, 3)", 'the name of an operation, without control characters', '""'],
    ["('skip_connect', 5, 3)", "('skip_connect', 5, 3, ^0.5)", "')'", '"0.5"'],
    ["('skip_connect', 5, 3)", "('skip_connect', ^5.0, 3)", 'an integer', '"5.0"'],
    ["('skip_connect', 5, 3)", "('skip_connect', 5, ^nan)", 'a number', '"nan"'],
    [
      "('skip_connect', 5, 3)",
      "(^'skip_connect', 3)",
      'a triple (operation, to, from), as the first entry is,',
      'a pair (operation, from)',
    ],
    [
      "('skip_connect', 5, 3)",
      "(^'skip_connect', 3, 0.5)",
      'a triple (operation, to, from), as the first entry is,',
      'a pair with a weight (operation, from, decimal)',
    ],
    ['range(2, 6)', '^range(2, 2)', 'at least one state', '[]'],
    ['range(2, 6)', '^range(0, 6)', 'the state of a node (2 to 1000)', '0'],
    ['range(2, 6)', '[2, 3, 4, ^2000000000]', 'the state of a node (2 to 1000)', '2000000000'],
    [
      'normal_concat=range(2, 6)',
      'normal_concat=^range(2, 2000000000)',
      'a range of at most 1000 states',
      'range(2, 2000000000)',
    ],
  ])('are refused with %s replaced by %s', (right, wrong, expectation, found) => {
    expectFault(text, right, wrong, expectation, found);
  });

  it('are refused where the list of a node holds an entry of another', () => {
    expectFault(
      "Genotype(normal=[[('none', 2, 0)], [('none', 2, 0)]], normal_concat=range(2, 4), reduce=[], reduce_concat=[2])",
      "[('none', 2, 0)]]",
      "[('none', ^2, 0)]]",
      '3, the state of the node whose list it is in,',
      '2',
    );
  });

  it('have no weights', () => {
    const weighted = withRandomWeights(wanted, 0);
    expect(() => formatGenotype(weighted)).toThrow(
      "the Python form has no weights in triples, but the normal cell's max_pool_3x3 from 0 to 2 has one; use the JSON form",
    );
    expect(originalForm(weighted)).toBeUndefined();
    expect(parseGenotype(formatGenotype(weighted, 'json'))).toEqual(weighted);
  });
});

describe('pairs with weights in Python', () => {
  const { normal, reduce } = genotypes.DARTS_EXP1_RE1;

  it.each([
    ['scalars of numpy', weightedText.replace(/, (\d), ([\d.]+)\)/g, ', np.int64($1), np.float32($2))')],
    ['numbers of PyTorch', weightedText.replace(/, ([\d.]+)\)/g, ", tensor($1, device='cuda:0'))")],
    ['no digit before the point', weightedText.replaceAll(', 0.', ', .')],
    ['exponents', weightedText.replace(/0\.(\d{4})\)/g, '$1e-4)')],
    ['commas at the ends', weightedText.replace(/(\d)\)/g, '$1,)')],
    ['a list a node', weightedText.replace(/(\('\w+', \d, [\d.]+\), \('\w+', \d, [\d.]+\))/g, '[$1]')],
  ])('are read with %s', (_, spelled) => {
    expect(spelled).not.toBe(weightedText);
    expect(parseGenotype(spelled)).toEqual({ normal, reduce });
  });

  it.each([
    ["('skip_connect', 0, 0.2386)", "('skip_connect', 0, ^1e400)", 'a finite number', 'Infinity'],
    [
      "('sep_conv_3x3', 1, 0.234)",
      "(^'sep_conv_3x3', 1, 1)",
      'a pair with a weight (operation, from, decimal), as the first entry is,',
      'a triple (operation, to, from)',
    ],
    [
      "('sep_conv_3x3', 1, 0.234)",
      "(^'sep_conv_3x3', 1)",
      'a pair with a weight (operation, from, decimal), as the first entry is,',
      'a pair (operation, from)',
    ],
    ["('sep_conv_3x3', 1, 0.234)", "('sep_conv_3x3', ^2, 0.234)", 'an earlier state (0 to 1)', '2'],
  ])('are refused with %s replaced by %s', (right, wrong, expectation, found) => {
    expectFault(weightedText, right, wrong, expectation, found);
  });

  it('print whole weights so that they are no states', () => {
    const whole = withWeights(2, 1e-7);
    expect(formatGenotype(whole)).toContain("('skip_connect', 0, 2.0), ('sep_conv_3x3', 1, 1e-7)");
    expect(parseGenotype(formatGenotype(whole))).toEqual(whole);
  });

  it('have them on every edge or on none', () => {
    expect(() => formatGenotype({ normal, reduce: genotypes.DARTS_V2.reduce })).toThrow(
      'the Python form has a weight on every edge or on none, but 8 of 16 edges have one; use the JSON form',
    );
  });

  function withWeights(first: number, second: number): Genotype {
    const cell = ({ nodes, concat }: GenotypeCell) => ({
      nodes: nodes.map(([a, b]) => [
        { ...a, weight: first },
        { ...b, weight: second },
      ]),
      concat,
    });
    return { normal: cell(normal), reduce: cell(reduce) };
  }
});

describe('other forms of triples and weights', () => {
  it('are JSON that says so', () => {
    expect(JSON.parse(formatGenotype(wanted, 'json'))).toEqual(wanted);
    expect(Object.keys(JSON.parse(formatGenotype(wanted, 'json')))[0]).toBe('entries');
    expect(JSON.parse(formatGenotype(genotypes.DARTS_EXP2_RE1, 'json'))).toEqual(genotypes.DARTS_EXP2_RE1);
    const { entries, ...cells } = wanted;
    expect(parseGenotype(JSON.stringify({ ...cells, entries }))).toEqual(wanted);
  });

  it.each([
    ['"triples"', '^"pairs"', "'triples'", '"pairs"'],
    ['"triples"', '^3', "'triples'", '"3"'],
    ['"entries":"triples"', '"entries":"triples",^"entries":"triples"', 'the field normal or reduce', '"entries"'],
    ['"concat":[2,4,5]', '"concat":^[2,3,4,5]', 'the states of the nodes with entries (2, 4, 5)', '[2,3,4,5]'],
    ['"entries":"triples",', '', '', ''],
    ['"input":0}', '"input":0,"weight":^"1"}', 'a number', '"1"'],
    ['"input":0}', '"input":0,"weight":1,^"weight":1}', "'}'", '"weight"'],
  ])('are refused as JSON with %s replaced by %s', (right, wrong, expectation, found) => {
    const json = formatGenotype(wanted, 'json');
    if (wrong !== '') expectFault(json, right, wrong, expectation, found);
    // As pairs its isolated node is none.
    else expect(() => parseGenotype(json.replace(right, wrong))).toThrow('expected at least one edge at line 1');
  });

  it('are not those of NNI', () => {
    expect(() => formatGenotype(wanted, 'nni')).toThrow('the NNI form has no triples; use the JSON form');
    expect(() => formatGenotype(genotypes.DARTS_EXP1_RE1, 'nni')).toThrow(
      'the NNI form has no weights, but normal_n2_p0 would have one; use the JSON form',
    );
  });
});

describe('genotypes of triples and of weights', () => {
  it('are read back as they were, from Python and from JSON', () => {
    for (let seed = 0; seed < 400; seed++) {
      const triples = randomTriples(seed);
      expect(parseGenotype(formatGenotype(triples))).toEqual(triples);
      expect(parseGenotype(formatGenotype(triples, 'json'))).toEqual(triples);
      if (seed % 4 > 0) continue;
      const weighted = withRandomWeights(randomGenotype(seed, 2), seed);
      expect(parseGenotype(formatGenotype(weighted))).toEqual(weighted);
      expect(parseGenotype(formatGenotype(weighted, 'json'))).toEqual(weighted);
      const both = withRandomWeights(triples, seed);
      expect(parseGenotype(JSON.stringify(both, null, 2))).toEqual(both);
    }
  });

  it('survive hostile texts with an ArgumentError', () => {
    const cut = [text, weightedText, formatGenotype(wanted, 'json')];
    for (const whole of cut) {
      for (let length = 0; length < whole.length; length++) {
        if (!(outcomeOf(whole.slice(0, length)) instanceof Error)) expect.fail(`${length} characters of ${whole}`);
      }
    }
    const hostile = [
      `Genotype(normal=[('a', 2, ${'np.int64('.repeat(1e5)}`,
      `Genotype(normal=[('a', 2, ${'9'.repeat(1e6)}.`,
      `Genotype(normal=[('a', 2, 0${', 0'.repeat(1e5)})]`,
      `Genotype(normal=[${'[],'.repeat(1e5)}], normal_concat=[2], reduce=[], reduce_concat=[2])`,
      `Genotype(normal=[], normal_concat=[${'2,'.repeat(2e5)}1001], reduce=[], reduce_concat=[2])`,
      `{"entries":${'['.repeat(1e5)}`,
      '{"entries":"triples"}',
      '{"entries":"triples","normal":{"nodes":[],"concat":[]},"reduce":{"nodes":[],"concat":[]}}',
      '{"__proto__":"triples"}',
    ];
    for (const whole of hostile) expect(() => parseGenotype(whole)).toThrow(ArgumentError);
    const many = `Genotype(normal=[], normal_concat=[${'2,'.repeat(2e5)}], reduce=[], reduce_concat=[2])`;
    expect(parseGenotype(many).normal).toEqual({ nodes: [[]], concat: [] });
  });

  it('are whole or refused where characters of a text are exchanged', () => {
    const characters = `()[]{},.:='"\\ 0123456789eE-anr#\n`;
    const rounds = 1000;
    for (const [index, whole] of [text, weightedText, formatGenotype(wanted, 'json')].entries()) {
      const numbers = uniform({ seed: index, purpose: 'architecture', epoch: 0, step: 0 }, 2 * rounds);
      let taken = 0;
      for (let round = 0; round < rounds; round++) {
        const at = Math.floor(numbers[2 * round] * whole.length);
        const character = characters[Math.floor(numbers[2 * round + 1] * characters.length)];
        const changed = whole.slice(0, at) + character + whole.slice(at + 1 + (round % 3));
        const outcome = outcomeOf(changed);
        if (outcome instanceof Error) expect(outcome.message).toMatch(/^genotype: .*$/);
        else {
          taken++;
          expect(parseGenotype(formatGenotype(outcome, 'json'))).toEqual(outcome);
        }
      }
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThan(rounds / 2);
    }
  });
});

/** The genotype of a text, or the ArgumentError that refuses it. */
function outcomeOf(given: string): Genotype | ArgumentError {
  try {
    return parseGenotype(given);
  } catch (error) {
    if (error instanceof ArgumentError) return error;
    throw error;
  }
}
