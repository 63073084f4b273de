// The strings by which NAS-Bench-201 (Dong and Yang, arXiv:2001.00326) names cells: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|.
import { ArgumentError, invalid } from '../../errors.ts';
import { type Genotype, oneCell } from '../genotype.ts';
import { cellDraft, type Draft, finish, newDraft } from './draft.ts';
import type { FoundGenotype } from './python.ts';

const node = String.raw`\|(?:[^|~+\s]+~\d+\|)+`;
/** As the published class prints itself, or its string alone. */
const structures = new RegExp(String.raw`(?:Structure\((\d{1,9}) nodes with )?(${node}(?:\+${node})*)\)?`, 'g');
/** What can be nothing else, whatever is wrong with it. */
const beginning = /^\s*(?:Structure\s*\(|\|)/;

/** Whether a text has such a string somewhere, or begins as one. */
export function hasStructure(text: string): boolean {
  return beginning.test(text) || text.search(structures) >= 0;
}

/** Reads the last such string of a text; of one that is whole nothing else. Throws ArgumentError with line and column of the fault. */
export function readStructure(text: string): FoundGenotype {
  const found = [...text.matchAll(structures)];
  const isAlone = beginning.test(text) && !text.trim().includes('\n');
  if (isAlone || found.length === 0) return { genotype: readWhole(text), count: 1, line: 1 };
  const { index, 0: match, 1: states, 2: structure } = found[found.length - 1];
  const genotype = readNodes(newDraft(text), structure, index + match.indexOf('|'), states);
  return { genotype, count: found.length, line: text.slice(0, index).split('\n').length };
}

/** Prints a genotype of one cell. Throws ArgumentError for another one, and for what the string cannot say. */
export function formatStructure({ cell, recurrent }: Genotype): string {
  if (cell === undefined) {
    const other = recurrent === undefined ? 'has several' : 'has a recurrent one';
    throw new ArgumentError(
      `NAS-Bench-201's form is of one cell, but this genotype ${other}; use the Python or JSON form`,
    );
  }
  for (const { operation, weight } of cell.nodes.flat()) {
    if (weight !== undefined) throw new ArgumentError("NAS-Bench-201's form has no weights; use the JSON form");
    if (/[|~+\s]/.test(operation)) {
      throw invalid(
        "an operation in NAS-Bench-201's form",
        'a name without |, ~, + and spaces (use the JSON form)',
        operation,
      );
    }
  }
  const texts = cell.nodes.map((edges) => edges.map(({ operation, input }) => `${operation}~${input}|`).join(''));
  return texts.map((edges) => `|${edges}`).join('+');
}

function readWhole(text: string): Genotype {
  const [, states] = /^\s*Structure\s*\(\s*(\d{1,9}) nodes with /.exec(text) ?? [];
  const begin = text.indexOf('|');
  const whole = text.slice(Math.max(0, begin)).trimEnd();
  const draft = newDraft(text);
  if (begin < 0) throw draft.reader.fault("'|'", text.length, 'the end');
  return readNodes(draft, states === undefined ? whole : whole.replace(/\)$/, ''), begin, states);
}

/** `states` counts the cell's input as well. */
function readNodes(draft: Draft, text: string, begin: number, states: string | undefined): Genotype {
  const { nodes, concat } = cellDraft(draft, oneCell);
  draft.positions.set(`${oneCell}.nodes`, begin);
  let position = begin;
  for (const [number, part] of text.split('+').entries()) {
    nodes.push([]);
    draft.positions.set(`${oneCell}.nodes[${number}]`, position);
    for (const piece of part.split('|')) {
      if (piece !== '')
        nodes[number].push(readEdge(draft, piece, position, `${oneCell}.nodes[${number}][${nodes[number].length}]`));
      position += piece.length + 1;
    }
  }
  concat.push(nodes.length);
  const genotype = finish(draft);
  if (states === undefined || Number(states) === nodes.length + 1) return genotype;
  throw draft.reader.fault(`${states} nodes, the cell's input one of them,`, begin, `${nodes.length + 1}`);
}

function readEdge({ reader, positions }: Draft, piece: string, position: number, path: string) {
  const [whole, operation, input] = /^([^~\s]+)~(\d{1,9})$/.exec(piece) ?? [];
  if (whole === undefined) throw reader.fault('OPERATION~STATE', position, JSON.stringify(piece.slice(0, 40)));
  positions.set(`${path}.operation`, position).set(`${path}.input`, position + operation.length + 1);
  return { operation, input: Number(input) };
}
