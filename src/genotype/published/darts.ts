import type { GenotypeByType } from '../genotype.ts';
import { pairs } from './letters.ts';

const dartsV2 = pairs('s0 s1 s0 s1 s1 k0 k0 d2 / m0 m1 k2 m1 m0 k2 k2 m1');

/**
 * Genotypes that ship with DARTS: its own of first and second order (arXiv:1806.09055; `DARTS` is the latter), NASNet-A
 * (arXiv:1707.07012) and AmoebaNet-A (arXiv:1802.01548) in the form in which its authors evaluated them.
 */
export const dartsGenotypes: Readonly<Record<string, GenotypeByType>> = {
  DARTS_V1: pairs('s1 s0 k0 s1 k0 s1 s0 k2 / m0 m1 k2 m0 m0 k2 k2 a0'),
  DARTS_V2: dartsV2,
  DARTS: dartsV2,
  NASNet: pairs('S1 s0 S0 s0 a1 k0 a0 a0 s1 k1 / S1 Z0 m1 Z0 a1 S0 k3 a2 s2 m1', { reduce: [4, 5, 6] }),
  AmoebaNet: pairs('a0 m1 s0 S2 s0 a3 s1 k1 k0 a1 / a0 s1 m0 Z2 Z0 a1 m0 m1 c0 s5', {
    normal: [4, 5, 6],
    reduce: [3, 4, 6],
  }),
};
