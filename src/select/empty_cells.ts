// What to say of a selection that left a cell without any entry: no network can be made of it.
import { type CellKey, cellName, emptyCells, type Genotype, inputsOf } from '../genotype/genotype.ts';
import { mapValues } from '../map_values.ts';
import type { RowsByTable } from './alpha.ts';
import { type Selectable, type WeightedCandidate, type WeightedCell, weightedCells } from './candidates.ts';

/** Mixing weights of one cell, or cell type, counted; `none` is not among them. */
export interface ThresholdCount {
  readonly weights: number;
  readonly atLeastThreshold: number;
  /** Of equals the first. */
  readonly largest: WeightedCandidate & { readonly node: number };
}

/** How many mixing weights reach a threshold, by cell. Throws ArgumentError for rows that do not fit. */
export function countAtThreshold(
  supernet: Selectable,
  mixing: RowsByTable,
  threshold: number,
): Readonly<Record<CellKey, ThresholdCount>> {
  return mapValues(weightedCells(supernet, mixing), (cell) => countOf(cell, threshold));
}

function countOf(cell: WeightedCell, threshold: number): ThresholdCount {
  const all = cell.flatMap((edges, node) => edges.flat().map((candidate) => ({ ...candidate, node })));
  return {
    weights: all.length,
    atLeastThreshold: all.filter(({ weight }) => weight >= threshold).length,
    largest: all.reduce((a, b) => (b.weight > a.weight ? b : a)),
  };
}

/**
 * One line for a genotype that was selected with a threshold and has a cell without entries: what the largest weight is, and what to
 * do; undefined for a genotype whose cells all have some.
 */
export function emptyCellNotice(
  supernet: Selectable,
  mixing: RowsByTable,
  genotype: Genotype,
  threshold: number,
): string | undefined {
  const empty = emptyCells(genotype);
  if (empty.length === 0) return undefined;
  const counts = countAtThreshold(supernet, mixing, threshold);
  const told = Object.entries(counts)
    .map(([key, count]) => cellLine(key, count))
    .join('; ');
  const lowest = Math.min(...empty.map((key) => counts[key].largest.weight));
  const cells = empty.map(cellName).join(' and the ');
  return (
    `no network can be built of this selection: no mixing weight reaches the threshold ${threshold} in the ${cells}; ${told}; ` +
    `select by a threshold of ${floorTo3(lowest)} or less, or by darts, which needs none`
  );
}

function cellLine(key: CellKey, { weights, atLeastThreshold, largest }: ThresholdCount): string {
  const { operation, input, node, weight } = largest;
  const inputs = inputsOf(key);
  return `${cellName(key)}: ${atLeastThreshold} of ${weights} weights, the largest ${weight.toFixed(4)} (${operation} from state ${input} to state ${node + inputs})`;
}

/** Down, so that the weight reaches it. */
function floorTo3(weight: number): number {
  return Math.floor(weight * 1000) / 1000;
}
