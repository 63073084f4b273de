import type { Parameters } from '../backend/parameters.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { mixingWeights } from '../network/mixing.ts';
import type { Supernet } from '../network/supernet.ts';
import { genotypeOf } from './strongest_edges.ts';

/** What the architecture parameters say. */
export interface Architecture {
  readonly genotype: Genotype;
  /** Mixing weights by the name of the architecture parameters, one row an edge. */
  readonly mixing: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** The supernet's mixing weights as they stand, and the genotype that they select. */
export async function readArchitecture(supernet: Supernet, parameters: Parameters): Promise<Architecture> {
  const mixing: Record<string, number[][]> = {};
  for (const { name, rowLengths } of Object.values(supernet.tables)) {
    const { data } = await parameters.get(name);
    mixing[name] = mixingWeights(data, rowLengths, supernet.space.activation);
  }
  return { genotype: genotypeOf(supernet, mixing), mixing };
}
