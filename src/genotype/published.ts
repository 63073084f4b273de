import type { Genotype, GenotypeByType } from './genotype.ts';
import { cdartsGenotypes } from './published/cdarts.ts';
import { comparedGenotypes } from './published/compared.ts';
import { dartsGenotypes } from './published/darts.ts';
import { dartsPtGenotypes, sdartsGenotypes } from './published/darts_pt.ts';
import { fairDartsGenotypes } from './published/fairdarts.ts';
import { recurrentGenotypes } from './published/recurrent.ts';
import { skipConnectionGenotypes } from './published/skip_connections.ts';
import { stacnasGenotypes } from './published/stacnas.ts';

/**
 * Published genotypes of cells for images by name: those that ship with DARTS (arXiv:1806.09055) and with FairDARTS (arXiv:1911.12126), in whose scripts
 * `DARTS` means FairDARTS_a, those of StacNAS (arXiv:1909.11926), of DARTS-PT (arXiv:2108.04392), of SDARTS (arXiv:2002.05283) and of
 * CDARTS (arXiv:2006.10724).
 */
export const genotypes: Readonly<Record<string, GenotypeByType>> = {
  ...dartsGenotypes,
  ...fairDartsGenotypes,
  ...comparedGenotypes,
  ...skipConnectionGenotypes,
  ...stacnasGenotypes,
  ...cdartsGenotypes,
  ...dartsPtGenotypes,
  ...sdartsGenotypes,
};

/** All published genotypes by name, those of recurrent cells too. */
export const publishedGenotypes: Readonly<Record<string, Genotype>> = { ...genotypes, ...recurrentGenotypes };
