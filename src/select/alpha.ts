import type { Parameters } from '../backend/parameters.ts';
import { mixingWeights } from '../network/mixing.ts';
import type { AlphaTable, Supernet } from '../network/supernet.ts';

/** Numbers by the name of a table of architecture parameters, one row an edge, one number a candidate. */
export type RowsByTable = Readonly<Record<string, readonly (readonly number[])[]>>;

/** Values of the tables of architecture parameters by name, their rows one after another. */
type Values = Readonly<Record<string, Float32Array>>;

/** The supernet's architecture parameters as they stand, and the mixing weights that follow. */
export async function readAlpha(
  supernet: Supernet,
  parameters: Parameters,
): Promise<{ readonly alpha: RowsByTable; readonly mixing: RowsByTable }> {
  const values: Record<string, Float32Array> = {};
  for (const { name } of Object.values(supernet.tables)) values[name] = (await parameters.get(name)).data;
  const alpha = byTable(supernet, ({ name, rowLengths }) => {
    let offset = 0;
    return rowLengths.map((length) => {
      offset += length;
      return [...values[name].subarray(offset - length, offset)];
    });
  });
  return { alpha, mixing: mixingByTable(supernet, values) };
}

/** The mixing weights that follow from values of architecture parameters. */
export function mixingByTable(supernet: Supernet, values: Values): RowsByTable {
  const { activation } = supernet.space;
  return byTable(supernet, ({ name, rowLengths }) => mixingWeights(values[name], rowLengths, activation));
}

/** The same from rows. */
export function mixingOfRows(supernet: Supernet, alpha: RowsByTable): RowsByTable {
  const values = Object.entries(alpha).map(([name, rows]) => [name, Float32Array.from(rows.flat())]);
  return mixingByTable(supernet, Object.fromEntries(values));
}

function byTable({ tables }: Supernet, rowsOf: (table: AlphaTable) => number[][]): RowsByTable {
  return Object.fromEntries(Object.values(tables).map((table) => [table.name, rowsOf(table)]));
}
