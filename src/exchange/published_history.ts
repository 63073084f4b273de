// What a search of FairDARTS' published code leaves (arXiv:1911.12126): mixing weights by epoch as JSON, the last ones as .npy, and
// alpha in its checkpoint.
import { mkdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { aName, check } from '../checks.ts';
import { ArgumentError, FileError, invalid } from '../errors.ts';
import { type CellType, cellTypes } from '../genotype/genotype.ts';
import type { MixingActivation } from '../graph/graph.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { exists, fileError } from '../io/file_error.ts';
import { formatNpy, parseNpy } from '../io/npy.ts';
import { noneName } from '../operation/operations.ts';
import { activationOf, checkHistory, type HistoryEntry, type MixingHistory } from '../select/history.ts';
import { type AlphaLayout, isLayout, mixingOf } from '../select/layout.ts';
import { spaces } from '../space/space.ts';
import { alphaNames, rowsOf } from './alphas.ts';
import { type EdgeLists, formatEdgeLists, parseEdgeLists } from './edge_lists.ts';
import { readBytes } from './open_tensors.ts';
import { readSearchCheckpoint } from './search_checkpoint.ts';

/** What such files do not say. */
export interface PublishedHistoryOptions {
  /** Names of the candidates of every edge, in the order of the columns; when absent those of FairDARTS or, of 8 columns, of DARTS. */
  readonly candidates?: readonly string[];
  /**
   * How alpha of a checkpoint became mixing weights; when absent what its history tells or, without one, softmax where `none` is among
   * the candidates.
   */
  readonly activation?: MixingActivation;
}

type Rows = readonly (readonly number[])[];
type RowsByCell = Readonly<Record<CellType, Rows>>;

const tableNames = { normal: alphaNames[0], reduce: alphaNames[1] } as const;

const historyName = 'history_weight.json';

/** The paths of a folder's files. */
function filesOf(folder: string) {
  return {
    weights: { normal: join(folder, 'normal_weight.npy'), reduce: join(folder, 'reduce_weight.npy') },
    history: { normal: join(folder, 'normal', historyName), reduce: join(folder, 'reduce', historyName) },
  };
}

/** Whether a folder holds what {@link readPublishedHistory} reads. */
export async function holdsPublishedHistory(folder: string): Promise<boolean> {
  const { weights, history } = filesOf(folder);
  return (await exists(weights.normal)) || (await exists(history.normal));
}

/**
 * Reads the mixing weights of a search: of a folder the entries of `normal/history_weight.json` and `reduce/history_weight.json`, then as
 * the last one `normal_weight.npy` and `reduce_weight.npy`, whichever are there; of one of these files it and its other cell's; of
 * another file, which is taken for the search's `checkpoint.pth.tar`, its history and its alpha. Nothing of it is run. Throws FileError.
 */
export async function readPublishedHistory(
  path: string,
  options: PublishedHistoryOptions = {},
): Promise<MixingHistory> {
  if (await isFolder(path)) return readFolder(path, options);
  if (/\.npy$/i.test(path)) return readWeights(pairOf(path), options);
  if (basename(path) === historyName) return readLists(join(path, '..', '..'));
  return readCheckpoint(path, options);
}

async function readFolder(folder: string, options: PublishedHistoryOptions): Promise<MixingHistory> {
  const { weights, history } = filesOf(folder);
  const [hasWeights, hasHistory] = [await exists(weights.normal), await exists(history.normal)];
  if (!hasHistory) return readWeights(weights, options);
  const earlier = await readLists(folder);
  if (!hasWeights) return earlier;
  const last = { normal: await readNpy(weights.normal), reduce: await readNpy(weights.reduce) };
  return joined(earlier, checkedRows(earlier.layout, last, weights.normal));
}

async function readWeights(
  paths: Readonly<Record<CellType, string>>,
  options: PublishedHistoryOptions,
): Promise<MixingHistory> {
  const rows = { normal: await readNpy(paths.normal), reduce: await readNpy(paths.reduce) };
  const layout = usualLayout(rows, options, paths.normal);
  const entries = [{ epoch: 0, mixing: checkedRows(layout, rows, paths.normal) }];
  return { layout, activation: activationOf(layout, entries), entries };
}

async function readCheckpoint(path: string, options: PublishedHistoryOptions): Promise<MixingHistory> {
  const { alpha, lists, epoch } = readSearchCheckpoint(await readBytes(path), path);
  const earlier = lists && historyOfLists(lists, path);
  const layout = earlier?.layout ?? usualLayout(alpha, options, path);
  const activation = options.activation ?? earlier?.activation ?? usualActivation(layout);
  const mixing = mixingOf(layout, activation, byTable(alpha));
  if (mixing === undefined) throw new FileError(`${path}: expected alpha that fits its history`);
  if (earlier === undefined) return { layout, activation, entries: [{ epoch, mixing }] };
  return joined({ ...earlier, activation }, mixing);
}

/** The other one of a pair of .npy files is named as it. */
function pairOf(path: string): Readonly<Record<CellType, string>> {
  const [, before, type, after] = /^(.*)(normal|reduce)([^/\\]*)$/.exec(path) ?? [];
  if (type === undefined) {
    throw new FileError(`${path}: expected normal_weight.npy with reduce_weight.npy beside it, or the folder of both`);
  }
  return { normal: `${before}normal${after}`, reduce: `${before}reduce${after}` };
}

async function readNpy(path: string): Promise<Rows> {
  const { shape, data } = parseNpy(await readBytes(path), path);
  if (shape.length !== 2 || data.length === 0) {
    throw new FileError(`${path}: expected a table of mixing weights but got the shape (${shape.join(', ')})`);
  }
  return rowsOf(data, shape);
}

/** The histories of both cells in a folder. */
async function readLists(folder: string): Promise<MixingHistory> {
  const { normal, reduce } = filesOf(folder).history;
  const read = async (path: string) => parseEdgeLists((await readBytes(path)).toString(), path);
  return historyOfLists({ normal: await read(normal), reduce: await read(reduce) }, folder);
}

function historyOfLists(lists: Readonly<Record<CellType, EdgeLists>>, path: string): MixingHistory {
  const { normal, reduce } = lists;
  if (normal.nodes !== reduce.nodes || normal.entries.length !== reduce.entries.length) {
    throw new FileError(`${path}: expected histories of both cells of as many nodes and epochs`);
  }
  const table = (type: CellType) => ({ name: tableNames[type], rows: lists[type].rows });
  const layout = { nodes: normal.nodes, tables: { normal: table('normal'), reduce: table('reduce') } };
  const entries = normal.entries.map((rows, epoch) => ({
    epoch,
    mixing: checkedRows(layout, { normal: rows, reduce: reduce.entries[epoch] }, path),
  }));
  return { layout, activation: activationOf(layout, entries), entries };
}

/** The state after the last epoch behind those at the start of each. */
function joined(earlier: MixingHistory, mixing: HistoryEntry['mixing']): MixingHistory {
  return { ...earlier, entries: [...earlier.entries, { epoch: earlier.entries.length, mixing }] };
}

function byTable({ normal, reduce }: RowsByCell): HistoryEntry['mixing'] {
  return { [tableNames.normal]: normal, [tableNames.reduce]: reduce };
}

/** Rows by table. Throws FileError for those of another layout, and for numbers that are no mixing weights. */
function checkedRows({ tables }: AlphaLayout, rows: RowsByCell, path: string): HistoryEntry['mixing'] {
  for (const type of cellTypes) {
    const expected = tables[type].rows.map(({ candidates }) => candidates.length);
    const lengths = rows[type].map((row) => row.length);
    if (lengths.join() !== expected.join()) {
      const words = (table: readonly number[]) => `${table.length} rows of ${[...new Set(table)].join(' or ')}`;
      throw new FileError(
        `${path}: expected ${words(expected)} weights for the ${type} cell but got ${words(lengths)}`,
      );
    }
    const wrong = rows[type].flat().find((weight) => !(weight >= 0 && weight <= 1));
    if (wrong !== undefined) {
      throw new FileError(`${path}: expected mixing weights, from 0 to 1, for the ${type} cell but got ${wrong}`);
    }
  }
  return byTable(rows);
}

/** An edge from every earlier state, the same candidates on each. */
function usualLayout(rows: RowsByCell, { candidates }: PublishedHistoryOptions, path: string): AlphaLayout {
  const count = rows.normal.length;
  const columns = rows.normal[0].length;
  const nodes = Array.from({ length: 100 }, (_, i) => i + 1).find((n) => (n * (n + 3)) / 2 === count);
  if (nodes === undefined) {
    throw new FileError(`${path}: expected a row for each edge of a cell, such as 14 of 4 nodes, but got ${count}`);
  }
  const names = candidates ?? usualCandidates(columns);
  if (names === undefined || names.length !== columns) {
    const expected = names === undefined ? '7 columns of FairDARTS or 8 of DARTS' : `${names.length} columns`;
    throw new FileError(`${path}: expected ${expected} but got ${columns}: name the candidates of your space`);
  }
  const edges = Array.from({ length: nodes }, (_, node) =>
    Array.from({ length: node + 2 }, (_, input) => ({ node, input, candidates: names })),
  ).flat();
  const table = (type: CellType) => ({ name: tableNames[type], rows: edges });
  const layout = { nodes, tables: { normal: table('normal'), reduce: table('reduce') } };
  // The published code knows them by name.
  if (!isLayout(layout) || new Set(names).size < names.length) {
    throw invalid('candidates', 'names of operations, each once and one at least other than none,', candidates);
  }
  return layout;
}

/** DARTS has rivals for its softmax, `none` among them; FairDARTS has neither. */
function usualActivation({ tables }: AlphaLayout): MixingActivation {
  return tables.normal.rows.some(({ candidates }) => candidates.includes(noneName)) ? 'softmax' : 'sigmoid';
}

/** FairDARTS has the candidates of DARTS in its order, less `none`. */
function usualCandidates(columns: number): readonly string[] | undefined {
  const names = spaces['darts'].candidates as readonly string[];
  return [names, names.filter((name) => name !== noneName)].find(({ length }) => length === columns);
}

/**
 * Writes a history as the published code does: both `history_weight.json` with the entries before each epoch, where there are some, and
 * the last entry as `normal_weight.npy` and `reduce_weight.npy`. Weights are float32. Gives the paths that it wrote. Throws FileError, and
 * ArgumentError for a search whose cells do not share alpha, which those files have no place for.
 */
export async function writePublishedHistory(folder: string, history: MixingHistory): Promise<string[]> {
  check('folder', folder, aName);
  checkHistory(history);
  const { layout, entries } = history;
  if (!('normal' in layout.tables)) {
    throw new ArgumentError(
      "FairDARTS' files have a table for normal and one for reduction cells, which this search has not",
    );
  }
  const files = filesOf(folder);
  const written: string[] = [];
  for (const type of cellTypes) {
    const { name, rows } = layout.tables[type];
    const tables = entries.map(({ mixing }) => mixing[name]);
    await makeFolder(dirname(files.history[type]));
    if (tables.length > 1) {
      await writeFileAtomic(files.history[type], formatEdgeLists(rows, tables.slice(0, -1)));
      written.push(files.history[type]);
    }
    const [columns, ...others] = new Set(rows.map(({ candidates }) => candidates.length));
    // A table whose rows differ in length is no array.
    if (others.length > 0) continue;
    await writeFileAtomic(
      files.weights[type],
      formatNpy([rows.length, columns], Float32Array.from(tables.at(-1)!.flat())),
    );
    written.push(files.weights[type]);
  }
  return written;
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw fileError('write', path, error);
  });
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: unknown) => {
    throw fileError('read', path, error);
  });
  return found.isDirectory();
}
