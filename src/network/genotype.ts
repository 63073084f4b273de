import { ArgumentError, invalid } from '../errors.ts';
import { readJson, readPython } from './genotype-grammar.ts';
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

/**
 * Reads a genotype from a published name (`DARTS_V2`), the originals' Python form (`Genotype(normal=[...], ...)`, also with
 * `name =` before it, as their logs print it) or the JSON form. Throws ArgumentError with line and column of the fault.
 */
export function parseGenotype(text: string): Genotype {
  if (typeof text !== 'string') throw invalid('genotype', 'a text', text);
  const trimmed = text.trim();
  if (Object.hasOwn(genotypes, trimmed)) return genotypes[trimmed];
  const names = Object.keys(genotypes).join(', ');
  if (/^\w*$/.test(trimmed)) {
    throw invalid('genotype', `one of ${names}, or the Python or JSON form of a genotype`, trimmed);
  }
  return trimmed.startsWith('{') ? readJson(text) : readPython(text);
}

/**
 * Prints a genotype so that {@link parseGenotype} reads it back: in the originals' Python form, or as JSON on one line.
 * Throws ArgumentError for a faulty genotype, and for one that the Python form, with its two edges a node, cannot say.
 */
export function formatGenotype(genotype: Genotype, form: 'python' | 'json' = 'python'): string {
  checkGenotype(genotype);
  if (form === 'python') {
    const cells = (['normal', 'reduce'] as const).map((type) => formatPythonCell(type, genotype[type]));
    return `Genotype(${cells.join(', ')})`;
  }
  if (form !== 'json') throw invalid('form', "'python' or 'json'", form);
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
