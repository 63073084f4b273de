import type { Genotype, GenotypeEdge } from '../genotype.ts';
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
  readonly normal: CellDraft;
  readonly reduce: CellDraft;
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
  const cell = () => ({ nodes: [], concat: [] });
  return { reader: new TokenReader(text, position), positions: new Map(), normal: cell(), reduce: cell() };
}

/** Checks what was read. */
export function finish({ reader, positions, normal, reduce }: Draft): Genotype {
  const genotype = { normal, reduce };
  const fault = findFault(genotype);
  if (fault === undefined) return genotype;
  const actual = typeof fault.actual === 'number' ? String(fault.actual) : JSON.stringify(fault.actual);
  throw reader.fault(fault.expectation, positions.get(fault.path) ?? 0, actual);
}

/** Reads fields in any order, each exactly once. */
export function readRecord(reader: TokenReader, form: RecordForm, fields: Readonly<Record<string, () => void>>): void {
  const names = Object.keys(fields);
  const missing = new Set(names);
  const end = reader.items(form.open, form.close, () => {
    const expectation = missing.size > 0 ? `the field ${[...missing].join(' or ')}` : `'${form.close}'`;
    const inTurn = names[names.length - missing.size];
    if (missing.has(inTurn) && form.isValue?.(reader.next)) {
      missing.delete(inTurn);
      return fields[inTurn]();
    }
    const key = reader.take(form.key, expectation);
    if (!missing.delete(key.text)) throw reader.fault(expectation, key.position, `"${key.text.slice(0, 40)}"`);
    reader.symbol(form.separator);
    fields[key.text]();
  });
  if (missing.size > 0) {
    throw reader.fault(`the field ${[...missing].join(' and ')}`, end.position, `"${end.text}"`);
  }
}

/** Reads the quoted name of an operation. */
export function readOperation({ reader, positions }: Draft, edgePath: string): string {
  const token = reader.take('string', 'the quoted name of an operation');
  positions.set(`${edgePath}.operation`, token.position);
  return token.text;
}

/** Reads an integer. */
export function readInteger({ reader, positions }: Draft, path: string): number {
  const token = reader.take('integer', 'an integer');
  positions.set(path, token.position);
  return Number(token.text);
}
