import type { GenotypeByType, GenotypeCell } from '../../../src/genotype/genotype.ts';
import { operations } from '../../../src/operation/operations.ts';
import { uniform } from '../../../src/random/philox.ts';

const names = [...Object.keys(operations), "it's", 'back\\slash', 'say "no"', 'a & b <c>', 'αβ'];

/** Numbers below a count, drawn from `seed`. */
function dice(seed: number): (count: number) => number {
  const numbers = uniform({ seed, purpose: 'architecture', epoch: 0, step: 0 }, 400);
  let used = 0;
  return (count) => Math.floor(numbers[used++] * count);
}

/** A genotype drawn from `seed`; with `edges` that many edges a node, else one to four. */
export function randomGenotype(seed: number, edges?: number): GenotypeByType {
  const below = dice(seed);
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

/**
 * A genotype of triples drawn from `seed`: nodes may be isolated, cells be without entries, edges of several operations, and nodes
 * computed in any order.
 */
export function randomTriples(seed: number): GenotypeByType {
  const below = dice(seed);
  const cell = (): GenotypeCell => {
    const isEmpty = below(10) === 0;
    const nodes = Array.from({ length: 1 + below(6) }, (_, node) =>
      Array.from({ length: isEmpty ? 0 : below(5) }, () => ({
        operation: names[below(names.length)],
        input: below(node + 2),
      })),
    );
    const targets = nodes.flatMap((edges, node) => (edges.length > 0 ? [node + 2] : []));
    return { nodes, concat: shuffled(targets, below) };
  };
  return { entries: 'triples', normal: cell(), reduce: cell() };
}

function shuffled(list: readonly number[], below: (count: number) => number): number[] {
  const left = [...list];
  return list.map(() => left.splice(below(left.length), 1)[0]);
}

/** A genotype with weights drawn from `seed` on all its edges: some large, small, whole or negative. */
export function withRandomWeights({ normal, reduce, ...rest }: GenotypeByType, seed: number): GenotypeByType {
  const below = dice(seed + 1e6);
  const weight = () => [below(1e9) / 1e9, below(3), -below(1e6) / 1e3, below(1e6) * 1e-12, below(10) * 1e30][below(5)];
  const cell = ({ nodes, concat }: GenotypeCell): GenotypeCell => {
    return { nodes: nodes.map((edges) => edges.map((edge) => ({ ...edge, weight: weight() + 0 }))), concat };
  };
  return { ...rest, normal: cell(normal), reduce: cell(reduce) };
}
