import type { Genotype, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { operations } from '../../../src/operation/operations.ts';
import { uniform } from '../../../src/random/philox.ts';

const names = [...Object.keys(operations), "it's", 'back\\slash', 'say "no"', 'a & b <c>', 'αβ'];

/** A genotype drawn from `seed`; with `edges` that many edges a node, else one to four. */
export function randomGenotype(seed: number, edges?: number): Genotype {
  const numbers = uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, 400);
  let used = 0;
  const below = (count: number) => Math.floor(numbers[used++] * count);
  const cell = (): GenotypeCell => {
    const nodes = Array.from({ length: 1 + below(6) }, (_, node) =>
      Array.from({ length: edges ?? 1 + below(4) }, () => ({
        operation: names[below(names.length)],
        input: below(node + 2),
      })),
    );
    const states = nodes.map((_, node) => node + 2).filter(() => below(2) === 0);
    return { nodes, concat: states.length > 0 ? states : [2] };
  };
  return { normal: cell(), reduce: cell() };
}
