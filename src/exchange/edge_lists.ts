// history_weight.json of FairDARTS: an object of lists, one a candidate of an edge, under keys such as `edge: (3, 4), op: skip_connect`.
import { isRecord } from '../checks.ts';
import { ArgumentError, FileError } from '../errors.ts';
import { duplicateKey } from '../io/json_keys.ts';
import { edgeKey, isLayout, type LayoutRow } from '../select/layout.ts';

/** A cell's lists, turned into a table an epoch. */
export interface EdgeLists {
  readonly nodes: number;
  readonly rows: readonly LayoutRow[];
  /** By epoch, by row, by candidate. */
  readonly entries: readonly (readonly (readonly number[])[])[];
}

const largestTextBytes = 2 ** 26;
const mostNumbers = 2 ** 24;
const keyForm = /^edge: \((\d{1,3}), (\d{1,3})\), op: (.+)$/;

/** Reads the text of such a file. Throws FileError that names `path`. */
export function parseEdgeLists(text: string, path: string): EdgeLists {
  if (text.length > largestTextBytes) throw new FileError(`${path} cannot be read: expected at most 64 MiB of text`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FileError(`${path} cannot be read: expected JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isRecord(value)) throw wrong(path, 'an object of lists by edge and operation');
  const twice = duplicateKey(text);
  if (twice !== undefined) throw wrong(path, `every key once but got '${twice}' twice`);
  return edgeLists(new Map(Object.entries(value)), path);
}

/** The same of lists that were read. Edges are put in the order of nodes and inputs; candidates stay as they come. */
export function edgeLists(lists: ReadonlyMap<unknown, unknown>, path: string): EdgeLists {
  const edges = new Map<number, { node: number; input: number; candidates: string[]; lists: number[][] }>();
  let epochs: number | undefined;
  for (const [key, list] of lists) {
    const [, node, input, name] = keyForm.exec(String(key)) ?? [];
    if (name === undefined)
      throw wrong(
        path,
        `keys such as '${edgeKey({ node: 0, input: 1 }, 'skip_connect')}' but got '${String(key).slice(0, 80)}'`,
      );
    if (!isListOfNumbers(list)) throw wrong(path, `a list of finite numbers for '${key}'`);
    epochs ??= list.length;
    // A pickle may give one long list under many keys.
    if (epochs * lists.size > mostNumbers) throw wrong(path, `at most ${mostNumbers} numbers`);
    if (list.length !== epochs)
      throw wrong(path, `${epochs} numbers, one an epoch, for '${key}' but got ${list.length}`);
    const place = Number(node) * 1000 + Number(input);
    const edge = edges.get(place) ?? { node: Number(node), input: Number(input), candidates: [], lists: [] };
    edges.set(place, edge);
    edge.candidates.push(name);
    edge.lists.push(list);
  }
  if (epochs === undefined || epochs === 0) throw wrong(path, 'at least one epoch');
  const ordered = [...edges].toSorted(([a], [b]) => a - b).map(([, edge]) => edge);
  const nodes = 1 + (ordered.at(-1)?.node ?? 0);
  const rows = ordered.map(({ node, input, candidates }) => ({ node, input, candidates }));
  const table = { name: 'alphas', rows };
  if (!isLayout({ nodes, tables: { normal: table, reduce: table } })) {
    throw wrong(path, 'edges (node, input) of a cell, every node with one, and at least one operation on each');
  }
  const at = (epoch: number) => ordered.map((edge) => edge.lists.map((list) => list[epoch]));
  return { nodes, rows, entries: Array.from({ length: epochs }, (_, epoch) => at(epoch)) };
}

/** Writes tables, one an epoch, as such a text; numbers as float32. Throws ArgumentError where a name comes twice on an edge. */
export function formatEdgeLists(
  rows: readonly LayoutRow[],
  tables: readonly (readonly (readonly number[])[])[],
): string {
  for (const { candidates } of rows) {
    const double = candidates.find((name, index) => candidates.indexOf(name) < index);
    if (double === undefined) continue;
    throw new ArgumentError(`the published history knows candidates by name, but ${double} comes twice on an edge`);
  }
  const lists = rows.flatMap((row, index) =>
    row.candidates.map((name, column) => [
      edgeKey(row, name),
      tables.map((table) => Math.fround(table[index][column])),
    ]),
  );
  return `${JSON.stringify(Object.fromEntries(lists))}\n`;
}

function isListOfNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item));
}

function wrong(path: string, expectation: string): FileError {
  return new FileError(`${path} is no history of mixing weights: expected ${expectation}`);
}
