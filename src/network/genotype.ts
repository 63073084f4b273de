import { ArgumentError, invalid } from '../errors.ts';
import { readJson } from './genotype-grammar.ts';
import { formatNni, isNni, readNni } from './genotype-nni.ts';
import { type FoundGenotype, isDictionary, isPython, readDictionary, readPython } from './genotype-python.ts';
import { checkGenotype } from './genotype-rules.ts';
import { genotypes } from './published.ts';

export { genotypes } from './published.ts';

/** One operation on one edge of a cell. */
export interface GenotypeEdge {
  readonly operation: string;
  /** Index of the earlier state that it reads: 0 and 1 are the cell's inputs, 2 the first node. */
  readonly input: number;
}

/** A cell: for each node the edges that enter it, and the states whose concatenation is the cell's output. */
export interface GenotypeCell {
  readonly nodes: readonly (readonly GenotypeEdge[])[];
  readonly concat: readonly number[];
}

/** The outcome of a search: one cell of each type. */
export interface Genotype {
  readonly normal: GenotypeCell;
  readonly reduce: GenotypeCell;
}

/** The forms in which a genotype can be printed. */
export type GenotypeForm = 'python' | 'json' | 'nni';

/**
 * Reads a genotype from a published name (`DARTS_V2`), the originals' Python form (`Genotype(normal=[...], ...)`), the same fields as
 * a dict, the JSON form, or what Microsoft NNI exports. The Python form may stand anywhere in a text, such as a log or a module; of
 * several the last one is taken. Throws ArgumentError with line and column of the fault, of NNI's forms with the key.
 */
export function parseGenotype(text: string): Genotype {
  return findGenotype(text).genotype;
}

/** The same, and how many genotypes the text holds. */
export function findGenotype(text: string): FoundGenotype {
  if (typeof text !== 'string') throw invalid('genotype', 'a text', text);
  const trimmed = text.trim();
  const alone = (genotype: Genotype) => ({ genotype, count: 1, line: 1 });
  if (Object.hasOwn(genotypes, trimmed)) return alone(genotypes[trimmed]);
  const names = Object.keys(genotypes).join(', ');
  if (/^\w*$/.test(trimmed)) {
    throw invalid('genotype', `one of ${names}, or the Python, JSON or NNI form of a genotype`, trimmed);
  }
  // A call within braces is one that a log of JSON lines quotes.
  if (!trimmed.startsWith('{') || isPython(text)) return readPython(text);
  if (isDictionary(text)) return alone(readDictionary(text));
  return alone(isNni(text) ? readNni(text) : readJson(text));
}

/**
 * Prints a genotype so that {@link parseGenotype} reads it back: in the originals' Python form, as JSON on one line,
 * or as the mutation JSON of Microsoft NNI. Throws ArgumentError for a faulty genotype, and for one that the form cannot say: Python's
 * has two edges a node; NNI's seven operations, one an edge, and all nodes concatenated.
 */
export function formatGenotype(genotype: Genotype, form: GenotypeForm = 'python'): string {
  checkGenotype(genotype);
  if (form === 'nni') return formatNni(genotype);
  if (form === 'python') {
    const cells = (['normal', 'reduce'] as const).map((type) => formatPythonCell(type, genotype[type]));
    return `Genotype(${cells.join(', ')})`;
  }
  if (form !== 'json') throw invalid('form', "'python', 'json' or 'nni'", form);
  const cell = ({ nodes, concat }: GenotypeCell) => ({
    nodes: nodes.map((edges) => edges.map(({ operation, input }) => ({ operation, input }))),
    concat,
  });
  return JSON.stringify({ normal: cell(genotype.normal), reduce: cell(genotype.reduce) });
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
