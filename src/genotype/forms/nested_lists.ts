// Genotypes as StacNAS' code (arXiv:1909.11926) logs them: [[[('sep_conv_3x3', 0), ('max_pool_3x3', 1)], ...], [...]], cells of nodes of pairs.
import { type CellType, cellTypes, type Genotype } from '../genotype.ts';
import { type Draft, edgeOf, finish, newDraft } from './draft.ts';
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

function readAt(text: string, position: number): Genotype {
  const draft = newDraft(text, position);
  const { reader } = draft;
  let cells = 0;
  reader.items('[', ']', () => {
    const type: CellType | undefined = cellTypes[cells++];
    if (type === undefined) {
      throw reader.fault('two cells, normal and reduction,', reader.next.position, 'a third');
    }
    readCell(draft, type);
  });
  if (cells < cellTypes.length) throw reader.fault('two cells, normal and reduction,', position, `${cells}`);
  return finish(draft);
}

function readCell(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { nodes, concat } = draft[type];
  positions.set(`${type}.nodes`, reader.next.position);
  reader.items('[', ']', () => {
    const path = `${type}.nodes[${nodes.length}]`;
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
