// The architecture parameters of a search. The published code keeps them out of the state dict; programs save them beside it, as
// tensors with names or as a list of both.
import { FileError } from '../errors.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { languageAlphaEndings } from './language_names.ts';
import { readBytes, tensorsOf } from './open_tensors.ts';
import type { TensorSource } from './tensor_source.ts';

/** The tables of a supernet, in the order of the published code's list. */
export const alphaNames = ['alphas_normal', 'alphas_reduce'] as const;

/** Whether a tensor is a table of architecture parameters, of candidates or of edges: of a cell type, or of one cell where those of a type share none. */
export function isAlphaName(name: string): boolean {
  return /^(?:alphas|betas)_\w+$/.test(name) || isCellAlphaName(name);
}

/** Whether it is a table of one cell. */
export function isCellAlphaName(name: string): boolean {
  return /^cells\.\d+\.alphas$/.test(name);
}

/** What tables are called elsewhere, at the end of a path, by name. */
type Endings = Readonly<Record<string, RegExp>>;

const endings: Endings = {
  alphas_normal: /(?:^|\.)(?:alphas?[._]normal|_?arch_?param\w*\.(?:0|normal|alphas?_normal)|_?alphas?\.0)$/i,
  alphas_reduce:
    /(?:^|\.)(?:alphas?[._](?:reduce|reduction)|_?arch_?param\w*\.(?:1|reduce|reduction|alphas?_reduce)|_?alphas?\.1)$/i,
};

/** Of cells that are all alike; a file may hold nothing but the table. */
const oneCellEndings: Endings = { alphas_cell: /^$|(?:^|\.)(?:alphas?_cell|_?arch_?param\w*|_?alphas?)$/i };

/** A table of numbers that lie one row after another. */
export function rowsOf(data: ArrayLike<number>, [rows, columns]: readonly number[]): number[][] {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => data[row * columns + column]),
  );
}

/** In a file of nothing else. */
const bareEndings: Endings = { alphas_normal: /^(?:0|normal)$/, alphas_reduce: /^(?:1|reduce|reduction)$/ };

const largestTextBytes = 2 ** 24;
const deepest = 6;

/** The paths of a file's architecture parameters by the names of their tables; of several the shortest. */
export function alphaPaths(paths: readonly string[], patterns: Endings = endings): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, pattern] of Object.entries(patterns)) {
    const [path] = paths
      .filter((candidate) => pattern.test(candidate) && !/^optim/.test(candidate))
      .sort((a, b) => a.length - b.length);
    if (path !== undefined) found.set(name, path);
  }
  return found;
}

/** The same where cells are all alike. */
export function oneCellAlphaPaths(paths: readonly string[]): Map<string, string> {
  return alphaPaths(paths, oneCellEndings);
}

/**
 * Reads the architecture parameters of a search from a file of their own: safetensors, what torch.save wrote of them by name or as a
 * list of both, or the same as JSON; of cells that are all alike their one table. Throws FileError.
 */
export async function readAlphas(path: string, areAlike = false): Promise<Map<string, WeightTensor>> {
  return areAlike ? readTables(path, oneCellEndings) : readTables(path, endings, bareEndings);
}

/** The same of a language model. */
export async function readLanguageAlpha(path: string): Promise<Map<string, WeightTensor>> {
  return readTables(path, languageAlphaEndings);
}

async function readTables(path: string, named: Endings, bare?: Endings): Promise<Map<string, WeightTensor>> {
  const bytes = await readBytes(path);
  const source = jsonTensors(bytes, path) ?? tensorsOf(bytes, path).source;
  const found = alphaPaths(source.paths, named);
  const paths = found.size > 0 || bare === undefined ? found : alphaPaths(source.paths, bare);
  const wanted = Object.keys(named);
  const missing = wanted.filter((name) => !paths.has(name));
  if (missing.length > 0) {
    const list = bare === undefined ? 'the table alone' : 'a list of both';
    throw new FileError(`${path}: expected ${wanted.join(' and ')}, or ${list}, but found no ${missing.join(', ')}`);
  }
  const tensors = source.read([...paths.values()]);
  return new Map([...paths].map(([name, at]) => [name, tensors.get(at)!]));
}

/** Undefined for a file that is no JSON. */
function jsonTensors(text: Buffer, path: string): Pick<TensorSource, 'paths' | 'read'> | undefined {
  if (text.length > largestTextBytes || !/^\s*[[{]/.test(text.toString('latin1', 0, 100))) return undefined;
  const found = new Map<string, WeightTensor>();
  try {
    collect(JSON.parse(text.toString()), '', found, 0);
  } catch (error) {
    throw new FileError(`${path} cannot be read: expected JSON: ${(error as Error).message}`, { cause: error });
  }
  return { paths: [...found.keys()], read: () => found };
}

/** Every table of numbers within a value of JSON by its path. */
function collect(value: unknown, path: string, found: Map<string, WeightTensor>, depth: number): void {
  if (typeof value !== 'object' || value === null || depth > deepest) return;
  if (isTable(value)) {
    const [{ length: columns }] = value;
    // Rows of several lengths come one behind another.
    const shape = value.every((row) => row.length === columns) ? [value.length, columns] : [value.flat().length];
    found.set(path, { shape, data: Float64Array.from(value.flat()) });
    return;
  }
  for (const [key, item] of Object.entries(value))
    collect(item, path === '' ? key : `${path}.${key}`, found, depth + 1);
}

function isTable(value: object): value is number[][] {
  const isRow = (row: unknown) => Array.isArray(row) && row.length > 0 && row.every((item) => typeof item === 'number');
  return Array.isArray(value) && value.length > 0 && value.every(isRow);
}
