// NAS-Bench-201 as a table in memory: what a cell comes to, how it stands among all cells and among those that are isomorphic to it.
import { aBoolean, anInteger, check } from '../checks.ts';
import { ArgumentError, FileError, invalid } from '../errors.ts';
import { checkOptionRules, type OptionRules } from '../option_rules.ts';
import { invalidWord } from '../suggest.ts';
import { type BenchmarkColumn, benchmarkColumns } from './columns.ts';
import { isConnected, isomorphismClasses } from './isomorphism.ts';
import { readTable, type TableRows } from './read_table.ts';
import type { Structure } from './structure.ts';
import { indexOfCell, structureAt, structureCount, structureTexts } from './structure_index.ts';

/** An accuracy of a cell. */
export interface BenchmarkAccuracy extends BenchmarkColumn {
  /** In percent. */
  readonly accuracy: number;
  /** From 1 for the highest; cells of the same accuracy share a rank. */
  readonly rank: number;
  /** Cells that are ranked: all whose accuracy the table has. */
  readonly of: number;
  /** The same among the cells that are isomorphic, this one included: one network by other names, trained from other seeds. */
  readonly isomorphic: {
    readonly rank: number;
    readonly of: number;
    readonly lowest: number;
    readonly highest: number;
  };
}

/** What a table knows of a cell. */
export interface BenchmarkCell {
  readonly index: number;
  /** Its string. */
  readonly structure: string;
  /** Whether its output hangs on its input. */
  readonly connected: boolean;
  readonly accuracies: readonly BenchmarkAccuracy[];
  /** Indices of the other cells of its class. */
  readonly isomorphic: readonly number[];
  /** Columns that the benchmark has and the table has not. */
  readonly unanswered: readonly string[];
}

/** A cell by an accuracy. */
export interface TopCell {
  readonly index: number;
  readonly structure: string;
  /** In percent. */
  readonly accuracy: number;
}

/** A table that was read. */
export interface NasBench201 {
  readonly path: string;
  /** What it answers. */
  readonly columns: readonly BenchmarkColumn[];
  /** What the benchmark has beside that. */
  readonly unanswered: readonly BenchmarkColumn[];
  /** Rows: 15,625 unless it may be incomplete. */
  readonly cells: number;
  /** All about a cell: its structure, string or index. Throws ArgumentError; FileError where the table has no row of it. */
  query(cell: Structure | string | number): BenchmarkCell;
  /** One accuracy in percent, by name of column; undefined where the table has none. Throws ArgumentError. */
  accuracy(cell: Structure | string | number, column: string): number | undefined;
  /** The cells of the highest accuracies, best first, equal ones by index. Throws ArgumentError. */
  top(column: string, count: number): readonly TopCell[];
}

/** What a table may lack. */
export interface NasBenchOptions {
  /** Cells without a row; when absent the table must have all. */
  readonly incomplete?: boolean;
}

const rules: OptionRules<NasBenchOptions> = { incomplete: aBoolean };

/** Opens a table of NAS-Bench-201: docs/nasbench201.md has its columns. Throws FileError that names the line. */
export async function openNasBench201(path: string, options: NasBenchOptions = {}): Promise<NasBench201> {
  if (typeof path !== 'string' || path === '') throw invalid('the path of a table', 'a text', path);
  checkOptionRules('openNasBench201', options, rules);
  return new Table(path, await readTable(path, options));
}

/** A column with its accuracies in ascending order, in which a rank is found. */
interface RankedColumn {
  readonly column: BenchmarkColumn;
  readonly accuracies: Float64Array;
  readonly sorted: Float64Array;
}

class Table implements NasBench201 {
  readonly path: string;
  readonly columns: readonly BenchmarkColumn[];
  readonly unanswered: readonly BenchmarkColumn[];
  readonly cells: number;
  readonly #ranked: readonly RankedColumn[];
  readonly #present: Uint8Array;
  readonly #members: readonly (readonly number[])[];

