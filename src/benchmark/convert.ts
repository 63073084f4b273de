// A table of NAS-Bench-201 made of the archive that its authors publish as part of NATS-Bench.
import { aBoolean, aFunction, aSignal } from '../checks.ts';
import { FileError, throwIfAborted } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { checkOptionRules, type OptionRules, required, text } from '../option_rules.ts';
import { readCell, readMeta } from './archive_cell.ts';
import { type Archive, openArchive } from './archive_files.ts';
import { benchmarkColumns, cellColumns } from './columns.ts';
import { structureCount, structureTexts } from './structure_index.ts';

/** What {@link convertNatsBench} takes. */
export interface ConvertOptions {
  /** `NATS-tss-v1_0-3ffb9-simple`: the folder, or a tar of it. */
  readonly archive: string;
  /** The table to write. */
  readonly out: string;
  /** Take an archive that lacks cells; when absent it must have all. */
  readonly incomplete?: boolean;
  readonly signal?: AbortSignal;
  /** Called after each cell. */
  readonly onProgress?: (done: number, cells: number) => void;
}

/** A table that was made. */
export interface ConvertedTable {
  readonly out: string;
  readonly cells: number;
  readonly columns: readonly string[];
  /** Cells without an accuracy, by the columns that lack some. */
  readonly gaps: Readonly<Record<string, number>>;
}

const rules: OptionRules<ConvertOptions> = {
  archive: required(text('a folder or a tar')),
  out: required(text('the path of a table')),
  incomplete: aBoolean,
  signal: aSignal,
  onProgress: aFunction,
};

/** An accuracy to a millionth of a percent, which tells means over three seeds of 10,000 images apart. */
const decimals = 6;

/**
 * Reads every cell of an archive and writes a table of all that it has: accuracies after 12 and 200 epochs, of training images too, as
 * means over its seeds. Throws ArgumentError, FileError that names the file, AbortedError; a table that is there stays until the new one
 * is whole.
 */
export async function convertNatsBench(options: ConvertOptions): Promise<ConvertedTable> {
  checkOptionRules('convertNatsBench', options, rules);
  const archive = await openArchive(options.archive);
  try {
    const texts = structureTexts();
    await checkArchive(archive, texts, options);
    return await writeTable(options.out, texts, await readCells(archive, texts, options));
  } finally {
    await archive.close();
  }
}

/** Before the work, which takes minutes. */
async function checkArchive(
  { cells, meta }: Archive,
  texts: readonly string[],
  { archive, incomplete = false }: ConvertOptions,
): Promise<void> {
  if (cells.size < structureCount && !incomplete) {
    const missing = texts.findIndex((_, index) => !cells.has(index));
    throw new FileError(
      `${archive} holds ${cells.size} of ${structureCount} cells: the first without a file is ${missing}`,
    );
  }
  if (meta === undefined) return;
  const listed = await readMeta(meta);
  const other = texts.findIndex((structure, index) => listed[index] !== structure);
  if (other >= 0)
    throw new FileError(`${meta.place}: expected ${texts[other]} as cell ${other}, as in the topology space`);
}

async function readCells(
  { cells }: Archive,
  texts: readonly string[],
  { signal, onProgress }: ConvertOptions,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const accuracies = new Map<number, readonly number[]>();
  for (const index of [...cells.keys()].sort((a, b) => a - b)) {
    throwIfAborted(signal);
    accuracies.set(index, await readCell(cells.get(index)!, index, texts[index]));
    onProgress?.(accuracies.size, cells.size);
  }
  return accuracies;
}

/** Writes the columns of which anything is known. */
async function writeTable(
  out: string,
  texts: readonly string[],
  cells: ReadonlyMap<number, readonly number[]>,
): Promise<ConvertedTable> {
  const counts = benchmarkColumns.map((_, i) => [...cells.values()].filter((row) => !Number.isNaN(row[i])).length);
  const columns = benchmarkColumns.flatMap(({ name }, i) => (counts[i] > 0 ? [{ name, i }] : []));
  if (columns.length === 0) throw new FileError(`no cell of the archive has an accuracy: ${out} was not written`);
  const rows = [...cells].map(([index, row]) => [index, texts[index], ...columns.map(({ i }) => field(row[i]))]);
  const lines = [[...cellColumns, ...columns.map(({ name }) => name)], ...rows].map(
    (fields) => `${fields.join(',')}\n`,
  );
  await writeFileAtomic(out, lines.join(''));
  const lacking = columns.filter(({ i }) => counts[i] < cells.size);
  const gaps = Object.fromEntries(lacking.map(({ name, i }) => [name, cells.size - counts[i]]));
  return { out, cells: cells.size, columns: columns.map(({ name }) => name), gaps };
}

function field(accuracy: number): string {
  return Number.isNaN(accuracy) ? '' : String(Number(accuracy.toFixed(decimals)));
}
