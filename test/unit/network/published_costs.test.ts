// What networks cost by the convention of arXiv:1911.12126, against the figures that are known of its genotypes.
import { describe, expect, it } from 'vitest';
import { genotypes } from '../../../src/genotype/published.ts';
import { buildDerivedNetwork } from '../../../src/network/derived.ts';
import { costOf } from '../../../src/report/cost.ts';

const cifar = { inputShape: [32, 32, 3], classes: 10 } as const;

function costOfNamed(name: string, training = {}) {
  return costOf(buildDerivedNetwork({ ...cifar, genotype: genotypes[name], ...training }).graph);
}

const millions = (count: number, digits: number) => (count / 1e6).toFixed(digits);
/** As published: cut, not rounded. */
const cut = (count: number, digits: number) =>
  (Math.floor((count / 1e6) * 10 ** digits) / 10 ** digits).toFixed(digits);

/** FLOPs, those of convolutions alone, parameters, parameters with the auxiliary head, in millions. */
const fairDarts = {
  FairDARTS_a: ['371.819', '371.451', '2.3608', '2.8372'],
  FairDARTS_b: ['536.531', '536.482', '3.4079', '3.8843'],
  FairDARTS_c: ['400.020', '399.984', '2.5988', '3.0752'],
  FairDARTS_d: ['532.881', '532.500', '3.3655', '3.8420'],
  FairDARTS_e: ['414.840', '414.692', '2.6437', '3.1202'],
  FairDARTS_f: ['497.658', '497.609', '3.1511', '3.6275'],
  FairDARTS_g: ['453.519', '453.372', '2.8991', '3.3755'],
};

/** Of the paper: 373 M for a counts max poolings as an older counter did. Parameters are cut but for the last, which is rounded. */
const ofThePaper = { b: '536', c: '400', d: '532', e: '414', f: '497', g: '453' };

/** MFLOPs as they stand beside genotypes that ship, cut. */
const millionFlops = {
  ...{ DARTS_V2: 528, NASNet: 608, DCO_SPARSE_BS_64: 469, DCO_EDGE_BS_64: 598 },
  ...{ ENASNet: 627, GDAS_V1: 519, MdeNAS: 599, PC_DARTS_cifar: 558, PDARTS: 532, SNAS: 422 },
  ...{ DARTS_ID2_1: 433, DARTS_ID2_2: 476, DARTS_ID2_3: 378, DARTS_ID2_4: 407, DARTS_ID2_5: 442, DARTS_ID2_6: 517 },
  ...{ DARTS_ID2_7: 480, DARTS_ID2_FPT_1: 518, DARTS_ID2_FPT_2: 519, DARTS_ID2_FPT_3: 505, DARTS_ID2_FPT_4: 506 },
  ...{ DARTS_ID2_FPT_5: 543, DARTS_ID2_FPT_6: 502, DARTS_ID2_FPT_7: 553 },
  ...{ NOISEDARTS_50_1: 553, NOISEDARTS_50_2: 522, NOISEDARTS_50_3: 489 },
};

describe('the published costs', () => {
  it.each(Object.entries(fairDarts))('of %s', (name, expected) => {
    const plain = costOfNamed(name);
    const { parameters } = costOfNamed(name, { auxiliaryWeight: 0.4 });
    expect([
      millions(plain.flops, 3),
      millions(plain.convolutionFlops, 3),
      millions(plain.parameters, 4),
      millions(parameters, 4),
    ]).toEqual(expected);
  });

  it('are the paper’s, by its way of cutting them, and their means', () => {
    const flops = Object.entries(ofThePaper).map(([letter]) => cut(costOfNamed(`FairDARTS_${letter}`).flops, 0));
    expect(flops).toEqual(Object.values(ofThePaper));
    const head =
      costOfNamed('FairDARTS_b', { auxiliaryWeight: 0.4 }).parameters - costOfNamed('FairDARTS_b').parameters;
    expect(head).toBe(476_426);
    expect(cut(costOfNamed('DCO_SPARSE_BS_64').parameters, 2)).toBe('3.01');
  });

  it.each(Object.entries(millionFlops))('of %s: %d million FLOPs', (name, expected) => {
    expect(Math.floor(costOfNamed(name).flops / 1e6)).toBe(expected);
  });
});
