import { ArgumentError } from '../../errors.ts';
import type { Genotype } from '../../genotype/genotype.ts';
import { formatGenotype } from '../../genotype/text.ts';

/**
 * What NNI writes after an epoch, counted from 0: the genotype, and which candidate each edge takes, where its form can say that. NNI has no
 * genotypes of one cell, of which this is the text, nor of stages, of which it is the authors' cell file.
 */
export function decisionFiles(genotype: Genotype, epoch: number): Readonly<Record<string, string>> {
  const name = `epoch_${String(epoch).padStart(2, '0')}`;
  if (genotype.cells !== undefined) return { [`${name}.json`]: formatGenotype(genotype, 'stages') };
  const masks = masksOf(genotype);
  return {
    [`${name}.genotypes`]: formatGenotype(genotype, genotype.cell === undefined ? 'python-nested' : 'nasbench201'),
    ...(masks !== undefined && { [`${name}.json`]: masks }),
  };
}

/** Undefined of a space of one's own that has other nodes or candidates. */
function masksOf(genotype: Genotype): string | undefined {
  try {
    return formatGenotype(genotype, 'nni-masks');
  } catch (error) {
    if (error instanceof ArgumentError) return undefined;
    throw error;
  }
}
