// Cells of triples in Python: (operation, to, from), as FairDARTS (arXiv:1911.12126) publishes them.
import { ArgumentError } from '../../errors.ts';
import type { CellType, GenotypeByType } from '../genotype.ts';
import { cellDraft, type Draft, edgeOf } from './draft.ts';
import type { WrittenEntries } from './python_entries.ts';
import { longestRange, quoteName } from './python_values.ts';

/** Adds a cell: its written concat tells how many nodes there are, its entries which of them are concatenated, and in which order. */
export function addTriples(draft: Draft, type: CellType, { lists, isNested }: WrittenEntries): void {
  const { reader } = draft;
  const { nodes, concat } = cellDraft(draft, type);
  const last = lastState(draft, type);
  for (let state = 2; state <= last; state++) nodes.push([]);
  concat.length = 0;
  for (const [list, { entries }] of lists.entries()) {
    for (const { operation, numbers } of entries) {
      const [to, input] = numbers;
      const state = Number(to.text);
      if (!(state - 2 in nodes)) {
        throw reader.fault(`the state of a node (2 to ${last})`, to.position, String(state));
      }
      if (isNested && state !== list + 2) {
        throw reader.fault(`${list + 2}, the state of the node whose list it is in,`, to.position, String(state));
      }
      const edges = nodes[state - 2];
      if (edges.length === 0) concat.push(state);
      edges.push(edgeOf(draft, `${type}.nodes[${state - 2}][${edges.length}]`, { operation, input }));
    }
  }
}

/** Prints the entries of a cell and its concat, always that of all nodes. Throws ArgumentError for what the form cannot say. */
export function formatTriples(genotype: GenotypeByType, type: CellType): { entries: string[]; concat: string } {
  const { nodes, concat } = genotype[type];
  const entries = concat.flatMap((to) =>
    nodes[to - 2].map(({ operation, input, weight }) => {
      if (weight === undefined) return `(${quoteName(operation)}, ${to}, ${input})`;
      throw new ArgumentError(
        `the Python form has no weights in triples, but the ${type} cell's ${operation} from ${input} to ${to} has one; use the JSON form`,
      );
    }),
  );
  return { entries, concat: `range(2, ${nodes.length + 2})` };
}

function lastState(draft: Draft, type: CellType): number {
  const { reader, positions } = draft;
  const { concat } = cellDraft(draft, type);
  const path = `${type}.concat`;
  const place = (of: string) => positions.get(of) ?? 0;
  if (concat.length === 0) throw reader.fault('at least one state', place(path), '[]');
  const other = concat.findIndex((state) => !(state >= 2 && state <= longestRange));
  if (other >= 0) {
    throw reader.fault(`the state of a node (2 to ${longestRange})`, place(`${path}[${other}]`), String(concat[other]));
  }
  return concat.reduce((most, state) => Math.max(most, state));
}
