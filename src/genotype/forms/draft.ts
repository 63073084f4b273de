import { type CellKey, type Genotype, type GenotypeEdge, genotypeOfCells } from '../genotype.ts';
import { findFault } from '../rules.ts';
import { type Token, TokenReader } from '../tokens.ts';

/** A cell while it is read. */
interface CellDraft {
  readonly nodes: GenotypeEdge[][];
  readonly concat: number[];
}

/** A genotype while it is read, with the position in the text of everything that may turn out wrong, by path. */
export interface Draft {
  readonly reader: TokenReader;
  readonly positions: Map<string, number>;
  /** In the order in which they were begun. */
  readonly cells: Map<CellKey, CellDraft>;
  entries?: Genotype['entries'];
}

/** How the fields of a record are written. */
export interface RecordForm {
  readonly open: string;
  readonly close: string;
  readonly key: 'name' | 'string';
  readonly separator: string;
  /** Tells a value from a key, where fields may stand without their names, each in its turn. */
  readonly isValue?: (token: Token) => boolean;
}

/** A draft of what begins at a position of a text. */
export function newDraft(text: string, position = 0): Draft {
  return { reader: new TokenReader(text, position), positions: new Map(), cells: new Map() };
}

/** The cell of a key, begun where it was not. */
export function cellDraft({ cells }: Draft, key: CellKey): CellDraft {
  const known = cells.get(key);
  if (known !== undefined) return known;
  const begun: CellDraft = { nodes: [], concat: [] };
  cells.set(key, begun);
  return begun;
}

/** Checks what was read. */
export function finish({ reader, positions, cells, entries }: Draft): Genotype {
  const genotype = genotypeOfCells(Object.fromEntries(cells), entries);
  const fault = findFault(genotype);
  if (fault === undefined) return genotype;
  const actual = typeof fault.actual === 'number' ? String(fault.actual) : JSON.stringify(fault.actual);
  throw reader.fault(fault.expectation, positions.get(fault.path) ?? 0, actual);
}

/** How each field of a record is read, by name. */
export type RecordFields = Readonly<Record<string, () => void>>;

/** Reads fields in any order, each exactly once; optional ones may be left out. */
export function readRecord(
  reader: TokenReader,
  form: RecordForm,
  fields: RecordFields,
  optional: RecordFields = {},
): void {
  reader.symbol(form.open);
  readFieldsOf(reader, form, fields, optional);
}

/** The same behind the bracket that opens the record. */
export function readFieldsOf(
  reader: TokenReader,
  form: RecordForm,
  fields: RecordFields,
  optional: RecordFields = {},
): void {
  const names = Object.keys(fields);
  const absent = new Set(Object.keys(optional));
  const missing = new Set(names);
  const end = reader.rest(form.close, () => {
    const expectation = missing.size > 0 ? `the field ${[...missing].join(' or ')}` : `'${form.close}'`;
    const inTurn = names[names.length - missing.size];
    if (missing.has(inTurn) && form.isValue?.(reader.next)) {
      missing.delete(inTurn);
      return fields[inTurn]();
    }
    const key = reader.take(form.key, expectation);
    const isRequired = missing.delete(key.text);
    if (!isRequired && !absent.delete(key.text)) {
      throw reader.fault(expectation, key.position, `"${key.text.slice(0, 40)}"`);
    }
    reader.symbol(form.separator);
    (isRequired ? fields : optional)[key.text]();
  });
  if (missing.size > 0) {
    throw reader.fault(`the field ${[...missing].join(' and ')}`, end.position, `"${end.text}"`);
  }
}

/** The parts of an edge as they stand in a text. */
export interface EdgeTokens {
  readonly operation: Token;
  readonly input: Token;
  readonly weight?: Token;
}

/** The edge that tokens tell, its places noted under its path. */
export function edgeOf({ positions }: Draft, path: string, { operation, input, weight }: EdgeTokens): GenotypeEdge {
  positions.set(`${path}.operation`, operation.position);
  positions.set(`${path}.input`, input.position);
  const edge = { operation: operation.text, input: Number(input.text) };
  if (weight === undefined) return edge;
  positions.set(`${path}.weight`, weight.position);
  return { ...edge, weight: Number(weight.text) };
}

/** Takes the quoted name of an operation. */
export function takeOperation(reader: TokenReader): Token {
  return reader.take('string', 'the quoted name of an operation');
}

/** Takes an integer. */
export function takeInteger(reader: TokenReader): Token {
  return reader.take('integer', 'an integer');
}

/** Takes an integer or a decimal. */
export function takeNumber(reader: TokenReader): Token {
  return reader.take(reader.next.kind === 'decimal' ? 'decimal' : 'integer', 'a number');
}
