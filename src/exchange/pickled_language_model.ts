// A whole language model as the published code of DARTS (arXiv:1806.09055) pickles it: what it was built from. Its tensors are found as those of
// any module (tensor_paths.ts). Nothing of the file is run; objects are records of attributes, and modules of other classes are refused.
import type { RecurrentGenotype } from '../genotype/genotype.ts';
import { findFault } from '../genotype/rules.ts';
import { Opaque } from '../io/unpickle.ts';
import { type LanguageModelDropouts, languageModelNames } from '../network/language_model.ts';
import { dropoutNames, isDropout } from './language_metadata.ts';
import { TensorReference } from './torch_names.ts';

/** What such a model was built from. */
export interface PickledLanguageModel {
  /** Absent of a search's. */
  readonly genotype?: RecurrentGenotype;
  readonly dropouts: LanguageModelDropouts;
}

/** Classes of models with those of their cells. */
const cellClasses: Readonly<Record<string, string>> = {
  'model.RNNModel': 'model.DARTSCell',
  'model_search.RNNModelSearch': 'model_search.DARTSCellSearch',
};

/** What lies within models. */
const partClasses = new Set([
  ...Object.values(cellClasses),
  'utils.LockedDropout',
  'torch.nn.modules.sparse.Embedding',
  'torch.nn.modules.linear.Linear',
  'torch.nn.modules.container.ModuleList',
  'torch.nn.modules.container.ParameterList',
  'torch.nn.modules.batchnorm.BatchNorm1d',
]);

/** What range becomes: under protocol 2, and in later ones. */
const rangeClasses = ['__builtin__.xrange', 'builtins.range'];

/** A model holds a list of cells, a cell a list of weights. */
const deepest = 4;
const mostParts = 10_000;
const mostNodes = 1000;

type Attributes = ReadonlyMap<unknown, unknown>;

/** What a whole model in a file tells; undefined for any other object. Throws Error for one that is not as the published code makes them. */
export function pickledLanguageModel(root: unknown): PickledLanguageModel | undefined {
  if (!(root instanceof Opaque) || !hasParts(root)) return undefined;
  if (!Object.hasOwn(cellClasses, root.name)) {
    const classes = Object.keys(cellClasses).join(' or ');
    throw new Error(`expected a language model of the class ${classes} but got ${shown(root)}, which is not known`);
  }
  checkParts(root);
  const cell = at(root, '_modules', 'rnns', '_modules', '0');
  if (!(cell instanceof Opaque) || cell.name !== cellClasses[root.name]) {
    throw new Error(`expected a cell of the class ${cellClasses[root.name]} but got ${shown(cell)}`);
  }
  checkSizes(root, cell);
  const dropouts = Object.fromEntries(
    dropoutNames.map((name) => [name, dropoutOf(name === 'dropoutx' || name === 'dropouth' ? cell : root, name)]),
  ) as Record<keyof LanguageModelDropouts, number>;
  const genotype = attributesOf(cell).get('genotype') ?? null;
  const isSearched = root.name === 'model_search.RNNModelSearch';
  return { ...(!isSearched && { genotype: genotypeOf(genotype) }), dropouts };
}

/** Whether an object is a whole language model, sound or not. */
export function isPickledLanguageModel(root: unknown): boolean {
  return root instanceof Opaque && hasParts(root);
}

function hasParts(root: Opaque): boolean {
  const modules = attributesOf(root).get('_modules');
  const { embedding, decoder } = languageModelNames;
  return modules instanceof Map && [embedding, 'rnns', decoder].every((name) => modules.has(name));
}

