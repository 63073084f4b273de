// Projected weights: which rows of mixing weights a selection has decided, and what the network sees of them.
import { type CellKey, type Genotype, mapCells } from '../../genotype/genotype.ts';
import { noneName } from '../../operation/operations.ts';
import type { RowsByTable } from '../../select/alpha.ts';
import type { Selectable } from '../../select/candidates.ts';
import type { GivenRows } from '../alternating_parts.ts';

/** Of a row: open, the candidate that it keeps, or dropped with its edge. */
export type RowState = number | 'open' | 'dropped';

/** The rows of every cell. */
export type Projected = Readonly<Record<CellKey, readonly RowState[]>>;

/** Something left out for a score: a candidate of a row, or whole rows. */
export interface Mask {
  readonly cell: CellKey;
  readonly rows: readonly number[];
  /** All when absent. */
  readonly candidate?: number;
}

/** All rows open. */
export function openRows({ tables }: Selectable): Projected {
  return Object.fromEntries(Object.entries(tables).map(([key, { edges }]) => [key, edges.map(() => 'open' as const)]));
}

/** With one row decided. */
export function withRow(projected: Projected, cell: CellKey, row: number, state: RowState): Projected {
  return { ...projected, [cell]: projected[cell].map((old, index) => (index === row ? state : old)) };
}

/** The mixing weights that the network sees: those that follow from alpha in open rows, 1 or 0 in others. */
export function projectedRows({ tables }: Selectable, projected: Projected, mixing: RowsByTable): RowsByTable {
  const rows = Object.entries(tables).map(([key, { name }]) => {
    const seen = mixing[name].map((weights, row) => rowOf(projected[key][row], weights));
    return [name, seen] as const;
  });
  return Object.fromEntries(rows);
}

function rowOf(state: RowState, weights: readonly number[]): number[] {
  if (state === 'open') return [...weights];
  return weights.map((_, candidate) => (candidate === state ? 1 : 0));
}

/** The rows that do not follow from alpha; with a mask those of its rows as well, `mixing` telling what else they hold. */
export function givenRows(selectable: Selectable, projected: Projected, mixing: RowsByTable, mask?: Mask): GivenRows {
  const seen = projectedRows(selectable, projected, mixing);
  const tables = Object.entries(selectable.tables).map(([key, { name }]) => {
    const isMasked = (row: number) => mask?.cell === key && mask.rows.includes(row);
    const given = seen[name].map((weights, row) => {
      if (isMasked(row)) return Float32Array.from(weights, (weight, k) => (k === (mask?.candidate ?? k) ? 0 : weight));
      return projected[key][row] === 'open' ? undefined : Float32Array.from(weights);
    });
    return [name, given] as const;
  });
  // A table none of whose rows is given is left out.
  return Object.fromEntries(tables.filter(([, rows]) => rows.some((row) => row !== undefined)));
}

/**
 * A genotype without the edges whose decision was none, which have come into it with their next best operation: a node keeps them only where
 * nothing else is left of it.
 */
export function withoutNone({ tables }: Selectable, projected: Projected, genotype: Genotype): Genotype {
  return mapCells(genotype, ({ nodes, concat }, key) => {
    const { edges } = tables[key];
    const isNone = (node: number, input: number) => {
      const row = edges.findIndex((edge) => edge.node === node && edge.input === input);
      const state = projected[key][row];
      return typeof state === 'number' && edges[row].candidates[state].name === noneName;
    };
    const kept = nodes.map((entries, node) => {
      const others = entries.filter(({ input }) => !isNone(node, input));
      return others.length > 0 ? others : entries;
    });
    return { nodes: kept, concat };
  });
}
