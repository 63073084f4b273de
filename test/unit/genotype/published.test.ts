import { describe, expect, it } from 'vitest';
import type { GenotypeByType } from '../../../src/genotype/genotype.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { checkGenotype } from '../../../src/genotype/rules.ts';
import { formatGenotype, parseGenotype } from '../../../src/genotype/text.ts';
import { publishedTexts } from './published_texts.ts';

/** Millions of multiply-accumulates as FairDARTS (arXiv:1911.12126) and its code print them, cut; with decimals by its counter's rule. */
const published: Readonly<Record<string, string>> = {
  DARTS_V2: '528',
  NASNet: '608',
  FairDARTS_a: '371.819',
  FairDARTS_b: '536.531',
  FairDARTS_c: '400.020',
  FairDARTS_d: '532.881',
  FairDARTS_e: '414.840',
  FairDARTS_f: '497.658',
  FairDARTS_g: '453.519',
  DCO_SPARSE_BS_64: '469',
  DCO_EDGE_BS_64: '598',
  ENASNet: '627',
  GDAS_V1: '519',
  MdeNAS: '599',
  PC_DARTS_cifar: '558',
  PDARTS: '532',
  SNAS: '422',
  DARTS_ID2_1: '433',
  DARTS_ID2_2: '476',
  DARTS_ID2_3: '378',
  DARTS_ID2_4: '407',
  DARTS_ID2_5: '442',
  DARTS_ID2_6: '517',
  DARTS_ID2_7: '480',
  DARTS_ID2_FPT_1: '518',
  DARTS_ID2_FPT_2: '519',
  DARTS_ID2_FPT_3: '505',
  DARTS_ID2_FPT_4: '506',
  DARTS_ID2_FPT_5: '543',
  DARTS_ID2_FPT_6: '502',
  DARTS_ID2_FPT_7: '553',
  NOISEDARTS_50_1: '553',
  NOISEDARTS_50_2: '522',
  NOISEDARTS_50_3: '489',
};

/** Multiply-accumulates of an operation of `c` channels whose output has `area` pixels, by that counter's rule. */
function costOfOperation(name: string, c: number, area: number, stride: number): number {
  const kernel = Number(/(\d)x\d$/.exec(name)?.[1]);
  const separable = (kernel ** 2 * c + c * c) * area;
  if (name.startsWith('sep_conv')) return 2 * separable;
  if (name.startsWith('dil_conv')) return separable;
  if (name === 'avg_pool_3x3') return 4 * c * area;
  return name === 'skip_connect' && stride === 2 ? c * c * area : 0;
}

/** Millions of multiply-accumulates of the network of 36 channels and 20 cells, counted from the genotype alone. */
function costOfNetwork(genotype: GenotypeByType): number {
  let sum = 27 * 108 * 32 ** 2;
  let [c, side, beforeLast, last] = [36, 32, 108, 108];
  for (let layer = 0; layer < 20; layer++) {
    const isReduction = layer === 6 || layer === 13;
    if (isReduction) c *= 2;
    sum += (beforeLast + last) * c * side ** 2;
    if (isReduction) side /= 2;
    const { nodes, concat } = isReduction ? genotype.reduce : genotype.normal;
    for (const { operation, input } of nodes.flat()) {
      const isPassedOver = input > 1 && nodes[input - 2].length === 0;
      if (!isPassedOver) sum += costOfOperation(operation, c, side ** 2, isReduction && input < 2 ? 2 : 1);
    }
    [beforeLast, last] = [last, concat.length * c];
  }
  return (sum + 65 * last + (2 * last - 1) * 10) / 1e6;
}

