// The rules by which a genotype follows from mixing weights. A new one is a file in this folder and a row in the table.
import { aNumber, check, checkOptions, isRecord } from '../checks.ts';
import type { Genotype } from '../genotype/genotype.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { invalidWord } from '../suggest.ts';
import type { RowsByTable } from './alpha.ts';
import type { Selectable } from './candidates.ts';
import { genotypeOf } from './strongest_edges.ts';
import { everyEdgeAboveThreshold } from './threshold_edge.ts';
import { sparseAboveThreshold } from './threshold_sparse.ts';

/** Names of the rules, as the published code spells them. */
export const selectionRules = ['darts', 'threshold_sparse', 'threshold_edge'] as const;

/** One of {@link selectionRules}. */
export type SelectionRule = (typeof selectionRules)[number];

/** How a genotype is selected. */
export interface SelectionOptions {
  /**
   * `darts`: the two strongest edges of each node, as pairs. `threshold_sparse`: those of them that reach the threshold, as triples.
   * `threshold_edge`: on every edge the two strongest operations that reach it, as triples.
   */
  readonly by: SelectionRule;
  /** What a mixing weight must reach; `darts` does not look at it. From 0 to 1. */
  readonly threshold: number;
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

type Select = (supernet: Selectable, mixing: RowsByTable, threshold: number) => Genotype;

const rules: Readonly<Record<SelectionRule, Select>> = {
  darts: genotypeOf,
  threshold_sparse: sparseAboveThreshold,
  threshold_edge: everyEdgeAboveThreshold,
};

/**
 * The genotype that mixing weights stand for by a rule. Weights are rounded to float32 and compared with the threshold in double. A
 * cell may be without entries: nothing reaches the threshold early in a search. `mixing` holds by table name one row an edge. Throws
 * ArgumentError for options that are none and for rows that do not fit.
 */
export function selectGenotype(supernet: Selectable, mixing: RowsByTable, options: SelectionOptions): Genotype {
  checkSelection(options);
  return rules[options.by](supernet, mixing, options.threshold);
}

/** Throws ArgumentError for a rule that there is not, with the nearest one, and for a threshold that is none. */
export function checkSelection(options: SelectionOptions): void {
  checkOptions('options', options, ['by', 'threshold']);
  if (!selectionRules.includes(options.by)) throw invalidWord('by', selectionRules, options.by);
  check('threshold', options.threshold, aNumber(0, 1));
}
