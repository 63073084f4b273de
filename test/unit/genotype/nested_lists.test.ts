import { describe, expect, it } from 'vitest';
import { genotypes } from '../../../src/genotype/published.ts';
import { findGenotype, parseGenotype } from '../../../src/genotype/text.ts';
import { byType } from '../../helpers/by_type.ts';

const known = genotypes['STACNAS_CIFAR10'];
const cell = ({ nodes }: typeof known.normal) =>
  `[${nodes.map((edges) => `[${edges.map(({ operation, input }) => `('${operation}', ${input})`).join(', ')}]`).join(', ')}]`;
const text = `[${cell(known.normal)}, ${cell(known.reduce)}]`;

describe("genotypes as StacNAS' code logs them", () => {
  it('are read by themselves and out of a log, of which the last one is meant', () => {
    expect(parseGenotype(text)).toEqual(known);
    const log = `08/01 epoch 1\n[[[('skip_connect', 0)]], [[('skip_connect', 1)]]]\ngenotype = ${text} done\n`;
    expect(findGenotype(log)).toEqual({ genotype: known, count: 2, line: 3 });
  });

  it('give way to a Genotype(...) beside them', () => {
    const other = "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=[2], ";
    const whole = `${other}reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])`;
    expect(byType(parseGenotype(`${text}\n${whole}`)).normal.nodes).toHaveLength(1);
  });

  it.each([
    [text.replace('sep_conv_3x3', ''), /name of an operation.* at line 1, column \d+/],
    [text.replace(', 1)', ', 9)'), /an earlier state \(0 to 1\) at line 1, column \d+ but found 9/],
    [
      `[${cell(known.normal)}]`,
      /a normal and a reduction cell, or all cells of a network, at line 1, column 1 but found 1/,
    ],
    [text.slice(0, -20), /at line 1/],
    ["[[[('a', 0]]]", /'\)'/],
  ])('tell where they are wrong: %#', (faulty, message) => {
    expect(() => parseGenotype(faulty)).toThrow(message);
  });
});