describe('published genotypes', () => {
  const names = Object.keys(genotypes);

  it('are five of DARTS, 42 of FairDARTS, three of StacNAS, 56 of DARTS-PT, two of SDARTS and three of CDARTS, sound', () => {
    expect(names).toHaveLength(5 + 42 + 3 + 56 + 2 + 3);
    for (const genotype of Object.values(genotypes)) expect(() => checkGenotype(genotype)).not.toThrow();
  });

  it.each(Object.entries(publishedTexts))('holds the published %s', (name, text) => {
    expect(parseGenotype(text)).toEqual(genotypes[name]);
    expect(formatGenotype(genotypes[name])).toBe(text);
  });

  it.each(Object.entries(published))('costs of %s what was published, %s million', (name, figure) => {
    const [, decimals = ''] = figure.split('.');
    const scale = 10 ** decimals.length;
    const cost = costOfNetwork(genotypes[name]) * scale;
    // Whole millions are cut, thousandths rounded.
    expect((decimals === '' ? Math.floor(cost) : Math.round(cost)) / scale).toBe(Number(figure));
  });

  it('are triples in cells of four nodes where FairDARTS found them, pairs with two edges a node elsewhere', () => {
    const isTriples = (name: string) => /^FairDARTS_[a-g]$|^DCO_/.test(name);
    expect(names.filter(isTriples)).toHaveLength(9);
    for (const [name, { entries, normal, reduce }] of Object.entries(genotypes)) {
      expect(entries).toBe(isTriples(name) ? 'triples' : undefined);
      const lengths = [...normal.nodes, ...reduce.nodes].map((edges) => edges.length);
      if (isTriples(name)) expect(lengths).toHaveLength(8);
      else expect(new Set(lengths)).toEqual(new Set([2]));
    }
  });

  it('isolate node 3 of the normal cell in a, c, e and g, from which c and g keep an edge', () => {
    const isolated = names.filter((name) => genotypes[name].normal.nodes[1].length === 0);
    expect(isolated).toEqual(['FairDARTS_a', 'FairDARTS_c', 'FairDARTS_e', 'FairDARTS_g']);
    const keepAnEdge = isolated.filter((name) => genotypes[name].normal.nodes.flat().some(({ input }) => input === 3));
    expect(keepAnEdge).toEqual(['FairDARTS_c', 'FairDARTS_g']);
  });

  it('have two skip connections in the normal cell where they were drawn for that', () => {
    const drawn = names.filter((name) => name.startsWith('DARTS_ID2'));
    expect(drawn).toHaveLength(14);
    for (const name of drawn) {
      const operations = genotypes[name].normal.nodes.flat().map(({ operation }) => operation);
      expect(operations.filter((operation) => operation === 'skip_connect')).toHaveLength(2);
    }
  });

  it('have edges of weights that sum to one at each node in the experiments RE2 to RE5', () => {
    const weights = (name: string) => {
      const { normal, reduce } = genotypes[name];
      return [...normal.nodes, ...reduce.nodes].map((edges) => edges.map(({ weight }) => weight));
    };
    for (const experiment of ['DARTS_EXP1', 'DARTS_EXP2']) {
      for (const number of [2, 3, 4, 5]) {
        for (const [first, second] of weights(`${experiment}_RE${number}`)) expect(first! + second!).toBeCloseTo(1, 12);
      }
      expect(weights(`${experiment}_RE3`)).toEqual(Array(8).fill([0.99, 0.01]));
      expect(weights(`${experiment}_RE4`)).toEqual(Array(8).fill([0.9, 0.1]));
    }
    expect(weights('DARTS_EXP1_RE5')).toEqual(Array(8).fill([0.01, 0.99]));
    expect(weights('DARTS_EXP2_RE5')).toEqual(Array(8).fill([0.1, 0.9]));
    const first = (name: string) => weights(name).map(([weight]) => weight);
    expect(first('DARTS_EXP1_RE2')).toEqual([0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.9]);
    expect(first('DARTS_EXP2_RE2')).toEqual([0.99, 0.01, 0.99, 0.01, 0.99, 0.01, 0.99, 0.99]);
  });
});
