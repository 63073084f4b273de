// What a selection decides, in which order, and how long it fine-tunes in between (DARTS-PT, arXiv:2108.04392).
import type { CellKey } from '../../genotype/genotype.ts';
import { maskedBelow, mt19937 } from '../../random/mt19937.ts';
import type { Selectable } from '../../select/candidates.ts';
import type { ProjectionSettings } from './settings.ts';

/** A cell keeps this many edges into each node. */
export const keptInputs = 2;

/** One decision of every cell: which operation a row keeps, or which inputs a node does. */
export interface Decision {
  readonly kind: 'operation' | 'inputs';
  /** By cell, in the order in which they are decided: a row, or a node from 0. */
  readonly of: readonly (readonly [CellKey, number])[];
}

/** A part of a selection: a decision, or epochs of fine-tuning behind it. */
export type Part = { readonly decision: Decision } | { readonly epochs: number };

/** All parts of a selection, in order. `keepsInputs` says that nodes keep all of their edges. */
export function planOf(
  { tables, space: { nodes } }: Selectable,
  seed: number,
  { projIntv, decideAll }: ProjectionSettings,
  keepsInputs: boolean,
): Part[] {
  const decisions = decisionsOf({ tables, nodes, keepsInputs }, seed);
  const kept = keepsInputs && projIntv === 1 && !decideAll ? decisions.slice(0, -1) : decisions;
  return kept.flatMap((decision, index): Part[] => {
    const epochs = epochsAfter(index, kept.length, projIntv, keepsInputs);
    return [{ decision }, ...(epochs > 0 ? [{ epochs }] : [])];
  });
}

/** One epoch follows the last decision; where nodes keep all edges, it is one of those between the decision before and it. */
function epochsAfter(index: number, count: number, projIntv: number, keepsInputs: boolean): number {
  if (index === count - 1) return 1;
  return keepsInputs && index === count - 2 ? projIntv - 1 : projIntv;
}

/**
 * Every decision, in the order that belongs to the seed: one stream of NumPy's generator, from which each decision draws among what is
 * still open in one cell after another.
 */
function decisionsOf(
  {
    tables,
    nodes,
    keepsInputs,
  }: Pick<Selectable, 'tables'> & { readonly nodes: number; readonly keepsInputs: boolean },
  seed: number,
): Decision[] {
  const generator = mt19937(seed);
  const drawn = (kind: Decision['kind'], openOf: (key: CellKey) => number[]): Decision[] => {
    const open = Object.keys(tables).map((key) => [key, openOf(key)] as const);
    const rounds = Math.max(0, ...open.map(([, list]) => list.length));
    return Array.from({ length: rounds }, () => ({
      kind,
      of: open.flatMap(([key, list]) =>
        list.length === 0 ? [] : [[key, list.splice(maskedBelow(generator, list.length), 1)[0]] as const],
      ),
    }));
  };
  const operations = drawn('operation', (key) => [...tables[key].edges.keys()]);
  if (keepsInputs) return operations;
  const many = Array.from({ length: nodes }, (_, node) => node);
  const inputsOf = (key: CellKey, node: number) => tables[key].edges.filter((edge) => edge.node === node).length;
  const inputs = drawn('inputs', (key) => many.filter((node) => inputsOf(key, node) > keptInputs));
  return [...operations, ...inputs];
}

/** Scores that a decision of a cell takes: one a candidate, or one a remaining edge and round. */
export function scoresOf({ tables }: Selectable, { kind }: Decision, [key, place]: readonly [CellKey, number]): number {
  const { edges } = tables[key];
  if (kind === 'operation') return edges[place].candidates.length;
  const inputs = edges.filter(({ node }) => node === place).length;
  let scores = 0;
  for (let left = inputs; left > keptInputs; left--) scores += left;
  return scores;
}
