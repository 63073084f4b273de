import type { GenotypeByType } from '../genotype.ts';
import { pairs } from './letters.ts';

/** The cells that CDARTS' authors published (arXiv:2006.10724): two of CIFAR-10, the second of their first release, and one of ImageNet. */
export const cdartsGenotypes: Readonly<Record<string, GenotypeByType>> = {
  CDARTS_CIFAR: pairs('s0 s1 s1 s2 s0 s1 k0 k2 / S1 m0 D2 k0 s0 S1 s0 D2'),
  CDARTS_CIFAR_2020: pairs('s1 s0 S1 S0 s0 s1 k0 k4 / s0 k1 s0 S1 k0 d1 S0 s2'),
  CDARTS_IMAGENET: pairs('s1 s0 s0 S2 S2 s1 s1 S4 / S1 a0 m1 D2 S1 D2 s3 d4'),
};
