// The lists of a genotype's entries as Python writes them, whatever the entries are of.
import type { CellType } from '../genotype.ts';
import type { Token, TokenReader } from '../tokens.ts';
import { openBracket, readItems, takeName, takeState, takeStateOrWeight } from './python_values.ts';

/** What entries are of, as their first one shows. */
export type EntryKind = 'pairs' | 'weighted' | 'triples';

/** An entry: `('sep_conv_3x3', 1)`, `('skip_connect', 0, 0.2386)` or `('sep_conv_3x3', 2, 0)`. */
export interface WrittenEntry {
  readonly operation: Token;
  /** What follows: from; from and weight; to and from. */
  readonly numbers: readonly Token[];
}

/** Entries in brackets of their own, or all of a cell. */
export interface WrittenList {
  readonly position: number;
  readonly entries: WrittenEntry[];
}

/** A cell's entries as they are written: in one list, or in a list of lists, one a node. */
export interface WrittenEntries {
  readonly lists: readonly WrittenList[];
  readonly isNested: boolean;
  readonly position: number;
  /** Of the bracket that closes them. */
  readonly end: number;
}

const kindNames: Readonly<Record<EntryKind, string>> = {
  pairs: 'a pair (operation, from)',
  weighted: 'a pair with a weight (operation, from, decimal)',
  triples: 'a triple (operation, to, from)',
};

/** Reads `[('sep_conv_3x3', 1), ...]` or `[[('sep_conv_3x3', 1), ...], ...]`. */
export function readEntries(reader: TokenReader): WrittenEntries {
  const { position } = reader.next;
  const flat: WrittenList = { position, entries: [] };
  const nested: WrittenList[] = [];
  const { position: end } = readItems(reader, () => {
    const { position } = reader.next;
    const close = openBracket(reader);
    const isList = ['(', '[', close].some((symbol) => reader.at(symbol));
    if ((isList ? flat.entries : nested).length > 0) {
      throw reader.fault('edges that are all in a list of their node, or none,', position, `"${reader.next.text}"`);
    }
    if (isList) {
      const entries: WrittenEntry[] = [];
      nested.push({ position, entries });
      reader.rest(close, () => entries.push(readEntry(reader, openBracket(reader))));
    } else {
      flat.entries.push(readEntry(reader, close));
    }
  });
  const isNested = nested.length > 0;
  return { lists: isNested ? nested : [flat], isNested, position, end };
}

/**
 * What the entries of both cells are of: of triples where there is none, as a selection by a threshold may find nothing. Throws
 * ArgumentError where they differ.
 */
export function kindOf(reader: TokenReader, cells: ReadonlyMap<CellType, WrittenEntries>): EntryKind {
  const written = [...cells.values()];
  const entries = written.flatMap(({ lists }) => lists).flatMap((list) => list.entries);
  if (entries.length === 0) return written.some(({ isNested }) => isNested) ? 'pairs' : 'triples';
  const kind = kindOfEntry(entries[0]);
  const other = entries.find((entry) => kindOfEntry(entry) !== kind);
  if (other === undefined) return kind;
  throw reader.fault(
    `${kindNames[kind]}, as the first entry is,`,
    other.operation.position,
    kindNames[kindOfEntry(other)],
  );
}

function kindOfEntry({ numbers }: WrittenEntry): EntryKind {
  if (numbers.length === 1) return 'pairs';
  return numbers[1].kind === 'decimal' ? 'weighted' : 'triples';
}

/** Reads an entry behind the bracket that opens it. */
function readEntry(reader: TokenReader, close: string): WrittenEntry {
  const operation = takeName(reader);
  reader.symbol(',');
  const numbers = [takeState(reader)];
  if (goesOn(reader, close)) {
    numbers.push(takeStateOrWeight(reader));
    goesOn(reader, close);
  }
  reader.symbol(close);
  return { operation, numbers };
}

/** Takes a comma, where there is one; whether something other than the end follows it. */
function goesOn(reader: TokenReader, close: string): boolean {
  if (!reader.at(',')) return false;
  reader.symbol(',');
  return !reader.at(close);
}
