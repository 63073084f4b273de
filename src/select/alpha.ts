import type { Parameters } from '../backend/parameters.ts';
import { mixingWeights, weighedByNode } from '../network/mixing.ts';
import type { AlphaTable, Supernet } from '../network/supernet.ts';

/** Numbers by the name of a table of architecture parameters, one row an edge, one number a candidate. */
export type RowsByTable = Readonly<Record<string, readonly (readonly number[])[]>>;

/** Values of the tables of architecture parameters by name, their rows one after another. */
type Values = Readonly<Record<string, Float32Array>>;

/**
 * The supernet's architecture parameters as they stand, and the mixing weights that follow: what an edge's candidates count in its node, where
 * that learns how much each edge does.
 */
export async function readAlpha(
  supernet: Supernet,
  parameters: Parameters,
): Promise<{ readonly alpha: RowsByTable; readonly mixing: RowsByTable }> {
  const values: Record<string, Float32Array> = {};
  const alpha: Record<string, number[][]> = {};
  for (const table of Object.values(supernet.tables)) {
    for (const name of [table.name, ...(table.betas === undefined ? [] : [table.betas])]) {
      values[name] = (await parameters.get(name)).data;
      alpha[name] = rowsOf(values[name], parameters.map.places.get(name)?.spec.rowLengths ?? []);
    }
  }
  return { alpha, mixing: mixingByTable(supernet, values) };
}

function rowsOf(values: Float32Array, rowLengths: readonly number[]): number[][] {
  let offset = 0;
  return rowLengths.map((length) => {
    offset += length;
    return [...values.subarray(offset - length, offset)];
  });
}

/** The mixing weights that follow from values of architecture parameters. */
export function mixingByTable(supernet: Supernet, values: Values): RowsByTable {
  const { activation } = supernet.space;
  return byTable(supernet, ({ name, rowLengths, betas, edges }) => {
    const mixing = mixingWeights(values[name], rowLengths, activation);
    return betas === undefined ? mixing : weighedByNode(mixing, values[betas], edges);
  });
}

/** The same from rows. */
export function mixingOfRows(supernet: Supernet, alpha: RowsByTable): RowsByTable {
  const values = Object.entries(alpha).map(([name, rows]) => [name, Float32Array.from(rows.flat())]);
  return mixingByTable(supernet, Object.fromEntries(values));
}

function byTable({ tables }: Supernet, rowsOf: (table: AlphaTable) => number[][]): RowsByTable {
  return Object.fromEntries(Object.values(tables).map((table) => [table.name, rowsOf(table)]));
}
