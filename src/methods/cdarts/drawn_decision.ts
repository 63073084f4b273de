// Decisions that are drawn rather than taken: gumbel_sample of CDARTS' authors (arXiv:2006.10724).
import { type Genotype, type GenotypeCell, genotypeOfCells } from '../../genotype/genotype.ts';
import { uniform } from '../../random/philox.ts';
import type { RowsByTable } from '../../select/alpha.ts';
import { type Selectable, type WeightedCandidate, type WeightedCell, weightedCells } from '../../select/candidates.ts';

/** Edges of a node. */
const kept = 2;

/** Half the distance of two uniform numbers, so that none is 0. */
const half = 2 ** -25;

/**
 * By two hard draws a node, each the largest of log w + G over all candidates of its edges but none, G standard Gumbel: so each comes as
 * often as its mixing weight w says. The second one leaves the first one's edge out, as networks have one operation an edge. Numbers are
 * those of an epoch.
 */
export function drawnDecision(
  supernet: Selectable,
  mixing: RowsByTable,
  { seed, epoch }: { readonly seed: number; readonly epoch: number },
): Genotype {
  const cells = Object.entries(weightedCells(supernet, mixing)).map(([key, cell], part) => {
    const most = Math.max(...cell.map((edges) => edges.flat().length));
    // Step 0 draws alpha itself.
    const numbers = cell.map((_, node) =>
      uniform({ seed, purpose: 'architecture', epoch, step: 1 + node, part }, kept * most),
    );
    return [key, drawnCell(cell, numbers)] as const;
  });
  return genotypeOfCells(Object.fromEntries(cells));
}

function drawnCell(cell: WeightedCell, numbers: readonly Float64Array[]): GenotypeCell {
  const nodes = cell.map((edges, node) => {
    const candidates = edges.flat();
    const first = draw(candidates, numbers[node]);
    const second = draw(
      candidates.filter(({ input }) => input !== first.input),
      numbers[node].subarray(candidates.length),
    );
    return [first, second].map(({ operation, input }) => ({ operation, input }));
  });
  return { nodes, concat: nodes.map((_, node) => node + 2) };
}

function draw(candidates: readonly WeightedCandidate[], numbers: Float64Array): WeightedCandidate {
  const scores = candidates.map(({ weight }, index) => Math.log(weight) - Math.log(-Math.log(numbers[index] + half)));
  return candidates[scores.indexOf(Math.max(...scores))];
}
