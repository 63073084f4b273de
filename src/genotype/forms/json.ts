import {
  type CellKey,
  cellKey,
  type Genotype,
  type GenotypeCell,
  type GenotypeEdge,
  oneCell,
  recurrentCell,
} from '../genotype.ts';
import type { Token } from '../tokens.ts';
import {
  cellDraft,
  type Draft,
  edgeOf,
  finish,
  newDraft,
  type RecordFields,
  type RecordForm,
  readRecord,
  takeInteger,
  takeNumber,
  takeOperation,
} from './draft.ts';

const jsonRecord: RecordForm = { open: '{', close: '}', key: 'string', separator: ':' };

/** Reads our JSON form. Throws ArgumentError with line and column of the fault. */
export function readJson(text: string): Genotype {
  const draft = newDraft(text);
  const readCell = (key: CellKey) => () =>
    readRecord(draft.reader, jsonRecord, {
      nodes: () => readJsonNodes(draft, key),
      concat: () => readConcat(draft, key),
    });
  const cells = () => draft.reader.items('[', ']', () => readCell(cellKey(draft.cells.size))());
  const entries = () => {
    draft.reader.take('string', "'triples'", 'triples');
    draft.entries = 'triples';
  };
  const others = { cells, cell: readCell(oneCell), recurrent: readCell(recurrentCell) };
  const byType = { normal: readCell('normal'), reduce: readCell('reduce') };
  readRecord(draft.reader, jsonRecord, fieldsOf(text, others) ?? byType, { entries });
  draft.reader.take('end', 'nothing more');
  return finish(draft);
}

/** Prints a genotype as JSON on one line. */
export function formatJson(genotype: Genotype): string {
  const cell = ({ nodes, concat }: GenotypeCell) => ({
    // What is undefined is left out.
    nodes: nodes.map((edges) => edges.map(({ operation, input, weight }) => ({ operation, input, weight }))),
    concat,
  });
  if (genotype.cell !== undefined) return JSON.stringify({ cell: cell(genotype.cell) });
  if (genotype.recurrent !== undefined) return JSON.stringify({ recurrent: cell(genotype.recurrent) });
  const { entries, normal, reduce, cells } = genotype;
  const told = cells === undefined ? { normal: cell(normal), reduce: cell(reduce) } : { cells: cells.map(cell) };
  return JSON.stringify({ entries, ...told });
}

/** The field that a text has, where it is one of some. */
function fieldsOf(text: string, fields: RecordFields): RecordFields | undefined {
  const name = Object.keys(fields).find((field) => new RegExp(`"${field}"\\s*:`).test(text));
  return name === undefined ? undefined : { [name]: fields[name] };
}

/** Reads `[[{"operation": "sep_conv_3x3", "input": 1}, ...], ...]`: one list a node. */
function readJsonNodes(draft: Draft, key: CellKey): void {
  const { reader, positions } = draft;
  const { nodes } = cellDraft(draft, key);
  positions.set(`${key}.nodes`, reader.next.position);
  reader.items('[', ']', () => {
    const edges: GenotypeEdge[] = [];
    const path = `${key}.nodes[${nodes.length}]`;
    positions.set(path, reader.next.position);
    reader.items('[', ']', () => edges.push(readJsonEdge(draft, `${path}[${edges.length}]`)));
    nodes.push(edges);
  });
}

function readJsonEdge(draft: Draft, path: string): GenotypeEdge {
  const { reader } = draft;
  const start = reader.next;
  const tokens: { operation: Token; input: Token; weight?: Token } = { operation: start, input: start };
  const fields = {
    operation: () => {
      tokens.operation = takeOperation(reader);
    },
    input: () => {
      tokens.input = takeInteger(reader);
    },
  };
  const weight = () => {
    tokens.weight = takeNumber(reader);
  };
  readRecord(reader, jsonRecord, fields, { weight });
  return edgeOf(draft, path, tokens);
}

function readConcat(draft: Draft, key: CellKey): void {
  const { reader, positions } = draft;
  const { concat } = cellDraft(draft, key);
  const path = `${key}.concat`;
  positions.set(path, reader.next.position);
  reader.items('[', ']', () => {
    const { text, position } = takeInteger(reader);
    positions.set(`${path}[${concat.length}]`, position);
    concat.push(Number(text));
  });
}
