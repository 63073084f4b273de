import type { GenotypeByType } from '../genotype.ts';
import { triples } from './letters.ts';

/**
 * Genotypes that FairDARTS found (arXiv:1911.12126), in the notation of {@link triples}: seven searches by the rule
 * `threshold_sparse`, and what a search of batch size 64 gives by that rule and by `threshold_edge`.
 */
export const fairDartsGenotypes: Readonly<Record<string, GenotypeByType>> = {
  FairDARTS_a: triples('s02 S12 m04 s05 / m02 a12 a03 D13 a04 S14 k05 k15'),
  FairDARTS_b: triples('s02 s12 s13 d04 S14 D15 / k02 d12 k03 d13 m04 s14 k25 m05'),
  FairDARTS_c: triples('m02 S12 d04 D24 k35 s05 / d12 D02 d03 s13 S04 S34 S05 k15'),
  FairDARTS_d: triples('s02 S12 d13 m03 d04 d14 s05 D15 / m02 S12 a03 D23 d34 a04 a05 k35'),
  FairDARTS_e: triples('s02 s12 d14 d24 d05 D15 / m12 m02 m13 m03 S14 m04 a05 D15'),
  FairDARTS_f: triples('m02 s12 d13 S14 s05 s15 / m02 m12 m03 d13 d24 m04 m05 s15'),
  FairDARTS_g: triples('s02 s12 k34 S14 d05 s15 / a12 k02 k23 m13 S34 m04 d15 d45'),
  DCO_SPARSE_BS_64: triples('s02 d12 S03 d13 m04 D05 / k02 D12 S03 S23 S34 a04 d05 D15'),
  DCO_EDGE_BS_64: triples(
    `d02 s02 s12 d12 m03 S03 d13 m04 D05 /
     S02 k02 D12 k12 k03 m03 m13 s13 k23 S23 m04 a04 D14 s14 S24 k24 k34 S34 m05 a05 D15 d15 k25 S25 S35 D35 d45 k45`,
  ),
};
