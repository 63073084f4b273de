// The originals' Python form of genotypes, in the spellings in which people print, log and keep it.
import { ArgumentError } from '../../errors.ts';
import { type CellType, cellTypes, type Genotype } from '../genotype.ts';
import { type Draft, finish, newDraft, type RecordForm, readFieldsOf } from './draft.ts';
import { kindOf, readEntries, type WrittenEntries } from './python_entries.ts';
import { addPairs, formatPairs } from './python_pairs.ts';
import { addTriples, formatTriples } from './python_triples.ts';
import { isValue, readConcat } from './python_values.ts';
import { formatRecurrent, hasRecurrentFields, readRecurrent } from './recurrent.ts';

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

/** Whether a text has a call of Genotype somewhere. */
export function isPython(text: string): boolean {
  return text.search(commentedCalls) >= 0;
}

/** Whether a text that begins with a brace has the fields of Genotype as its keys. */
export function isDictionary(text: string): boolean {
  return /['"](?:normal|reduce)_concat['"]\s*:|['"]recurrent['"]\s*:\s*[[(]/.test(text);
}

/**
 * Prints a genotype as the published code does, all entries of a cell in one list or, as CDARTS has it (arXiv:2006.10724), a list a node.
 * Throws ArgumentError for one that the form cannot say.
 */
export function formatPython(genotype: Genotype, nested = false): string {
  if (genotype.recurrent !== undefined) {
    if (!nested) return formatRecurrent(genotype);
    throw new ArgumentError(
      'the nested Python form has two cells, but this genotype has a recurrent one; use the Python form',
    );
  }
  if (genotype.cell !== undefined) {
    throw new ArgumentError(
      'the Python form has cells of two inputs, but the one cell of this genotype has one; use the NAS-Bench-201 or JSON form',
    );
  }
  if (genotype.cells !== undefined) {
    throw new ArgumentError(
      'the Python form has one cell a type, but every cell of this genotype is another; use the JSON form',
    );
  }
  const isTriples = genotype.entries === 'triples';
  if (isTriples && nested) throw new ArgumentError('the nested Python form has no triples; use the Python form');
  const cells = cellTypes.map((type) => {
    const { entries, concat } = isTriples ? formatTriples(genotype, type) : formatPairs(genotype, type, nested);
    return `${type}=[${entries.join(', ')}], ${type}_concat=${concat}`;
  });
  return `Genotype(${cells.join(', ')})`;
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
  readFields(draft, call);
  const genotype = finish(draft);
  return { genotype, count, line: text.slice(0, last).split('\n').length };
}

/** Reads the same fields as Python's dict or as JSON. Throws ArgumentError with line and column of the fault. */
export function readDictionary(text: string): Genotype {
  const draft = newDraft(text);
  readFields(draft, dictionary);
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

/** Reads the fields in a record of a form, two of a recurrent cell or four; what the entries are of is seen from themselves. */
function readFields(draft: Draft, form: RecordForm): void {
  const { reader } = draft;
  reader.symbol(form.open);
  if (hasRecurrentFields(draft)) {
    readRecurrent(draft, form);
    return;
  }
  const cells = new Map<CellType, WrittenEntries>();
  const entries = (type: CellType) => () => {
    cells.set(type, readEntries(reader));
  };
  readFieldsOf(reader, form, {
    normal: entries('normal'),
    normal_concat: () => readConcat(draft, 'normal'),
    reduce: entries('reduce'),
    reduce_concat: () => readConcat(draft, 'reduce'),
  });
  if (kindOf(reader, cells) === 'triples') draft.entries = 'triples';
  const add = draft.entries === 'triples' ? addTriples : addPairs;
  for (const [type, written] of cells) add(draft, type, written);
}
