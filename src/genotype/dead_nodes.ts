import type { Genotype, GenotypeCell } from './genotype.ts';
import { checkGenotype } from './rules.ts';

/**
 * A genotype of triples without the nodes all of whose sources are passed over, and without those that lose their last source so: they
 * are isolated in what it gives, and a cell may be left without any. A genotype of pairs, which has no such nodes, comes back as it is.
 * Throws ArgumentError for a faulty genotype.
 */
export function withoutDeadNodes(genotype: Genotype): Genotype {
  checkGenotype(genotype);
  if (genotype.entries !== 'triples') return genotype;
  return { ...genotype, normal: withoutDead(genotype.normal), reduce: withoutDead(genotype.reduce) };
}

/** A source is a state only if it was made before, so that one walk in the order of making finds all. */
function withoutDead({ nodes, concat }: GenotypeCell): GenotypeCell {
  const states = new Set([0, 1]);
  for (const state of concat) if (nodes[state - 2].some(({ input }) => states.has(input))) states.add(state);
  return {
    nodes: nodes.map((entries, node) => (states.has(node + 2) ? entries : [])),
    concat: concat.filter((state) => states.has(state)),
  };
}
