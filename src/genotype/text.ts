import { checkOptions } from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { suggestion } from '../suggest.ts';
import { formatJson, readJson } from './forms/json.ts';
import { formatStructure, hasStructure, readStructure } from './forms/nasbench201.ts';
import { hasNestedLists, readNestedLists } from './forms/nested_lists.ts';
import { formatMasks, formatNni, isNni, readNni } from './forms/nni.ts';
import {
  type FoundGenotype,
  formatPython,
  isDictionary,
  isPython,
  readDictionary,
  readPython,
} from './forms/python.ts';
import { formatStages, isStages, readStages } from './forms/stages.ts';
import type { Genotype } from './genotype.ts';
import { publishedGenotypes } from './published.ts';
import { checkGenotype } from './rules.ts';

/** The forms in which a genotype can be printed. */
export type GenotypeForm = 'python' | 'python-nested' | 'json' | 'nni' | 'nni-masks' | 'nasbench201' | 'stages';

/** How a text is read. */
export interface ParseOptions {
  /** Cells of the network that it is for, at least 3: over these the stages of a cell file are spread where they differ. 20 when absent. */
  readonly layers?: number;
}

/**
 * Reads a genotype from a published name (`DARTS_V2`), the originals' Python form (`Genotype(normal=[...], ...)`, of a
 * recurrent cell `Genotype(recurrent=[...], ...)`), the same fields as a dict, the nested lists that StacNAS' code logs, the strings of
 * NAS-Bench-201 (`|op~0|+|op~0|op~1|+...`), the JSON form, what Microsoft NNI exports, or a cell file of CDARTS' authors, a text for each of
 * three stages. Python's forms and NAS-Bench-201's may stand anywhere in a text, such as a log or a module; of several the last one is taken.
 * Whether it is of pairs, of pairs with weights or of triples is seen from its entries. Throws ArgumentError with line and column of the
 * fault, of NNI's forms with the key.
 */
export function parseGenotype(text: string, options: ParseOptions = {}): Genotype {
  return findGenotype(text, options).genotype;
}

/** The same, and how many genotypes the text holds. */
export function findGenotype(text: string, options: ParseOptions = {}): FoundGenotype {
  checkOptions('options', options, ['layers']);
  if (typeof text !== 'string') throw invalid('genotype', 'a text', text);
  const trimmed = text.trim();
  const alone = (genotype: Genotype) => ({ genotype, count: 1, line: 1 });
  if (Object.hasOwn(publishedGenotypes, trimmed)) return alone(publishedGenotypes[trimmed]);
  if (/^\w*$/.test(trimmed)) {
    const forms = 'a published name such as DARTS_V2, or the Python, JSON, NNI or NAS-Bench-201 form of a genotype';
    const { message } = invalid('genotype', forms, trimmed);
    throw new ArgumentError(message + suggestion(trimmed, Object.keys(publishedGenotypes)));
  }
  if (isStages(text)) return alone(readStages(text, options.layers));
  if (!isPython(text) && hasStructure(text)) return readStructure(text);
  if (!isPython(text) && hasNestedLists(text)) return readNestedLists(text);
  // A call within braces is one that a log of JSON lines quotes.
  if (!trimmed.startsWith('{') || isPython(text)) return readPython(text);
  if (isDictionary(text)) return alone(readDictionary(text));
  return alone(isNni(text) ? readNni(text) : readJson(text));
}

/**
 * Prints a genotype so that {@link parseGenotype} reads it back: in the originals' Python form, as JSON on one line,
 * as the mutation JSON of Microsoft NNI, in names or as its CDARTS writes it (`nni-masks`, without an end of line), or as the string of
 * NAS-Bench-201; one of one cell in that when no form is given. `python-nested` has a list a node, as CDARTS prints it, and `stages` is a cell
 * file of its authors. Throws
 * ArgumentError for a faulty genotype, and for one that the form cannot say: Python's has weights on all edges or none, and two edges a node
 * unless it is nested, or triples without weights; NNI's seven operations, one an edge and without a weight, and all nodes concatenated,
 * with masks four of them; NAS-Bench-201's one cell without weights.
 */
export function formatGenotype(genotype: Genotype, form?: GenotypeForm): string {
  checkGenotype(genotype);
  return formatIn(form ?? (genotype.cell === undefined ? 'python' : 'nasbench201'), genotype);
}

function formatIn(form: GenotypeForm, genotype: Genotype): string {
  if (form === 'nni') return formatNni(genotype);
  if (form === 'nni-masks') return formatMasks(genotype);
  if (form === 'python-nested') return formatPython(genotype, true);
  if (form === 'python') return formatPython(genotype);
  if (form === 'nasbench201') return formatStructure(genotype);
  if (form === 'stages') return formatStages(genotype);
  if (form !== 'json')
    throw invalid('form', "'python', 'python-nested', 'json', 'nni', 'nni-masks', 'nasbench201' or 'stages'", form);
  return formatJson(genotype);
}

/**
 * The form in which a genotype's originals print it, Python's or that of NAS-Bench-201; undefined for a genotype that it has no words for,
 * such as pairs with other than two edges a node.
 */
export function originalForm(genotype: Genotype): string | undefined {
  try {
    return formatGenotype(genotype);
  } catch (error) {
    if (error instanceof ArgumentError) return undefined;
    throw error;
  }
}
