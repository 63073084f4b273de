import type { Genotype, GenotypeByType } from '../../src/genotype/genotype.ts';

/** A genotype that has one cell a type. */
export function byType(genotype: Genotype): GenotypeByType {
  if (genotype.normal === undefined) throw new Error('expected a genotype of a normal and a reduction cell');
  return genotype;
}