  constructor(path: string, { columns, accuracies, present, rows }: TableRows) {
    this.path = path;
    this.columns = columns.map(({ name, epochs, set, split }) => ({ name, epochs, set, split }));
    this.unanswered = benchmarkColumns.filter(({ name }) => !columns.some((column) => column.name === name));
    this.cells = rows;
    this.#present = present;
    this.#ranked = this.columns.map((column, i) => {
      const known = accuracies[i].filter((accuracy) => !Number.isNaN(accuracy));
      return { column, accuracies: accuracies[i], sorted: known.sort() };
    });
    this.#members = membersOf(present);
  }

  query(cell: Structure | string | number): BenchmarkCell {
    const index = this.#indexOf(cell);
    const members = this.#members[isomorphismClasses()[index]];
    const known = this.#ranked.filter(({ accuracies }) => !Number.isNaN(accuracies[index]));
    const unknown = this.#ranked.filter(({ accuracies }) => Number.isNaN(accuracies[index]));
    return {
      index,
      structure: structureTexts()[index],
      connected: isConnected(structureAt(index)),
      accuracies: known.map((ranked) => accuracyOf(index, ranked, members)),
      isomorphic: members.filter((member) => member !== index),
      unanswered: [...this.unanswered, ...unknown.map(({ column }) => column)].map(({ name }) => name),
    };
  }

  accuracy(cell: Structure | string | number, column: string): number | undefined {
    const known = benchmarkColumns.map(({ name }) => name);
    if (!known.includes(column)) throw invalidWord('column', known, column);
    const accuracy = this.#ranked.find((ranked) => ranked.column.name === column)?.accuracies[this.#indexOf(cell)];
    return accuracy === undefined || Number.isNaN(accuracy) ? undefined : accuracy;
  }

  top(column: string, count: number): readonly TopCell[] {
    const { accuracies } = this.#named(column);
    check('count', count, anInteger(1));
    const known = Array.from(accuracies.keys()).filter((index) => !Number.isNaN(accuracies[index]));
    const order = known.sort((a, b) => accuracies[b] - accuracies[a] || a - b).slice(0, count);
    return order.map((index) => {
      return { index, structure: structureTexts()[index], accuracy: accuracies[index] };
    });
  }

  #indexOf(cell: Structure | string | number): number {
    const index = indexOfCell(cell);
    if (this.#present[index] === 1) return index;
    throw new FileError(`${this.path} has no row of cell ${index}, ${structureTexts()[index]}`);
  }

  #named(column: string): RankedColumn {
    const found = this.#ranked.find((ranked) => ranked.column.name === column);
    if (found !== undefined) return found;
    const names = this.columns.map(({ name }) => name);
    if (!this.unanswered.some(({ name }) => name === column)) throw invalidWord('column', names, column);
    throw new ArgumentError(`${this.path} has no column ${column}: it has ${names.join(', ')}`);
  }
}

/** The cells that have rows by class. */
function membersOf(present: Uint8Array): number[][] {
  const members: number[][] = [];
  const classes = isomorphismClasses();
  for (let index = 0; index < structureCount; index++) {
    members[classes[index]] ??= [];
    if (present[index] === 1) members[classes[index]].push(index);
  }
  return members;
}

function accuracyOf(
  index: number,
  { column, accuracies, sorted }: RankedColumn,
  members: readonly number[],
): BenchmarkAccuracy {
  const accuracy = accuracies[index];
  return {
    ...column,
    accuracy,
    rank: 1 + sorted.length - firstAbove(sorted, accuracy),
    of: sorted.length,
    isomorphic: amongAlike(accuracy, accuracies, members),
  };
}

/** One pass: a class may have hundreds of members. */
function amongAlike(
  accuracy: number,
  accuracies: Float64Array,
  members: readonly number[],
): BenchmarkAccuracy['isomorphic'] {
  let [rank, of, lowest, highest] = [1, 0, accuracy, accuracy];
  for (const member of members) {
    const other = accuracies[member];
    if (Number.isNaN(other)) continue;
    of++;
    if (other > accuracy) rank++;
    lowest = Math.min(lowest, other);
    highest = Math.max(highest, other);
  }
  return { rank, of, lowest, highest };
}

/** The position of the first number above `limit` in ascending numbers. */
function firstAbove(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}
