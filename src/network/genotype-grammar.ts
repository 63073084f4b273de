import type { Genotype, GenotypeEdge } from './genotype.ts';
import { findFault } from './genotype-rules.ts';
import { TokenReader } from './tokens.ts';

type CellType = keyof Genotype;

/** A cell while it is read. */
interface CellDraft {
  readonly nodes: GenotypeEdge[][];
  readonly concat: number[];
}

/** A genotype while it is read, with the position in the text of everything that may turn out wrong, by path. */
interface Draft {
  readonly reader: TokenReader;
  readonly positions: Map<string, number>;
  readonly normal: CellDraft;
  readonly reduce: CellDraft;
}

/** How the fields of a record are written. */
interface RecordForm {
  readonly open: string;
  readonly close: string;
  readonly key: 'name' | 'string';
  readonly separator: string;
}

const pythonRecord: RecordForm = { open: '(', close: ')', key: 'name', separator: '=' };
const jsonRecord: RecordForm = { open: '{', close: '}', key: 'string', separator: ':' };

// A longer range cannot be meant, and would fill the memory before it is compared with the nodes.
const longestRange = 1000;

/** Reads the originals' Python form. Throws ArgumentError with line and column of the fault. */
export function readPython(text: string): Genotype {
  const draft = newDraft(text);
  const { reader } = draft;
  const start = "'Genotype', '{' or a published name";
  const name = reader.take('name', start);
  if (reader.at('=')) {
    reader.symbol('=');
    reader.take('name', "'Genotype'", 'Genotype');
  } else if (name.text !== 'Genotype') {
    throw reader.fault(start, name.position, `"${name.text.slice(0, 40)}"`);
  }
  readRecord(reader, pythonRecord, {
    normal: () => readPythonEdges(draft, 'normal'),
    normal_concat: () => readConcat(draft, 'normal'),
    reduce: () => readPythonEdges(draft, 'reduce'),
    reduce_concat: () => readConcat(draft, 'reduce'),
  });
  return finish(draft);
}

/** Reads our JSON form. Throws ArgumentError with line and column of the fault. */
export function readJson(text: string): Genotype {
  const draft = newDraft(text);
  const readCell = (type: CellType) => () =>
    readRecord(draft.reader, jsonRecord, {
      nodes: () => readJsonNodes(draft, type),
      concat: () => readConcat(draft, type),
    });
  readRecord(draft.reader, jsonRecord, { normal: readCell('normal'), reduce: readCell('reduce') });
  return finish(draft);
}

function newDraft(text: string): Draft {
  const cell = () => ({ nodes: [], concat: [] });
  return { reader: new TokenReader(text), positions: new Map(), normal: cell(), reduce: cell() };
}

function finish({ reader, positions, normal, reduce }: Draft): Genotype {
  reader.take('end', 'nothing more');
  const genotype = { normal, reduce };
  const fault = findFault(genotype);
  if (fault === undefined) return genotype;
  const actual = typeof fault.actual === 'number' ? String(fault.actual) : JSON.stringify(fault.actual);
  throw reader.fault(fault.expectation, positions.get(fault.path) ?? 0, actual);
}

/** Reads fields in any order, each exactly once. */
function readRecord(reader: TokenReader, form: RecordForm, fields: Readonly<Record<string, () => void>>): void {
  const missing = new Set(Object.keys(fields));
  const end = reader.items(form.open, form.close, () => {
    const expectation = missing.size > 0 ? `the field ${[...missing].join(' or ')}` : `'${form.close}'`;
    const key = reader.take(form.key, expectation);
    if (!missing.delete(key.text)) throw reader.fault(expectation, key.position, `"${key.text.slice(0, 40)}"`);
    reader.symbol(form.separator);
    fields[key.text]();
  });
  if (missing.size > 0) {
    throw reader.fault(`the field ${[...missing].join(' and ')}`, end.position, `"${end.text}"`);
  }
}

/** Reads `[('sep_conv_3x3', 1), ...]`: one flat list, two edges a node. */
function readPythonEdges(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { nodes } = draft[type];
  let count = 0;
  positions.set(`${type}.nodes`, reader.next.position);
  const end = reader.items('[', ']', () => {
    const [node, index] = [count >> 1, count & 1];
    reader.symbol('(');
    const operation = readOperation(draft, `${type}.nodes[${node}][${index}]`);
    reader.symbol(',');
    const input = readInteger(draft, `${type}.nodes[${node}][${index}].input`);
    if (reader.at(',')) reader.symbol(',');
    reader.symbol(')');
    if (index === 0) nodes.push([]);
    nodes[node].push({ operation, input });
    count++;
  });
  if (count % 2 !== 0) {
    throw reader.fault('an even number of edges, two a node,', end.position, `the end of ${count}`);
  }
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
    reader.items('[', ']', () => {
      const edge = { operation: '', input: 0 };
      const edgePath = `${path}[${edges.length}]`;
      readRecord(reader, jsonRecord, {
        operation: () => {
          edge.operation = readOperation(draft, edgePath);
        },
        input: () => {
          edge.input = readInteger(draft, `${edgePath}.input`);
        },
      });
      edges.push(edge);
    });
    nodes.push(edges);
  });
}

/** Reads `[2, 3, 4, 5]` or `range(2, 6)`. */
function readConcat(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { concat } = draft[type];
  const path = `${type}.concat`;
  const { kind, position } = reader.next;
  positions.set(path, position);
  if (kind !== 'name') {
    reader.items('[', ']', () => concat.push(readInteger(draft, `${path}[${concat.length}]`)));
    return;
  }
  reader.take('name', "'range' or '['", 'range');
  reader.symbol('(');
  const begin = readInteger(draft, path);
  reader.symbol(',');
  const end = readInteger(draft, path);
  if (end - begin > longestRange) {
    throw reader.fault(`a range of at most ${longestRange} states`, position, `range(${begin}, ${end})`);
  }
  if (reader.at(',')) reader.symbol(',');
  reader.symbol(')');
  positions.set(path, position);
  for (let state = begin; state < end; state++) {
    positions.set(`${path}[${concat.length}]`, position);
    concat.push(state);
  }
}

function readOperation({ reader, positions }: Draft, edgePath: string): string {
  const token = reader.take('string', 'the quoted name of an operation');
  positions.set(`${edgePath}.operation`, token.position);
  return token.text;
}

function readInteger({ reader, positions }: Draft, path: string): number {
  const token = reader.take('integer', 'an integer');
  positions.set(path, token.position);
  return Number(token.text);
}
