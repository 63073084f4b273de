// A table of NAS-Bench-201 in the place of trainings.
import { type BenchmarkAccuracy, type NasBench201, openNasBench201 } from '../benchmark/nas_bench.ts';
import { parseStructure, structureEdges } from '../benchmark/structure.ts';
import { aName, check, listOf } from '../checks.ts';
import { ArgumentError, FileError } from '../errors.ts';
import { oneCell } from '../genotype/genotype.ts';
import { askedColumns, cellOf } from '../run/benchmark_curve.ts';
import type { AlphaLayout } from '../select/layout.ts';
import { meanOf } from '../statistics/sample.ts';
import type { Architecture } from './architectures.ts';
import { searchedLayout } from './drawn.ts';
import type { FoundAccuracy, FoundCell } from './events.ts';
import { type Failure, isFailure } from './failures.ts';
import type { BenchmarkOptions } from './options.ts';
import type { ProtocolPlan } from './plan.ts';
import type { Scored, Scorer } from './scorer.ts';
import type { MeasuredArm, ProtocolMeasure } from './table.ts';

/** Opens the table that answers in a protocol. Throws FileError, and ArgumentError for a column that it has not. */
export async function openCells(
  { table, columns: asked, incomplete }: BenchmarkOptions,
  { among }: ProtocolPlan,
): Promise<Scorer> {
  if (asked !== undefined) check('benchmark.columns', asked, listOf(aName, 'a list of columns'));
  const bench = await openNasBench201(table, { incomplete });
  const columns = askedColumns(bench, asked);
  const validated = columns.find((name) =>
    bench.columns.some((known) => known.name === name && known.split === 'x-valid'),
  );
  if (among !== undefined && validated !== undefined) {
    throw new ArgumentError(
      `picking by validation (--pick-best-by) needs scores on other images than ${validated} tells: name test accuracies (--columns)`,
    );
  }
  // Told before a search begins.
  const validation = among === undefined ? [] : columns.map((column) => validationColumn(bench, column));
  const cells: FoundCell[] = [];
  return {
    ...{ measures: columns.map(measureOfColumn), trainings: 0, cells },
    score: async (place, architecture) => {
      const wanted = [...columns, ...validation];
      const found = lookUp(bench, wanted, place, architecture);
      if (isFailure(found)) return found;
      const { accuracies, ...cell } = found;
      const of = (names: readonly string[]) =>
        Object.fromEntries(names.map((name, i) => [columns[i], accuracies[name].accuracy]));
      cells.push({ ...cell, accuracies: Object.fromEntries(columns.map((column) => [column, accuracies[column]])) });
      return { scores: of(columns), ...(validation.length > 0 && { briefs: of(validation) }) } satisfies Scored;
    },
    whole: async (directory, column) => wholeSpace(bench, column, await searchedLayout(directory)),
  };
}

function measureOfColumn(name: string): ProtocolMeasure {
  return { name, title: name, unit: 'percent', better: 'higher' };
}

/** What a table that lacks cells does not tell has no outcome. Throws FileError for what is no cell of the benchmark. */
function lookUp(
  bench: NasBench201,
  columns: readonly string[],
  place: Pick<FoundCell, 'arm' | 'seed'>,
  { foundIn, genotype }: Architecture,
): FoundCell | Failure {
  const { index, structure } = cellOf(foundIn, genotype);
  const known = knownOf(bench, index);
  const accuracies: Record<string, FoundAccuracy> = {};
  for (const column of columns) {
    const found = known.find(({ name }) => name === column);
    if (found === undefined) {
      return { part: 'benchmark', reason: `${bench.path} has no ${column} of cell ${index}, ${structure}` };
    }
    const { accuracy, rank, of, isomorphic } = found;
    const { of: cells, lowest, highest } = isomorphic;
    accuracies[column] = { accuracy, rank, of, isomorphic: { cells, lowest, highest } };
  }
  return { ...place, index, structure, accuracies };
}

/** None where the table has no row of a cell. */
function knownOf(bench: NasBench201, index: number): readonly BenchmarkAccuracy[] {
  try {
    return bench.query(index).accuracies;
  } catch (error) {
    if (error instanceof FileError) return [];
    throw error;
  }
}

/** The accuracy by which one of several cells is kept: on images to validate on, of the same dataset, after few epochs where there is a choice. */
function validationColumn(bench: NasBench201, column: string): string {
  const [set] = column.split('_');
  const fitting = bench.columns.filter(({ name, split }) => split === 'x-valid' && name.startsWith(`${set}_`));
  const [found] = fitting.toSorted((a, b) => a.epochs - b.epochs);
  if (found !== undefined) return found.name;
  throw new ArgumentError(`${bench.path} has no validation accuracies that go with ${column}: nothing can be picked`);
}

/** All cells of a space: what random ones come to on average, without drawing any. */
function wholeSpace(bench: NasBench201, column: string, { tables }: AlphaLayout): MeasuredArm['whole'] {
  const rows = tables[oneCell]?.rows ?? [];
  const candidates = structureEdges.map(
    ({ node, input }) => rows.find((row) => row.node === node - 1 && row.input === input)?.candidates ?? [],
  );
  const own = bench
    .top(column, bench.cells)
    .filter(({ structure }) => parseStructure(structure).every((name, edge) => candidates[edge].includes(name)))
    .map(({ accuracy }) => accuracy);
  const n = own.length;
  if (n === 0) return undefined;
  const mean = meanOf(own);
  const variance = own.reduce((sum, accuracy) => sum + (accuracy - mean) ** 2, 0) / n;
  return { n, mean, deviation: Math.sqrt(variance) };
}