/** Every module is of a class that is known, and every parameter and buffer a tensor. */
function checkParts(root: Opaque): void {
  let count = 0;
  const entries = (module: Opaque, kind: string) => {
    const table = attributesOf(module).get(kind);
    const found = table instanceof Map ? table : new Map<unknown, unknown>();
    // Tables and modules may be shared, so that a short file has any number of them.
    count += found.size;
    if (count > mostParts) throw new Error(`expected at most ${mostParts} modules and tensors`);
    return found;
  };
  const visit = (module: Opaque, path: string, depth: number) => {
    if (depth > deepest) throw new Error(`expected modules of at most ${deepest} levels but got ${path}`);
    for (const [name, tensor] of [...entries(module, '_parameters'), ...entries(module, '_buffers')]) {
      // A batch normalisation without an affine part has neither weight nor bias.
      if (tensor === null || tensor instanceof TensorReference) continue;
      throw new Error(`expected a tensor as ${path}${shown(name)} but got ${shown(tensor)}, which is not run`);
    }
    for (const [name, part] of entries(module, '_modules')) {
      if (!(part instanceof Opaque) || !partClasses.has(part.name)) {
        throw new Error(`expected a known module as ${path}${shown(name)} but got ${shown(part)}, which is not run`);
      }
      visit(part, `${path}${shown(name)}.`, depth + 1);
    }
  };
  visit(root, '', 0);
}

function checkSizes(root: Opaque, cell: Opaque): void {
  const table = at(root, '_modules', languageModelNames.embedding, '_parameters', 'weight');
  const [words, size] = table instanceof TensorReference ? table.shape : [];
  const told = [root, root, cell].map((module, i) => attributesOf(module).get(['ntoken', 'ninp', 'nhid'][i]));
  if (told[0] === words && told[1] === size && told[2] === size) return;
  const names = 'encoder.weight of [ntoken, ninp], and nhid equal to ninp';
  throw new Error(`expected ${names} but got [${words}, ${size}] and ${told.map(shown).join(', ')}`);
}

function dropoutOf(module: Opaque, name: string): number {
  const rate = attributesOf(module).get(name);
  if (isDropout(rate)) return rate;
  throw new Error(`expected ${name} from 0 to below 1 but got ${shown(rate)}`);
}

/** Genotype(recurrent, concat) as the file has it. */
function genotypeOf(value: unknown): RecurrentGenotype {
  if (!(value instanceof Opaque) || value.name !== 'genotypes.Genotype') {
    throw new Error(`expected the cell's genotype, of the class genotypes.Genotype, but got ${shown(value)}`);
  }
  const [recurrent, concat] = value.args;
  const nodes = (Array.isArray(recurrent) ? recurrent.slice(0, mostNodes) : []).map((pair) => [
    { operation: Array.isArray(pair) ? pair[0] : undefined, input: Array.isArray(pair) ? pair[1] : undefined },
  ]);
  const genotype = { recurrent: { nodes, concat: statesOf(concat) } };
  const fault = findFault(genotype);
  if (fault === undefined) return genotype;
  throw new Error(`expected ${fault.expectation} as the genotype's ${fault.path} but got ${shown(fault.actual)}`);
}

function statesOf(value: unknown): number[] {
  if (Array.isArray(value)) return value.slice(0, mostNodes);
  const [start, stop, step] = value instanceof Opaque && rangeClasses.includes(value.name) ? value.args : [];
  const bounds = [start, stop, step];
  const count = Math.ceil((Number(stop) - Number(start)) / Number(step));
  if (!bounds.every(Number.isSafeInteger) || !(count >= 1 && count <= mostNodes)) {
    throw new Error(`expected a list or a range of 1 to ${mostNodes} states as the genotype's concat`);
  }
  return Array.from({ length: count }, (_, i) => Number(start) + i * Number(step));
}

function attributesOf({ state }: Opaque): Attributes {
  return state instanceof Map ? state : new Map();
}

/** What lies behind some keys: attributes of objects and entries of dicts in turn. */
function at(root: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce<unknown>((value, key) => {
    const table = value instanceof Opaque ? value.state : value;
    return table instanceof Map ? table.get(key) : undefined;
  }, root);
}

/** For messages. */
function shown(value: unknown): string {
  if (value instanceof Opaque) return `an object of ${shown(value.name)}`;
  if (value instanceof TensorReference) return 'a tensor';
  if (value instanceof Map) return 'a dict';
  if (Array.isArray(value)) return 'a list';
  return String(value)
    .slice(0, 100)
    .replace(/\p{Cc}/gu, '?');
}
