// The originals' Python form of genotypes, in the spellings in which people print, log and keep it.
import { ArgumentError } from '../../errors.ts';
import type { CellType, Genotype, GenotypeCell, GenotypeEdge } from '../genotype.ts';
import type { Token, TokenReader } from '../tokens.ts';
import { type Draft, finish, newDraft, type RecordForm, readInteger, readOperation, readRecord } from './draft.ts';

/** The genotype that a text means. */
export interface FoundGenotype {
  readonly genotype: Genotype;
  /** How many the text holds, as a log or a module does; the last one is meant. */
  readonly count: number;
  /** Of the text, from 1, where it begins. */
  readonly line: number;
}

const call: RecordForm = { open: '(', close: ')', key: 'name', separator: '=', isValue };
const dictionary: RecordForm = { open: '{', close: '}', key: 'string', separator: ':' };

/** Calls of Genotype, no definition of it; lines of comments are matched so that calls in them are not. */
const calls = /^[^\S\n]*#.*|(?<!\b(?:class|def)[^\S\n]{1,8})\bGenotype\s*\(/gm;
const commentedCalls = /\bGenotype\s*\(/g;

// A longer range cannot be meant, and would fill the memory before it is compared with the nodes.
const longestRange = 1000;
const mostWrappers = 4;

const ranges = /^(?:range|xrange|(?:(?:np|numpy|torch)\.)?arange)$/;
const listWrappers = /^(?:list|tuple|sorted|(?:(?:np|numpy|torch)\.)?(?:array|asarray|tensor))$/;
const integerWrappers = /^(?:(?:np|numpy|torch)\.)?(?:u?int(?:_|c|p|8|16|32|64)?|long|longlong|array|tensor)$/;
const stringWrappers = /^(?:(?:np|numpy)\.)?(?:str_?|string_|bytes_|array)$/;

/** Whether a text has a call of Genotype somewhere. */
export function isPython(text: string): boolean {
  return text.search(commentedCalls) >= 0;
}

/** Whether a text that begins with a brace has the fields of Genotype as its keys. */
export function isDictionary(text: string): boolean {
  return /['"](?:normal|reduce)_concat['"]\s*:/.test(text);
}

/** Prints a genotype as the published code does. Throws ArgumentError for nodes of other than two edges. */
export function formatPython(genotype: Genotype): string {
  const cells = (['normal', 'reduce'] as const).map((type) => formatPythonCell(type, genotype[type]));
  return `Genotype(${cells.join(', ')})`;
}

function formatPythonCell(type: 'normal' | 'reduce', { nodes, concat }: GenotypeCell): string {
  const other = nodes.findIndex((edges) => edges.length !== 2);
  if (other >= 0) {
    throw new ArgumentError(
      `the Python form has two edges a node, but node ${other} of the ${type} cell has ${nodes[other].length}; use the JSON form`,
    );
  }
  const edges = nodes.flat().map(({ operation, input }) => `('${operation.replace(/[\\']/g, '\\$&')}', ${input})`);
  const contiguous = concat.every((state, index) => state === concat[0] + index);
  const states = contiguous ? `range(${concat[0]}, ${concat[0] + concat.length})` : `[${concat.join(', ')}]`;
  return `${type}=[${edges.join(', ')}], ${type}_concat=${states}`;
}

/**
 * Reads the last `Genotype(...)` of a text; what stands before and after it is passed over. Throws ArgumentError with line and
 * column of the fault.
 */
export function readPython(text: string): FoundGenotype {
  const { count, last } = findCalls(text);
  const draft = newDraft(text, last);
  const { reader } = draft;
  const start = "'Genotype', '{' or a published name";
  const name = reader.take('name', start);
  if (count === 0 && reader.at('=')) {
    reader.symbol('=');
    reader.take('name', "'Genotype'", 'Genotype');
  } else if (name.text !== 'Genotype') {
    throw reader.fault(start, name.position, `"${name.text.slice(0, 40)}"`);
  }
  readRecord(reader, call, fieldsOf(draft));
  const genotype = finish(draft);
  return { genotype, count, line: text.slice(0, last).split('\n').length };
}

/** Reads the same fields as Python's dict or as JSON. Throws ArgumentError with line and column of the fault. */
export function readDictionary(text: string): Genotype {
  const draft = newDraft(text);
  readRecord(draft.reader, dictionary, fieldsOf(draft));
  draft.reader.take('end', 'nothing more');
  return finish(draft);
}

function findCalls(text: string): { count: number; last: number } {
  const found = { count: 0, last: 0 };
  for (const pattern of [calls, commentedCalls]) {
    for (const { 0: match, index } of text.matchAll(pattern)) {
      if (!match.startsWith('Genotype')) continue;
      found.count++;
      found.last = index;
    }
    if (found.count > 0) break;
  }
  return found;
}

function fieldsOf(draft: Draft): Readonly<Record<string, () => void>> {
  return {
    normal: () => readEdges(draft, 'normal'),
    normal_concat: () => readConcat(draft, 'normal'),
    reduce: () => readEdges(draft, 'reduce'),
    reduce_concat: () => readConcat(draft, 'reduce'),
  };
}

/** Reads `[('sep_conv_3x3', 1), ...]`, two edges a node, or `[[('sep_conv_3x3', 1), ...], ...]`, a list a node. */
function readEdges(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { nodes } = draft[type];
  let flat = 0;
  positions.set(`${type}.nodes`, reader.next.position);
  const end = readItems(reader, () => {
    const { position } = reader.next;
    const close = openBracket(reader);
    const isNode = ['(', '[', close].some((symbol) => reader.at(symbol));
    if (isNode ? flat > 0 : flat < nodes.length) {
      throw reader.fault('edges that are all in a list of their node, or none,', position, `"${reader.next.text}"`);
    }
    if (isNode) {
      const edges: GenotypeEdge[] = [];
      const path = `${type}.nodes[${nodes.length}]`;
      positions.set(path, position);
      nodes.push(edges);
      reader.rest(close, () => edges.push(readEdge(draft, openBracket(reader), `${path}[${edges.length}]`)));
    } else {
      const [node, index] = [flat >> 1, flat & 1];
      if (index === 0) nodes.push([]);
      nodes[node].push(readEdge(draft, close, `${type}.nodes[${node}][${index}]`));
      flat++;
    }
  });
  if (flat % 2 !== 0) {
    throw reader.fault('an even number of edges, two a node,', end.position, `the end of ${flat}`);
  }
}

/** Reads `'sep_conv_3x3', 1)` behind the bracket that opens it. */
function readEdge(draft: Draft, close: string, path: string): GenotypeEdge {
  const { reader } = draft;
  const operation = unwrapped(reader, stringWrappers, () => readOperation(draft, path));
  reader.symbol(',');
  const input = readState(draft, `${path}.input`);
  if (reader.at(',')) reader.symbol(',');
  reader.symbol(close);
  return { operation, input };
}

/** Reads `[2, 3, 4, 5]`, `(2, 3)`, `range(2, 6)` or either within `list(...)`, `array(...)` and the like. */
function readConcat(draft: Draft, type: CellType): void {
  const { reader, positions } = draft;
  const { concat } = draft[type];
  const path = `${type}.concat`;
  const { position } = reader.next;
  unwrapped(reader, listWrappers, () => {
    if (reader.next.kind !== 'name') {
      readItems(reader, () => concat.push(readState(draft, `${path}[${concat.length}]`)));
      return;
    }
    for (const state of readRange(draft, path)) {
      positions.set(`${path}[${concat.length}]`, position);
      concat.push(state);
    }
  });
  positions.set(path, position);
}

function readRange(draft: Draft, path: string): number[] {
  const { reader } = draft;
  const { text, position } = reader.take('name', "'range', '[' or '('");
  if (!ranges.test(text)) throw reader.fault("'range', '[' or '('", position, `"${text.slice(0, 40)}"`);
  const bounds: number[] = [];
  reader.items('(', ')', () => bounds.push(readState(draft, path)));
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

/** A number as it is, or as numpy 2 and PyTorch print theirs: `np.int64(1)`, `tensor(1, device='cuda:0')`. */
function readState(draft: Draft, path: string): number {
  return unwrapped(draft.reader, integerWrappers, () => readInteger(draft, path));
}

/** What edges or a list of states may begin with. */
function isValue({ kind, text }: Token): boolean {
  return kind === 'symbol' ? text === '[' || text === '(' : ranges.test(text) || listWrappers.test(text);
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

function readItems(reader: TokenReader, item: () => void) {
  return reader.rest(openBracket(reader), item);
}

/** Takes the bracket of a list or of a tuple; returns the one that closes it. */
function openBracket(reader: TokenReader): string {
  if (reader.at('(')) {
    reader.symbol('(');
    return ')';
  }
  reader.symbol('[');
  return ']';
}
