// What a benchmark says of the cell that a search stands at, epoch by epoch: read from the journal alone.
import { benchmarkColumns } from '../benchmark/columns.ts';
import type { NasBench201 } from '../benchmark/nas_bench.ts';
import { indexOfCell } from '../benchmark/structure_index.ts';
import { check, checkOptional, checkOptions, checkRecord, listOf, oneOf } from '../checks.ts';
import { ArgumentError, FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { formatGenotype } from '../genotype/text.ts';
import { text } from '../option_rules.ts';
import type { DrawnBenchmarkCurve } from '../report/draw_benchmark.ts';
import { runNames } from './config.ts';
import { readRun } from './directory.ts';
import { readJournal } from './journal.ts';

/** Options of {@link benchmarkCurve}. */
export interface BenchmarkCurveOptions {
  /** Columns of the table; when absent its test accuracies after 200 epochs, or else its first one. */
  readonly columns?: readonly string[];
}

/** Where a run stood. */
export interface BenchmarkPoint {
  /** In which weights learnt, those of the search that a selection goes on with among them. */
  readonly epochs: number;
  readonly index: number;
  readonly structure: string;
  /** In percent, by column. */
  readonly accuracies: Readonly<Record<string, number>>;
}

/** What {@link benchmarkCurve} gives. */
export interface BenchmarkCurve extends DrawnBenchmarkCurve {
  readonly run: string;
  readonly points: readonly BenchmarkPoint[];
}

const usualColumns = ['cifar10_test', 'cifar100_test', 'imagenet16_test'];
const columnNames = benchmarkColumns.map(({ name }) => name);

/**
 * The accuracies that a table of NAS-Bench-201 has for the genotype of each epoch of a search or of a selection in that space, also while it
 * goes on. Throws ArgumentError for a column that the table has not, FileError for a run of another space and for a cell that the table lacks.
 */
export async function benchmarkCurve(
  run: string,
  bench: NasBench201,
  options: BenchmarkCurveOptions = {},
): Promise<BenchmarkCurve> {
  check('run', run, text('a run directory'));
  checkRecord('bench', bench, 'a table as openNasBench201 gives it');
  checkOptions('options', options, ['columns']);
  checkOptional('columns', options.columns, listOf(oneOf(columnNames), `a list of ${columnNames.join(', ')}`));
  const columns = askedColumns(bench, options.columns);
  const { config } = await readRun(run);
  if (config.command === 'train') {
    throw new FileError(`${run} holds a ${runNames.train}, which has one genotype: expected a search or a selection`);
  }
  const points: BenchmarkPoint[] = [];
  let epochs = config.source?.at.epoch ?? 0;
  let isDecision = false;
  for await (const record of readJournal(run)) {
    // Weights do not learn while a selection decides.
    if (record.type === 'decision') isDecision = config.command === 'select';
    if (record.type !== 'genotype') continue;
    if (!isDecision) epochs++;
    isDecision = false;
    points.push({ epochs, ...pointOf(run, bench, record.genotype, columns) });
  }
  if (points.length === 0) throw new FileError(`${run} tells of no genotype yet: let it come to the end of an epoch`);
  const best = columns.map((column) => [column, bench.top(column, 1)[0]?.accuracy] as const);
  return { run, columns, best: Object.fromEntries(best), points };
}

/** The columns of a table that are asked for, or else the usual ones. Throws ArgumentError for one that the table has not. */
export function askedColumns(bench: NasBench201, wanted: readonly string[] | undefined): readonly string[] {
  const known = bench.columns.map(({ name }) => name);
  const missing = wanted?.find((name) => !known.includes(name));
  if (missing !== undefined) {
    throw new ArgumentError(`${bench.path} has no column ${missing}: it has ${known.join(', ')}`);
  }
  if (wanted !== undefined && wanted.length > 0) return wanted;
  const usual = usualColumns.filter((name) => known.includes(name));
  return usual.length > 0 ? usual : known.slice(0, 1);
}

function pointOf(
  run: string,
  bench: NasBench201,
  genotype: Genotype,
  columns: readonly string[],
): Omit<BenchmarkPoint, 'epochs'> {
  const { structure, index } = cellOf(run, genotype);
  const accuracies = columns.map((column) => {
    const accuracy = bench.accuracy(index, column);
    if (accuracy !== undefined) return [column, accuracy] as const;
    throw new FileError(`${bench.path} has no ${column} of cell ${index}, ${structure}`);
  });
  return { index, structure, accuracies: Object.fromEntries(accuracies) };
}

/** The cell that a run came to. Throws FileError for a genotype of another space. */
export function cellOf(run: string, genotype: Genotype): Pick<BenchmarkPoint, 'structure' | 'index'> {
  try {
    const structure = formatGenotype(genotype, 'nasbench201');
    return { structure, index: indexOfCell(structure) };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FileError(`${run} came to what is no cell of NAS-Bench-201: ${error.message}`, { cause: error });
  }
}
