// The genotypes of DARTS-PT (arXiv:2108.04392) against what is published beside them: their sizes, and the spaces that they come from.
import { describe, expect, it } from 'vitest';
import { publishedNames } from '../../../src/cli/published_names.ts';
import type { GenotypeByType } from '../../../src/genotype/genotype.ts';
import { cellTypes } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { costOf } from '../../../src/report/cost.ts';
import { resolveSpace, rowOf } from '../../../src/space/space.ts';

/** Millions of parameters with 36 channels and 20 cells, without the head, of `darts_pt_` and `blank_pt_`. */
const sizes: readonly (readonly [name: string, darts: string, blank: string])[] = [
  ['s1_1', '1.87', '2.36'],
  ['s1_2', '2.02', '2.39'],
  ['s2_1', '3.09', '3.45'],
  ['s2_2', '2.79', '4.3'],
  ['s3_1', '3.42', '2.9'],
  ['s3_2', '3.54', '3.81'],
  ['s4_1', '4.7', '4.7'],
  ['s4_2', '4.7', '4.7'],
  ['s1_c100_1', '2.47', '2.46'],
  ['s1_c100_2', '2.07', '2.44'],
  ['s2_c100_1', '3.08', '3.14'],
  ['s2_c100_2', '3.11', '2.84'],
  ['s3_c100_1', '3.83', '3.89'],
  ['s3_c100_2', '3.44', '3.95'],
  ['s4_c100_1', '4.75', '4.75'],
  ['s4_c100_2', '4.75', '4.75'],
  ['s1_svhn_1', '2.38', '2.95'],
  ['s1_svhn_2', '2.05', '3.43'],
  ['s2_svhn_1', '3.08', '4.20'],
  ['s2_svhn_2', '3.14', '4.26'],
  ['s3_svhn_1', '3.50', '3.90'],
  ['s3_svhn_2', '2.82', '4.64'],
  ['s4_svhn_1', '4.70', '4.70'],
  ['s4_svhn_2', '4.70', '4.70'],
  ['s5_0', '2.85', '3.04'],
  ['s5_1', '3.05', '3.15'],
  ['s5_2', '2.66', '2.58'],
  ['s5_3', '3.33', '3.40'],
];
const published = sizes.flatMap(([name, darts, blank]) => [
  [`darts_pt_${name}`, darts] as const,
  [`blank_pt_${name}`, blank] as const,
]);

/** Whose figures are cut, where all others are rounded. */
const cut = new Set(['darts_pt_s1_svhn_1', 'darts_pt_s2_svhn_1', 'darts_pt_s2_svhn_2', 'darts_pt_s3_svhn_1']);

/** Entries of a genotype that its space does not have, such as `normal.0: skip_connect from 1`. */
function strangers(genotype: GenotypeByType, space: string): string[] {
  const { edges } = resolveSpace(space);
  return cellTypes.flatMap((cell) =>
    genotype[cell].nodes.flatMap((node, number) =>
      node
        .filter(({ operation, input }) => {
          const { candidates } = edges[cell][rowOf(number, input)];
          return candidates.every(({ name }) => name !== operation);
        })
        .map(({ operation, input }) => `${cell}.${number}: ${operation} from ${input}`),
    ),
  );
}

describe('the genotypes of DARTS-PT', () => {
  it.each(published)('%s has %s million parameters', (name, millions) => {
    const classes = name.includes('c100') ? 100 : 10;
    const { graph } = buildDerivedNetwork({ inputShape: [32, 32, 3], classes, genotype: genotypes[name] });
    const digits = millions.split('.')[1].length;
    const { parameters } = costOf(graph);
    const counted = cut.has(name) ? parameters - (parameters % 10 ** (6 - digits)) : parameters;
    expect((counted / 1e6).toFixed(digits)).toBe(millions);
  });

  it.each([...published.map(([name]) => name), 'c10_s5_random', 'c10_s5_pgd'])('%s is of its space', (name) => {
    const [space] = /s[1-5]/.exec(name) ?? [];
    expect(strangers(genotypes[name], space!)).toEqual([]);
    for (const cell of cellTypes) {
      const { nodes, concat } = genotypes[name][cell];
      expect(concat).toEqual([2, 3, 4, 5]);
      for (const edges of nodes) expect(new Set(edges.map(({ input }) => input)).size).toBe(2);
    }
  });

  it('are told apart from those of another space', () => {
    expect(strangers(genotypes['darts_pt_s2_1'], 's1')).toContain('normal.1: sep_conv_3x3 from 0');
  });

  it('end alike, so that help may list their endings once', () => {
    const endings = (beginning: string) =>
      Object.keys(genotypes).flatMap((name) => (name.startsWith(beginning) ? [name.slice(beginning.length)] : []));
    expect(endings('darts_pt_')).toEqual(sizes.map(([name]) => name));
    expect(endings('blank_pt_')).toEqual(endings('darts_pt_'));
    expect(publishedNames()).toMatch(
      /c10_s5_pgd, darts_pt_X,\s+blank_pt_X\s+where X is s1_1, s1_2,[\s\S]* s5_0 to 3\n/,
    );
  });
});
