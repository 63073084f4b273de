import type { CellType, Genotype, GenotypeCell, GenotypeEdge } from '../genotype.ts';
import type { Token } from '../tokens.ts';
import {
  type Draft,
  edgeOf,
  finish,
  newDraft,
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
  const readCell = (type: CellType) => () =>
    readRecord(draft.reader, jsonRecord, {
      nodes: () => readJsonNodes(draft, type),
      concat: () => readConcat(draft, type),
    });
  const entries = () => {
    draft.reader.take('string', "'triples'", 'triples');
    draft.entries = 'triples';
  };
  readRecord(draft.reader, jsonRecord, { normal: readCell('normal'), reduce: readCell('reduce') }, { entries });
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
  const { entries, normal, reduce } = genotype;
  return JSON.stringify({ entries, normal: cell(normal), reduce: cell(reduce) });
}

/** Reads `[[{"operation": "sep_conv_3x3", "input": 1}, ...], ...]`: one list a node. */
function readJsonNodes(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { nodes } = draft[type];
  positions.set(`${type}.nodes`, reader.next.position);
  reader.items('[', ']', () => {
    const edges: GenotypeEdge[] = [];
    const path = `${type}.nodes[${nodes.length}]`;
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

function readConcat(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { concat } = draft[type];
  const path = `${type}.concat`;
  positions.set(path, reader.next.position);
  reader.items('[', ']', () => {
    const { text, position } = takeInteger(reader);
    positions.set(`${path}[${concat.length}]`, position);
    concat.push(Number(text));
  });
}
