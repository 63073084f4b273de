import type { GenotypeByType } from '../genotype.ts';
import { pairs } from './letters.ts';

/**
 * Genotypes that FairDARTS was compared with, as its authors evaluated them: ENAS (arXiv:1802.03268), GDAS (arXiv:1910.04465), MdeNAS
 * (arXiv:1905.07529), PC-DARTS (arXiv:1907.05737), P-DARTS (arXiv:1904.12760) and SNAS (arXiv:1812.09926).
 */
export const comparedGenotypes: Readonly<Record<string, GenotypeByType>> = {
  ENASNet: pairs('s1 k1 S1 k0 a0 s1 s0 a1 S1 a0 / S0 s1 s1 a1 s1 a1 a1 S4 s5 S0'),
  GDAS_V1: pairs('k0 k1 k0 S2 s3 k0 S4 s3 / S0 s1 S2 S1 D2 s1 S0 S2'),
  MdeNAS: pairs('S1 s0 k0 S1 S3 s1 D3 m4 / m0 S1 k0 k1 s3 k2 d3 S0'),
  PC_DARTS_cifar: pairs('s1 k0 s0 d1 S0 s1 a0 d1 / S1 m0 S1 S2 s0 s3 s1 s2'),
  PDARTS: pairs('k0 d1 k0 s1 s1 s3 s0 D4 / a0 S1 s0 D2 m0 d1 d1 D3'),
  SNAS: pairs('s0 s1 k0 d1 k1 k0 k0 s1 / m0 m1 m1 k2 k2 m1 m0 D2'),
};
