// What rules of selection choose from: the candidates of every edge with their mixing weights.
import { check, checkRecord, finite, listOfLength } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { CellKey } from '../genotype/genotype.ts';
import { noneName } from '../operation/operations.ts';
import type { RowsByTable } from './alpha.ts';

/** One table of mixing weights as selection sees it: the place of each row and the names of its candidates. */
export interface SelectableTable {
  readonly name: string;
  readonly rowLengths: readonly number[];
  readonly edges: readonly {
    /** From 0. */
    readonly node: number;
    /** Index of the state that the edge reads. */
    readonly input: number;
    readonly row: number;
    readonly candidates: readonly { readonly name: string }[];
  }[];
}

/** What a genotype is selected from; every supernet is one. */
export interface Selectable {
  readonly space: { readonly nodes: number };
  /** By kind of cell, or by place in the network where cells of a type do not share alpha. */
  readonly tables: Readonly<Record<CellKey, SelectableTable>>;
}

/** A candidate that a genotype may take, on its edge. */
export interface WeightedCandidate {
  readonly operation: string;
  readonly input: number;
  /** Its mixing weight, a float32 number. */
  readonly weight: number;
}

/** By node, by edge of that node, by candidate of that edge, all in the order of their indices. */
export type WeightedCell = readonly (readonly (readonly WeightedCandidate[])[])[];

/**
 * The candidates of every cell, or cell type, with their mixing weights, rounded to float32 as the published code has them: so ties and comparisons
 * are its own; `none` is left out unless it is to be among them. `mixing` holds by table name one row an edge. Throws ArgumentError for rows
 * that do not fit.
 */
export function weightedCells(
  supernet: Selectable,
  mixing: RowsByTable,
  withNone = false,
): Readonly<Record<CellKey, WeightedCell>> {
  checkRecord('supernet', supernet, 'space and tables');
  checkRecord('mixing', mixing, 'rows by table');
  const { space, tables } = supernet;
  checkRecord('supernet.space', space, 'nodes');
  checkRecord('supernet.tables', tables, 'a table for each cell type, or for each cell,');
  const cells = Object.entries(tables).map(([key, table]) => {
    checkRecord(`supernet.tables.${key}`, table, 'name, rowLengths and edges');
    return [key, weightedCell(table, mixing[table.name], space.nodes, withNone)] as const;
  });
  return Object.fromEntries(cells);
}

function weightedCell(
  table: SelectableTable,
  rows: RowsByTable[string] | undefined,
  nodes: number,
  withNone: boolean,
): WeightedCell {
  const checked = checkedRows(table, rows);
  const candidatesOf = ({ input, row, candidates }: SelectableTable['edges'][number]) => {
    const weighted = candidates
      .map(({ name }, index) => ({ operation: name, input, weight: Math.fround(checked[row][index]) }))
      .filter(({ operation }) => withNone || operation !== noneName);
    if (weighted.length > 0) return weighted;
    throw invalid(`the candidates of row ${row} of ${table.name}`, `one at least other than ${noneName}`, candidates);
  };
  return Array.from({ length: nodes }, (_, node) => table.edges.filter((edge) => edge.node === node).map(candidatesOf));
}

function checkedRows({ name, rowLengths }: SelectableTable, rows: RowsByTable[string] | undefined) {
  if (!Array.isArray(rows) || rows.length !== rowLengths.length) {
    throw invalid(`mixing.${name}`, `${rowLengths.length} rows, one an edge`, rows);
  }
  for (const [index, row] of rows.entries()) {
    const length = rowLengths[index];
    check(`mixing.${name}[${index}]`, row, listOfLength(length, finite, `${length} finite numbers, one a candidate`));
  }
  return rows as RowsByTable[string];
}
