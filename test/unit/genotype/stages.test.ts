// What CDARTS writes as text: a genotype on one line, and the authors' cell files of three.
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../../src/errors.ts';
import type { GenotypeByType } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { formatGenotype, parseGenotype } from '../../../src/genotype/text.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';

const cifar = genotypes['CDARTS_CIFAR'];
const older = genotypes['CDARTS_CIFAR_2020'];
const imagenet = genotypes['CDARTS_IMAGENET'];
const line = (genotype: GenotypeByType) => formatGenotype(genotype, 'python-nested');
const file = (...stages: readonly unknown[]) => JSON.stringify(Object.fromEntries(stages.entries()), null, 2);

describe('the nested Python form', () => {
  it('has a list a node on one line', () => {
    expect(line(cifar)).toBe(
      "Genotype(normal=[[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], " +
        "[('sep_conv_3x3', 0), ('sep_conv_3x3', 1)], [('skip_connect', 0), ('skip_connect', 2)]], normal_concat=range(2, 6), " +
        "reduce=[[('sep_conv_5x5', 1), ('max_pool_3x3', 0)], [('dil_conv_5x5', 2), ('skip_connect', 0)], " +
        "[('sep_conv_3x3', 0), ('sep_conv_5x5', 1)], [('sep_conv_3x3', 0), ('dil_conv_5x5', 2)]], reduce_concat=range(2, 6))",
    );
    expect(parseGenotype(line(cifar))).toEqual(cifar);
  });

  it('takes any number of edges, but no triples', () => {
    const { normal, reduce } = cifar;
    const fewer = { normal: { ...normal, nodes: [normal.nodes[0].slice(1), ...normal.nodes.slice(1)] }, reduce };
    expect(parseGenotype(line(fewer))).toEqual(fewer);
    expect(() => line(genotypes['FairDARTS_a'])).toThrow('the nested Python form has no triples');
  });
});

describe("a cell file of CDARTS' authors", () => {
  it('whose stages agree is one genotype', () => {
    expect(parseGenotype(file(line(cifar), line(cifar), line(cifar)))).toEqual(cifar);
    // Nothing reduces in the last stage.
    const { normal } = cifar;
    expect(parseGenotype(file(line(cifar), line(cifar), line({ normal, reduce: older.reduce })))).toEqual(cifar);
  });

  it('whose stages differ is one of every cell of a network of 20: 7, 7 and 6', () => {
    const genotype = parseGenotype(file(line(cifar), line(older), line(imagenet)));
    const stages = [
      ...[...Array(6).fill(cifar.normal), cifar.reduce],
      ...[...Array(6).fill(older.normal), older.reduce],
      ...Array(6).fill(imagenet.normal),
    ];
    expect(genotype).toEqual({ cells: stages });
    const network = { genotype, inputShape: [32, 32, 3], classes: 10, initChannels: 4, skeleton: 'cdarts' } as const;
    const { graph } = buildDerivedNetwork(network);
    const names = graph.parameters.map(({ name }) => name);
    // IMAGENET's third node has sep5 2, in the last stage alone.
    const edge = (cell: number) => names.includes(`cells.${cell}.mutable_ops.2.ops.2.net.0.net.1.weight`);
    expect([5, 12, 14, 19].map(edge)).toEqual([false, false, true, true]);
    expect(() => buildDerivedNetwork({ ...network, layers: 14 })).toThrow(
      'expected 20, as many cells as the genotype has',
    );
    const onlyReduce = parseGenotype(file(line(cifar), line({ ...cifar, reduce: older.reduce }), line(cifar)));
    expect(onlyReduce.cells?.map((cell) => cell === cifar.normal)).toHaveLength(20);
    expect(onlyReduce.cells?.[13]).toEqual(older.reduce);
  });

  it('whose stages differ may be for a network of another depth', () => {
    const text = file(line(cifar), line(older), line(imagenet));
    expect(parseGenotype(text, { layers: 14 })).toEqual({
      cells: [
        ...[...Array(4).fill(cifar.normal), cifar.reduce],
        ...[...Array(4).fill(older.normal), older.reduce],
        ...Array(4).fill(imagenet.normal),
      ],
    });
    const network = { inputShape: [64, 64, 3], classes: 10, initChannels: 4, skeleton: 'cdarts', layers: 14 } as const;
    const { graph } = buildDerivedNetwork({ ...network, genotype: parseGenotype(text, { layers: 14 }) });
    expect(graph.parameters.some(({ name }) => name.startsWith('cells.13.'))).toBe(true);
    expect(() => parseGenotype(text, { layers: 2 })).toThrow('an integer from 3 to 1000 for layers');
    expect(parseGenotype(file(line(cifar), line(cifar), line(cifar)), { layers: 14 })).toEqual(cifar);
    expect(() => parseGenotype(text, { depth: 14 } as never)).toThrow('depth');
  });

  it('is written of the cells of a network, and read again as they are', () => {
    for (const layers of [20, 14, 5]) {
      const genotype = parseGenotype(file(line(cifar), line(older), line(imagenet)), { layers });
      const written = JSON.parse(formatGenotype(genotype, 'stages'));
      // Nothing reduces in the last stage.
      const last = line({ normal: imagenet.normal, reduce: older.reduce });
      expect(written).toEqual({ 0: line(cifar), 1: line(older), 2: last });
      expect(parseGenotype(JSON.stringify(written), { layers })).toEqual(genotype);
    }
    expect(formatGenotype(cifar, 'stages')).toBe(JSON.stringify({ 0: line(cifar), 1: line(cifar), 2: line(cifar) }));
    const cells = Array(20).fill(cifar.normal).with(3, older.normal);
    expect(() => formatGenotype({ cells }, 'stages')).toThrow('in each of which cells of a kind are alike');
    expect(() => formatGenotype({ cells: cells.slice(0, 4) }, 'stages')).toThrow('has three stages');
  });

  it.each<[string, string, string]>([
    ['two stages', file(line(cifar), line(cifar)), 'expected the stages "0", "1" and "2" but found "0", "1"'],
    ['a fourth', file(...Array(4).fill(line(cifar))), 'but found "0", "1", "2", "3"'],
    [
      'a stage that is no text',
      file(line(cifar), 3, line(cifar)),
      'the text of a genotype for stage "1" but found number',
    ],
    [
      'a stage twice',
      file(line(cifar), line(cifar), line(cifar)).replace('"2"', '"1"'),
      'expected every stage once but found "1" twice',
    ],
    [
      'a faulty stage',
      file(line(cifar), line(cifar).replace('0', '9'), line(cifar)),
      'stage "1" of the genotype: expected',
    ],
    [
      'triples',
      file(line(cifar), line(cifar), formatGenotype(genotypes['FairDARTS_a'])),
      'one genotype of pairs for stage "2"',
    ],
    ['two genotypes in a stage', file(`${line(cifar)} ${line(cifar)}`, line(cifar), line(cifar)), 'for stage "0"'],
    [
      'a stranger',
      file(line(cifar), line(cifar), line(cifar)).replace('"1":', '"__proto__": "", "1":'),
      'expected the stages',
    ],
  ])('is refused in one line with %s', (_name, text, message) => {
    expect(() => parseGenotype(text)).toThrow(ArgumentError);
    expect(() => parseGenotype(text)).toThrow(message);
    expect(() => parseGenotype(text)).toThrow(/^.{1,300}$/);
  });

  it('is refused where it is truncated', () => {
    const text = file(line(cifar), line(older), line(cifar));
    for (let length = 0; length < text.length; length += 5) {
      expect(() => parseGenotype(text.slice(0, length))).toThrow(ArgumentError);
    }
  });
});
