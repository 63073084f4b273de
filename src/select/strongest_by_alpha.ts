// StacNAS (Li et al., arXiv:1909.11926): edges and candidates by alpha itself.
import { ArgumentError } from '../errors.ts';
import type { CellKey, Genotype } from '../genotype/genotype.ts';
import { mapValues } from '../map_values.ts';
import type { RowsByTable } from './alpha.ts';
import { type Selectable, type WeightedCandidate, type WeightedCell, weightedCells } from './candidates.ts';
import { genotypeOf } from './strongest_edges.ts';

/**
 * The rule of DARTS, but with alpha in place of mixing weights: a softmax would hide how the rows of two edges compare. Throws ArgumentError
 * where alpha is not known, and for rows that do not fit.
 */
export function strongestByAlpha(supernet: Selectable, alpha: RowsByTable | undefined): Genotype {
  return genotypeOf(supernet, known(alpha));
}

/** By cell the candidate of every edge that has the largest alpha, of equals the first; never `none`. In the order of the rows. */
export function winners(supernet: Selectable, alpha: RowsByTable): Readonly<Record<CellKey, readonly string[]>> {
  const best = (candidates: readonly WeightedCandidate[]) => candidates.reduce((a, b) => (b.weight > a.weight ? b : a));
  return mapValues(weightedCells(supernet, alpha), (cell: WeightedCell) =>
    cell.flatMap((edges) => edges.map((candidates) => best(candidates).operation)),
  );
}

function known(alpha: RowsByTable | undefined): RowsByTable {
  if (alpha !== undefined) return alpha;
  throw new ArgumentError(
    "the rule 'stacnas' compares alpha itself, but only the mixing weights that follow are known here: choose another rule",
  );
}
