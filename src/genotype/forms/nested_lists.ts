// Genotypes as StacNAS' code (arXiv:1909.11926) logs them: [[[('sep_conv_3x3', 0), ('max_pool_3x3', 1)], ...], [...]], cells of nodes of pairs.
import { type CellKey, cellKey, cellTypes, type Genotype } from '../genotype.ts';
import { cellDraft, type Draft, edgeOf, finish, newDraft } from './draft.ts';
import type { FoundGenotype } from './python.ts';
import { takeName, takeState } from './python_values.ts';

const starts = /\[\s*\[\s*\[\s*\(\s*['"]/g;

/** Whether a text has such lists somewhere. */
export function hasNestedLists(text: string): boolean {
  return text.search(starts) >= 0;
}

/** Reads the last ones of a text; what stands before and after them is passed over. Throws ArgumentError with line and column of the fault. */
export function readNestedLists(text: string): FoundGenotype {
  const found = [...text.matchAll(starts)];
  const last = found[found.length - 1].index;
  return { genotype: readAt(text, last), count: found.length, line: text.slice(0, last).split('\n').length };
}

/** Two cells are those of the types, as published; more of them are those of the places in a network. */
function readAt(text: string, position: number): Genotype {
  const draft = readCells(text, position, cellKey);
  const { size } = draft.cells;
  if (size < cellTypes.length) {
    throw draft.reader.fault('a normal and a reduction cell, or all cells of a network,', position, String(size));
  }
  return finish(size > cellTypes.length ? draft : readCells(text, position, (index) => cellTypes[index]));
}

function readCells(text: string, position: number, keyOf: (index: number) => CellKey): Draft {
  const draft = newDraft(text, position);
  draft.reader.items('[', ']', () => readCell(draft, keyOf(draft.cells.size)));
  return draft;
}

function readCell(draft: Draft, key: CellKey): void {
  const { reader, positions } = draft;
  const { nodes, concat } = cellDraft(draft, key);
  positions.set(`${key}.nodes`, reader.next.position);
  reader.items('[', ']', () => {
    const path = `${key}.nodes[${nodes.length}]`;
    positions.set(path, reader.next.position);
    const edges: (typeof nodes)[number] = [];
    reader.items('[', ']', () => {
      reader.symbol('(');
      const operation = takeName(reader);
      reader.symbol(',');
      const input = takeState(reader);
      if (reader.at(',')) reader.symbol(',');
      reader.symbol(')');
      edges.push(edgeOf(draft, `${path}[${edges.length}]`, { operation, input }));
    });
    nodes.push(edges);
    concat.push(nodes.length + 1);
  });
}
