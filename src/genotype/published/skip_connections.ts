import type { GenotypeByType } from '../genotype.ts';
import { pairs, withWeights } from './letters.ts';

const experiment1 = pairs('k0 s1 d2 s0 d3 k0 D4 d3 / a0 k1 k2 m0 k2 k3 k2 a0');
const experiment2 = pairs('s1 s0 d1 d2 k0 k2 d4 D3 / m0 s1 m0 k2 k2 m0 k2 k4');

/**
 * The experiments of FairDARTS (arXiv:1911.12126) on skip connections in DARTS: architectures drawn at random with two of them in the
 * normal cell (ID2; FPT of at least 500 million multiply-accumulates), searches with noise on them, and genotypes whose
 * entries have constant weights.
 */
export const skipConnectionGenotypes: Readonly<Record<string, GenotypeByType>> = {
  DARTS_ID2_1: pairs('k1 S0 k1 D0 a1 d0 m0 s3 / d1 D0 m1 D2 k0 d1 a4 S1'),
  DARTS_ID2_2: pairs('k1 k0 d0 S2 D1 S3 d3 m4 / s1 s0 d2 m1 s0 s1 m2 k3'),
  DARTS_ID2_3: pairs('a0 k1 D0 d2 S2 k3 a1 a4 / a0 a1 a0 S1 s2 a1 s2 m1'),
  DARTS_ID2_4: pairs('k1 d0 s0 a2 D0 d3 m1 k4 / d0 S1 S1 S0 a0 S2 s0 m1'),
  DARTS_ID2_5: pairs('D1 k0 S0 k2 S3 D2 a0 m3 / d0 d1 m0 a2 m0 a2 d0 d2'),
  DARTS_ID2_6: pairs('S0 k1 s2 s0 a2 k0 s0 D3 / a1 S0 d2 k1 a2 k1 s4 d1'),
  DARTS_ID2_7: pairs('k1 S0 m0 d1 S1 a0 k4 S0 / D1 s0 S0 D1 m1 m3 D2 m1'),
  DARTS_ID2_FPT_1: pairs('k1 s0 k0 d2 s1 D2 s2 D1 / k0 S1 a2 D0 s0 D2 S1 D2'),
  DARTS_ID2_FPT_2: pairs('d0 s1 k2 k1 S0 d1 S1 D4 / d0 d1 a1 k0 D1 k3 k0 m3'),
  DARTS_ID2_FPT_3: pairs('S0 m1 S1 k0 k2 m1 S3 s2 / S0 k1 m1 S2 D3 m0 d1 m2'),
  DARTS_ID2_FPT_4: pairs('s0 m1 D2 D0 S3 S0 k3 k0 / a0 S1 a1 d0 D3 S2 a1 D4'),
  DARTS_ID2_FPT_5: pairs('D0 S1 s2 k0 S3 S0 a1 k0 / m1 k0 D1 D2 S0 s1 a1 k0'),
  DARTS_ID2_FPT_6: pairs('S1 S0 k2 s0 D2 d3 m0 k2 / m0 D1 m2 k0 D0 S3 s1 D3'),
  DARTS_ID2_FPT_7: pairs('a0 S1 S0 k1 D0 S1 k4 S0 / D1 a0 a2 S0 m0 D2 S3 k0'),
  NOISEDARTS_50_1: pairs('s1 s0 D1 d2 s1 D3 D4 d3 / m0 m1 a0 D2 k1 m0 k3 a1'),
  NOISEDARTS_50_2: pairs('d1 s0 d2 d1 s1 D3 d3 D4 / D1 k0 m0 d2 k3 k2 k2 k3'),
  NOISEDARTS_50_3: pairs('d1 k0 s1 d2 s1 d2 D4 D1 / m1 m0 a0 D2 a1 k2 k3 k2'),
  DARTS_EXP1_RE1: withWeights(experiment1, {
    normal: [0.2386, 0.234, 0.3028, 0.2745, 0.3016, 0.2737, 0.3499, 0.2212],
    reduce: [0.2173, 0.1925, 0.2302, 0.186, 0.3068, 0.2695, 0.269, 0.2323],
  }),
  DARTS_EXP1_RE2: withWeights(experiment1, {
    normal: [0.9, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1],
    reduce: [0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.9, 0.1],
  }),
  DARTS_EXP1_RE3: alternately(experiment1, 0.99, 0.01),
  DARTS_EXP1_RE4: alternately(experiment1, 0.9, 0.1),
  DARTS_EXP1_RE5: alternately(experiment1, 0.01, 0.99),
  DARTS_EXP2_RE1: withWeights(experiment2, {
    normal: [0.2777, 0.2562, 0.2619, 0.2521, 0.3661, 0.2936, 0.2966, 0.2533],
    reduce: [0.2234, 0.1629, 0.2241, 0.2205, 0.28, 0.2083, 0.2475, 0.2225],
  }),
  DARTS_EXP2_RE2: withWeights(experiment2, {
    normal: [0.99, 0.01, 0.01, 0.99, 0.99, 0.01, 0.01, 0.99],
    reduce: [0.99, 0.01, 0.01, 0.99, 0.99, 0.01, 0.99, 0.01],
  }),
  DARTS_EXP2_RE3: alternately(experiment2, 0.99, 0.01),
  DARTS_EXP2_RE4: alternately(experiment2, 0.9, 0.1),
  DARTS_EXP2_RE5: alternately(experiment2, 0.1, 0.9),
};

/** One weight for the first entry of every node, one for the second. */
function alternately(genotype: GenotypeByType, first: number, second: number): GenotypeByType {
  const weights = Array.from({ length: 4 }, () => [first, second]).flat();
  return withWeights(genotype, { normal: weights, reduce: weights });
}
