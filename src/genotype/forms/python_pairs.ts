// Cells of pairs in Python: (operation, from), or (operation, from, weight) where FairDARTS (arXiv:1911.12126) reweights them.
import { ArgumentError } from '../../errors.ts';
import type { CellType, GenotypeByType, GenotypeEdge } from '../genotype.ts';
import { cellDraft, type Draft, edgeOf } from './draft.ts';
import type { WrittenEntries, WrittenEntry, WrittenList } from './python_entries.ts';
import { formatStates, quoteName } from './python_values.ts';

/** Adds a cell of two entries a node, or of those in the list of each node. */
export function addPairs(draft: Draft, type: CellType, written: WrittenEntries): void {
  const { reader, positions } = draft;
  const { lists, isNested, position, end } = written;
  const flat = lists[0].entries;
  if (!isNested && flat.length % 2 !== 0) {
    throw reader.fault('an even number of edges, two a node,', end, `the end of ${flat.length}`);
  }
  positions.set(`${type}.nodes`, position);
  for (const [node, list] of (isNested ? lists : inTwos(flat)).entries()) {
    const path = `${type}.nodes[${node}]`;
    positions.set(path, list.position);
    const edges = list.entries.map(({ operation, numbers: [input, weight] }, index) =>
      edgeOf(draft, `${path}[${index}]`, { operation, input, weight }),
    );
    cellDraft(draft, type).nodes.push(edges);
  }
}

/** Prints the entries of a cell, a list a node where they are nested, and its concat. Throws ArgumentError for what the form cannot say. */
export function formatPairs(
  genotype: GenotypeByType,
  type: CellType,
  nested: boolean,
): { entries: string[]; concat: string } {
  const { nodes, concat } = genotype[type];
  const other = nodes.findIndex((edges) => edges.length !== 2);
  if (other >= 0 && !nested) {
    throw new ArgumentError(
      `the Python form has two edges a node, but node ${other} of the ${type} cell has ${nodes[other].length}; use the JSON form`,
    );
  }
  const weighted = [genotype.normal, genotype.reduce].flatMap((cell) => cell.nodes.flat()).filter(hasWeight).length;
  const all = genotype.normal.nodes.flat().length + genotype.reduce.nodes.flat().length;
  if (weighted > 0 && weighted < all) {
    throw new ArgumentError(
      `the Python form has a weight on every edge or on none, but ${weighted} of ${all} edges have one; use the JSON form`,
    );
  }
  return {
    entries: nested ? nodes.map((edges) => `[${edges.map(formatPair).join(', ')}]`) : nodes.flat().map(formatPair),
    concat: formatStates(concat),
  };
}

function inTwos(entries: readonly WrittenEntry[]): WrittenList[] {
  return Array.from({ length: entries.length / 2 }, (_, node) => {
    const pair = entries.slice(2 * node, 2 * node + 2);
    return { position: pair[0].operation.position, entries: pair };
  });
}

function hasWeight({ weight }: GenotypeEdge): boolean {
  return weight !== undefined;
}

/** An entry, with its weight where it has one. */
export function formatPair({ operation, input, weight }: GenotypeEdge): string {
  return `(${quoteName(operation)}, ${input}${weight === undefined ? '' : `, ${formatDecimal(weight)}`})`;
}

/** A number as Python prints a float, which a state is told from by its point or exponent. */
function formatDecimal(value: number): string {
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
