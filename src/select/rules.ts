// The rules by which a genotype follows from mixing weights. A new one is a file in this folder and a row in the table.
import { aNumber, check, checkOptions, isRecord } from '../checks.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { invalidWord } from '../suggest.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable } from './candidates.ts';
import { strongestByAlpha } from './strongest_by_alpha.ts';
import { genotypeOf } from './strongest_edges.ts';
import { strongestInOrder } from './strongest_in_order.ts';
import { everyEdgeAboveThreshold } from './threshold_edge.ts';
import { sparseAboveThreshold } from './threshold_sparse.ts';
import { checkTriples } from './triples.ts';

/** The rules of FairDARTS' code, as it spells them. */
export const parseMethods = ['darts', 'threshold_sparse', 'threshold_edge'] as const;

/** Names of the rules. */
export const selectionRules = [...parseMethods, 'stacnas', 'cdarts'] as const;

/** One of {@link selectionRules}. */
export type SelectionRule = (typeof selectionRules)[number];

/** How a genotype is selected. */
export interface SelectionOptions {
  /**
   * `darts`: the two strongest edges of each node, as pairs. `threshold_sparse`: those of them that reach the threshold, as triples.
   * `threshold_edge`: on every edge the two strongest operations that reach it, as triples. `stacnas`: the two strongest edges by alpha
   * itself, not by the mixing weights that follow, as pairs. `cdarts`: those of `darts`, in the order of their inputs, not the strongest first.
   */
  readonly by: SelectionRule;
  /** What a mixing weight must reach; `darts`, `stacnas` and `cdarts` do not look at it. From 0 to 1. */
  readonly threshold: number;
}

/** Whether a rule looks at the threshold. */
export function looksAtThreshold(by: SelectionRule): boolean {
  return by === 'threshold_sparse' || by === 'threshold_edge';
}

/** The published one (arXiv:1911.12126). */
export const defaultThreshold = 0.85;

/**
 * How a genotype is selected where nobody says: as the search does, where its history tells; else by the rule of FairDARTS, where weights
 * have no rivals, or of DARTS, where they are by softmax.
 */
export function usualSelection(
  { activation, selection }: { readonly activation: MixingActivation; readonly selection?: SelectionOptions },
  { by, threshold }: Partial<SelectionOptions> = {},
): SelectionOptions {
  const usual = selection ?? {
    by: activation === 'sigmoid' ? 'threshold_sparse' : 'darts',
    threshold: defaultThreshold,
  };
  return { by: by ?? usual.by, threshold: threshold ?? usual.threshold };
}

/** Whether a value, whatever it was read from, is a selection. */
export function isSelection(value: unknown): value is SelectionOptions {
  if (!isRecord(value)) return false;
  const { by, threshold } = value;
  return selectionRules.includes(by as SelectionRule) && aNumber(0, 1).holds(threshold);
}

type Select = (supernet: Selectable, mixing: RowsByTable, threshold: number, alpha?: RowsByTable) => Genotype;

const rules: Readonly<Record<SelectionRule, Select>> = {
  darts: genotypeOf,
  threshold_sparse: sparseAboveThreshold,
  threshold_edge: everyEdgeAboveThreshold,
  stacnas: (supernet, _mixing, _threshold, alpha) => strongestByAlpha(supernet, alpha),
  cdarts: strongestInOrder,
};

/**
 * The genotype that mixing weights stand for by a rule. Weights are rounded to float32 and compared with the threshold in double. A
 * cell may be without entries: nothing reaches the threshold early in a search. `mixing` holds by table name one row an edge, as does
 * `alpha`, which the rule `stacnas` compares instead. Throws ArgumentError for options that are none, for rows that do not fit, and
 * where that rule is without alpha.
 */
export function selectGenotype(
  supernet: Selectable,
  mixing: RowsByTable,
  options: SelectionOptions,
  alpha?: RowsByTable,
): Genotype {
  checkSelection(options);
  return rules[options.by](supernet, mixing, options.threshold, alpha);
}

/** Throws ArgumentError for a rule that gives no genotypes of a supernet's form. */
export function checkRuleOf(supernet: Pick<Selectable, 'tables'>, { by }: SelectionOptions): void {
  if (looksAtThreshold(by)) checkTriples(supernet);
}

/** Throws ArgumentError for a rule that there is not, with the nearest one, and for a threshold that is none. */
export function checkSelection(options: SelectionOptions): void {
  checkOptions('options', options, ['by', 'threshold']);
  if (!selectionRules.includes(options.by)) throw invalidWord('by', selectionRules, options.by);
  check('threshold', options.threshold, aNumber(0, 1));
}
