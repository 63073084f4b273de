// Recurrent cells by what distinguishes them: activations on single edges.
import { anInteger, aSeed, check } from '../checks.ts';
import { randomBlock } from '../random/philox.ts';
import type { RecurrentGenotype } from './genotype.ts';

/** Activations of a node. */
export const activations = ['tanh', 'relu', 'sigmoid', 'identity'] as const;

/** One of {@link activations}. */
export type Activation = (typeof activations)[number];

/** What is mixed on an edge of a cell that is searched, in the order of the columns of alpha. */
export const recurrentCandidates = ['none', ...activations] as const;

/** Nodes of the published cells that were searched. */
export const usualNodes = 8;

/** The genotype of a cell whose nodes, from 1 on, have these pairs; all nodes are its output unless `concat` names some. */
export function recurrentCellOf(
  pairs: readonly (readonly [operation: Activation, input: number])[],
  concat: readonly number[] = pairs.map((_, node) => node + 1),
): RecurrentGenotype {
  return { recurrent: { nodes: pairs.map(([operation, input]) => [{ operation, input }]), concat } };
}

/**
 * A recurrent cell that is drawn, not searched: what searches are compared with. Every predecessor and every activation of a node is as
 * likely, and all nodes are the output. Throws ArgumentError for what is no seed or no number of nodes.
 */
export function randomRecurrentCell(seed: number, nodes: number = usualNodes): RecurrentGenotype {
  check('seed', seed, aSeed);
  check('nodes', nodes, anInteger(1, 1000));
  const pairs = Array.from({ length: nodes }, (_, node) => {
    const block = randomBlock({ seed, purpose: 'recurrentGenotype', epoch: 0, step: 0 }, node);
    const below = (lane: number, count: number) => Math.floor((block[lane] / 2 ** 32) * count);
    return [activations[below(0, activations.length)], below(1, node + 1)] as const;
  });
  return recurrentCellOf(pairs);
}
