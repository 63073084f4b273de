// Tables of the benchmark: CSV with a row a cell, columns found by the names in its first line. Every row is checked, since a table that
// was edited or cut would give wrong answers without a word.
import { readFile, stat } from 'node:fs/promises';
import { describe } from '../describe.ts';
import { FileError } from '../errors.ts';
import { fileError } from '../io/file_error.ts';
import { inSlices, type Steps } from '../slices.ts';
import { type BenchmarkColumn, benchmarkColumns, cellColumns } from './columns.ts';
import { parseStructure } from './structure.ts';
import { structureCount, structureIndex, structureTexts } from './structure_index.ts';

/** What a table's file holds. */
export interface TableRows {
  /** Those that the file has, in the order of all columns. */
  readonly columns: readonly BenchmarkColumn[];
  /** Accuracies in percent by column and by index of cell; NaN where the file has none. */
  readonly accuracies: readonly Float64Array[];
  /** 1 for each cell that has a row. */
  readonly present: Uint8Array;
  readonly rows: number;
}

/** The whole benchmark with all columns takes 7 MB. */
const mostBytes = 2 ** 26;
const rowsOfStep = 64;

/** Reads a table. Throws FileError that names the line; also for a cell without a row, unless it may be `incomplete`. */
export async function readTable(path: string, { incomplete = false } = {}): Promise<TableRows> {
  const lines = (await readText(path)).replace(/^\uFEFF/, '').split(/\r?\n/);
  if (lines[lines.length - 1] === '') lines.pop();
  const table = await inSlices(parseRows(path, lines));
  if (table.rows < structureCount && !incomplete) {
    const missing = table.present.indexOf(0);
    throw new FileError(
      `${path} holds ${table.rows} of ${structureCount} cells: cell ${missing}, ${structureTexts()[missing]}, is the first without a row`,
    );
  }
  return table;
}

async function readText(path: string): Promise<string> {
  try {
    const status = await stat(path);
    // Reading a pipe or a device might never end.
    if (!status.isFile()) throw new FileError(`cannot read ${path}: it is no regular file`);
    if (status.size > mostBytes)
      throw new FileError(`${path} is no table of NAS-Bench-201: it has ${status.size} bytes`);
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** Where the columns of a file lie. */
interface Header {
  readonly fields: number;
  readonly index: number;
  readonly text: number;
  readonly columns: readonly (BenchmarkColumn & { readonly at: number })[];
}

function* parseRows(path: string, lines: readonly string[]): Steps<TableRows> {
  const header = parseHeader(path, lines[0] ?? '');
  const { columns } = header;
  const texts = structureTexts();
  const accuracies = columns.map(() => new Float64Array(structureCount).fill(Number.NaN));
  const present = new Uint8Array(structureCount);
  for (let line = 1; line < lines.length; line++) {
    if (line % rowsOfStep === 0) yield;
    const fields = lines[line].split(',');
    const fault = (message: string) => new FileError(`${path}: line ${line + 1}: ${message}`);
    if (fields.length !== header.fields) throw fault(`expected ${header.fields} fields but found ${fields.length}`);
    const index = parseCell(fields[header.index], fields[header.text], texts, fault);
    if (present[index] === 1) throw fault(`cell ${index} has a row before`);
    present[index] = 1;
    for (const [i, { at, name }] of columns.entries()) accuracies[i][index] = parseAccuracy(fields[at], name, fault);
  }
  return { columns, accuracies, present, rows: lines.length - 1 };
}

function parseHeader(path: string, line: string): Header {
  const fields = line.split(',').map((field) => field.trim());
  const fault = (message: string) => new FileError(`${path}: line 1: ${message}`);
  const twice = fields.find((field, i) => fields.indexOf(field) !== i);
  if (twice !== undefined) throw fault(`the column ${describe(twice)} is there twice`);
  const [index, text] = cellColumns.map((name) => {
    const at = fields.indexOf(name);
    if (at < 0) throw fault(`expected a column ${name}`);
    return at;
  });
  const columns = benchmarkColumns.flatMap((column) => {
    const at = fields.indexOf(column.name);
    return at < 0 ? [] : [{ ...column, at }];
  });
  if (columns.length === 0) throw fault(`expected accuracies, such as ${benchmarkColumns[0].name}`);
  return { fields: fields.length, index, text, columns };
}

type Fault = (message: string) => FileError;

/** The index of a row's cell: the one in the file must be that of the string beside it. */
function parseCell(number: string, text: string, texts: readonly string[], fault: Fault): number {
  const index = /^\d{1,5}$/.test(number) ? Number(number) : Number.NaN;
  if (texts[index] === text) return index;
  if (!(index < structureCount)) {
    throw fault(`expected an index from 0 to ${structureCount - 1} but found ${describe(number)}`);
  }
  const own = cellOf(text, fault);
  throw fault(`expected index ${own} of ${texts[own]} but found ${index}`);
}

function cellOf(text: string, fault: Fault): number {
  try {
    return structureIndex(parseStructure(text));
  } catch (error) {
    throw fault((error as Error).message);
  }
}

/** An empty field is an accuracy that is not known. */
function parseAccuracy(text: string, column: string, fault: Fault): number {
  if (text === '') return Number.NaN;
  const accuracy = /^\d+(\.\d*)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (accuracy >= 0 && accuracy <= 100) return accuracy;
  throw fault(`expected a number from 0 to 100 for ${column} but found ${describe(text)}`);
}
