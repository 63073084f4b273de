import type { GenotypeByType } from '../genotype.ts';
import { pairs } from './letters.ts';

/** The genotypes that StacNAS found (arXiv:1909.11926), read off its drawings: they do not show the order of a node's edges. */
export const stacnasGenotypes: Readonly<Record<string, GenotypeByType>> = {
  STACNAS_CIFAR10: pairs('s1 k0 s2 k0 s0 s1 s2 s0 / k1 m0 D2 a0 D3 a0 D3 S0'),
  STACNAS_CIFAR100: pairs('k0 d1 s0 s1 s0 s1 s0 s1 / a0 s1 a0 D2 D2 S1 s0 D3'),
  STACNAS_IMAGENET: pairs('k0 k1 s0 s1 s0 s1 s0 s1 / s0 s1 s0 s1 s0 s1 s0 s1'),
};
