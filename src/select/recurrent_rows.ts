import { anInteger, check } from '../checks.ts';
import { recurrentCandidates } from '../genotype/recurrent.ts';
import type { LayoutRow } from './layout.ts';

/**
 * The rows of alpha of a recurrent cell that is searched (arXiv:1806.09055): those of the first node, then of the second one, and so on, each
 * from all states before it in their order. Throws ArgumentError for what is no number of nodes.
 */
export function recurrentRows(nodes: number): LayoutRow[] {
  check('nodes', nodes, anInteger(1, 100));
  return Array.from({ length: nodes }, (_, node) =>
    Array.from({ length: node + 1 }, (_, input) => ({ node, input, candidates: recurrentCandidates })),
  ).flat();
}
