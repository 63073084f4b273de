// Values of Python in the spellings in which people print, log and keep them.
import type { CellKey } from '../genotype.ts';
import type { Token, TokenReader } from '../tokens.ts';
import { cellDraft, type Draft, takeInteger, takeNumber, takeOperation } from './draft.ts';

/** States of a range: a longer one cannot be meant, and would fill the memory before it is compared with the nodes. */
export const longestRange = 1000;
const mostWrappers = 4;

const ranges = /^(?:range|xrange|(?:(?:np|numpy|torch)\.)?arange)$/;
const listWrappers = /^(?:list|tuple|sorted|(?:(?:np|numpy|torch)\.)?(?:array|asarray|tensor))$/;
const integerWrappers = /^(?:(?:np|numpy|torch)\.)?(?:u?int(?:_|c|p|8|16|32|64)?|long|longlong|array|tensor)$/;
const floatWrappers = /^(?:(?:np|numpy|torch)\.)?(?:float(?:_|16|32|64)?|half|single|double)$/;
const stringWrappers = /^(?:(?:np|numpy)\.)?(?:str_?|string_|bytes_|array)$/;

/** What edges or a list of states may begin with. */
export function isValue({ kind, text }: Token): boolean {
  return kind === 'symbol' ? text === '[' || text === '(' : ranges.test(text) || listWrappers.test(text);
}

/** Takes the name of an operation as it is, or as numpy prints it: `np.str_('none')`. */
export function takeName(reader: TokenReader): Token {
  return unwrapped(reader, stringWrappers, () => takeOperation(reader));
}

/** Takes a state as it is, or as numpy 2 and PyTorch print theirs: `np.int64(1)`, `tensor(1, device='cuda:0')`. */
export function takeState(reader: TokenReader): Token {
  return unwrapped(reader, integerWrappers, () => takeInteger(reader));
}

/** Takes a state or a weight, in any such spelling. */
export function takeStateOrWeight(reader: TokenReader): Token {
  const wrappers = floatWrappers.test(reader.next.text) ? floatWrappers : integerWrappers;
  return unwrapped(reader, wrappers, () => takeNumber(reader));
}

/** Reads `[2, 3, 4, 5]`, `(2, 3)`, `range(2, 6)` or either within `list(...)`, `array(...)` and the like. */
export function readConcat(draft: Draft, key: CellKey): void {
  const { reader, positions } = draft;
  const { concat } = cellDraft(draft, key);
  const path = `${key}.concat`;
  const { position } = reader.next;
  const add = (state: number, place: number) => {
    positions.set(`${path}[${concat.length}]`, place);
    concat.push(state);
  };
  unwrapped(reader, listWrappers, () => {
    if (reader.next.kind !== 'name') {
      readItems(reader, () => {
        const state = takeState(reader);
        add(Number(state.text), state.position);
      });
    } else {
      for (const state of readRange(reader)) add(state, position);
    }
  });
  positions.set(path, position);
}

function readRange(reader: TokenReader): number[] {
  const { text, position } = reader.take('name', "'range', '[' or '('");
  if (!ranges.test(text)) throw reader.fault("'range', '[' or '('", position, `"${text.slice(0, 40)}"`);
  const bounds: number[] = [];
  reader.items('(', ')', () => bounds.push(Number(takeState(reader).text)));
  const [begin, end, step = 1] = bounds.length === 1 ? [0, ...bounds] : bounds;
  if (bounds.length < 1 || bounds.length > 3 || step < 1 || end - begin > longestRange) {
    throw reader.fault(
      `a range of at most ${longestRange} states`,
      position,
      `range(${bounds.slice(0, 4).join(', ')})`,
    );
  }
  const states: number[] = [];
  for (let state = begin; state < end; state += step) states.push(state);
  return states;
}

/** Reads what may be the first argument of calls, such as `list(np.array([2, 3], dtype=int64))`; their other arguments mean nothing. */
function unwrapped<T>(reader: TokenReader, wrappers: RegExp, read: () => T): T {
  let depth = 0;
  for (; depth < mostWrappers && reader.next.kind === 'name' && wrappers.test(reader.next.text); depth++) {
    reader.take('name', '');
    reader.symbol('(');
  }
  const value = read();
  for (; depth > 0; depth--) {
    while (reader.at(',')) {
      reader.symbol(',');
      if (!reader.at(')')) readKeyword(reader);
    }
    reader.symbol(')');
  }
  return value;
}

function readKeyword(reader: TokenReader): void {
  reader.take('name', "a keyword or ')'");
  reader.symbol('=');
  const { kind } = reader.next;
  reader.take(kind === 'string' || kind === 'integer' ? kind : 'name', 'a value');
}

/** Reads the items of a list or of a tuple; returns the token that closes it. */
export function readItems(reader: TokenReader, item: () => void): Token {
  return reader.rest(openBracket(reader), item);
}

/** Takes the bracket of a list or of a tuple; returns the one that closes it. */
export function openBracket(reader: TokenReader): string {
  if (reader.at('(')) {
    reader.symbol('(');
    return ')';
  }
  reader.symbol('[');
  return ']';
}

/** States in a row as a range, others as a list. */
export function formatStates(states: readonly number[]): string {
  const isRange = states.every((state, index) => state === states[0] + index);
  return isRange ? `range(${states[0]}, ${states[0] + states.length})` : `[${states.join(', ')}]`;
}

/** A name in quotes. */
export function quoteName(name: string): string {
  return `'${name.replace(/[\\']/g, '\\$&')}'`;
}
