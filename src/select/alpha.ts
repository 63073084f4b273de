import type { Parameters } from '../backend/parameters.ts';
import { mixingWeights } from '../network/mixing.ts';
import type { Supernet } from '../network/supernet.ts';

/** Numbers by the name of a table of architecture parameters, one row an edge, one number a candidate. */
export type RowsByTable = Readonly<Record<string, readonly (readonly number[])[]>>;

/** The supernet's architecture parameters as they stand, and the mixing weights that follow. */
export async function readAlpha(
  { tables, space }: Supernet,
  parameters: Parameters,
): Promise<{ readonly alpha: RowsByTable; readonly mixing: RowsByTable }> {
  const alpha: Record<string, number[][]> = {};
  const mixing: Record<string, number[][]> = {};
  for (const { name, rowLengths } of Object.values(tables)) {
    const { data } = await parameters.get(name);
    alpha[name] = rowsOf(data, rowLengths);
    mixing[name] = mixingWeights(data, rowLengths, space.activation);
  }
  return { alpha, mixing };
}

function rowsOf(data: Float32Array, lengths: readonly number[]): number[][] {
  let offset = 0;
  return lengths.map((length) => {
    offset += length;
    return [...data.subarray(offset - length, offset)];
  });
}
