import { check, checkRecord, finite, listOfLength } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { Genotype, GenotypeCell, GenotypeEdge } from '../genotype/genotype.ts';
import type { AlphaTable, Supernet } from '../network/supernet.ts';
import { noneName } from '../operation/operations.ts';
import type { ResolvedEdge } from '../space/space.ts';
import type { RowsByTable } from './alpha.ts';

/** A cell keeps this many edges into each node. */
const keptEdges = 2;

/**
 * The genotype that mixing weights stand for (arXiv:1806.09055, section 2.4): each node keeps the two edges with the largest
 * weight of a candidate other than `none`, strongest first, and that candidate on each; ties go to the lower index.
 * `mixing` holds by table name one row an edge. Throws ArgumentError for rows that do not fit.
 */
export function genotypeOf(supernet: Pick<Supernet, 'space' | 'tables'>, mixing: RowsByTable): Genotype {
  checkRecord('supernet', supernet, 'space and tables');
  checkRecord('mixing', mixing, 'rows by table');
  const { space, tables } = supernet;
  checkRecord('supernet.space', space, 'nodes');
  checkRecord('supernet.tables', tables, 'normal and reduce');
  for (const type of ['normal', 'reduce'] as const) {
    checkRecord(`supernet.tables.${type}`, tables[type], 'name, rowLengths and edges');
  }
  const cell = (table: AlphaTable): GenotypeCell => {
    const rows = mixing[table.name];
    checkMixing(table, rows);
    const nodes = Array.from({ length: space.nodes }, (_, node) =>
      table.edges
        .filter((edge) => edge.node === node)
        .map((edge) => strongestCandidate(edge, rows[edge.row]))
        .sort((a, b) => b.weight - a.weight)
        .slice(0, keptEdges)
        .map(({ edge }) => edge),
    );
    return { nodes, concat: nodes.map((_, node) => node + 2) };
  };
  return { normal: cell(tables.normal), reduce: cell(tables.reduce) };
}

function strongestCandidate(
  { candidates, input }: ResolvedEdge,
  weights: readonly number[],
): { edge: GenotypeEdge; weight: number } {
  let best = -1;
  candidates.forEach(({ name }, index) => {
    if (name !== noneName && (best < 0 || weights[index] > weights[best])) best = index;
  });
  return { edge: { operation: candidates[best].name, input }, weight: weights[best] };
}

function checkMixing({ name, rowLengths }: AlphaTable, rows: readonly (readonly number[])[] | undefined): void {
  if (!Array.isArray(rows) || rows.length !== rowLengths.length) {
    throw invalid(`mixing.${name}`, `${rowLengths.length} rows, one an edge`, rows);
  }
  for (const [index, row] of rows.entries()) {
    const length = rowLengths[index];
    check(`mixing.${name}[${index}]`, row, listOfLength(length, finite, `${length} finite numbers, one a candidate`));
  }
}
