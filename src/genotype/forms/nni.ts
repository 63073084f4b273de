import { ArgumentError, invalid } from '../../errors.ts';
import { duplicateKey } from '../../io/json_keys.ts';
import { type CellType, cellTypes, type Genotype, type GenotypeCell, type GenotypeEdge } from '../genotype.ts';

/** NNI's candidates on an edge, in its order, with our names of them. */
const operations: Readonly<Record<string, string>> = {
  maxpool: 'max_pool_3x3',
  avgpool: 'avg_pool_3x3',
  skipconnect: 'skip_connect',
  sepconv3x3: 'sep_conv_3x3',
  sepconv5x5: 'sep_conv_5x5',
  dilconv3x3: 'dil_conv_3x3',
  dilconv5x5: 'dil_conv_5x5',
};

/** The candidates of the DARTS space in NNI's hub, in its order; their names are ours. */
const hubOperations = ['none', ...Object.values(operations)];
const hubNodes = 4;

const anyKey = /"(?:normal|reduce)(?:_n\d+_(?:p\d+|switch)|\/(?:op|input)_\d+_\d+)"\s*:/;

/** Whether a text has a key of NNI's forms, and so is none of ours. */
export function isNni(text: string): boolean {
  return anyKey.test(text);
}

/**
 * Reads an architecture that Microsoft NNI exported (github.com/microsoft/nni), which names the choice made at each place:
 *
 * - `normal_n3_p0`, `normal_n3_switch` of the DARTS example (examples/nas/darts/model.py, later examples/nas/oneshot/darts): the
 *   operation on the edge from state 0 to state 3, and which edges enter that state;
 * - `normal/op_3_0`, `normal/input_3_0` of the DARTS space in the hub (nni/retiarii/hub/pytorch/nasnet.py, later nni/nas/hub): the
 *   operation and the source of the first edge that enters state 3. Sizes beside them are passed over.
 *
 * Both concatenate all nodes. Throws ArgumentError that names the key at fault.
 */
export function readNni(text: string): Genotype {
  const choices = new Choices(text);
  const isHub = choices.has('normal/') || choices.has('reduce/');
  const [normal, reduce] = cellTypes.map((type) => (isHub ? readHubCell : readMutatedCell)(choices, type));
  if (isHub) for (const size of ['width', 'depth', 'num_cells']) choices.drop(size);
  choices.finish();
  return { normal, reduce };
}

/**
 * Prints a genotype as the mutation JSON of NNI's DARTS example, in the form that its pull request 2389 gave it: names, and `[]`
 * for what is not chosen. Throws ArgumentError for a genotype that it cannot say.
 */
export function formatNni(genotype: Genotype): string {
  if (genotype.cells !== undefined) throw unsayable('has one cell a type, but every cell of this genotype is another');
  if (genotype.cell !== undefined)
    throw unsayable('has cells of two inputs, but the one cell of this genotype has one');
  if (genotype.entries === 'triples') throw unsayable('has no triples');
  const choices = cellTypes.flatMap((type) => {
    const { nodes, concat } = genotype[type];
    if (concat.length !== nodes.length || concat.some((state, node) => state !== node + 2)) {
      throw unsayable(
        `concatenates all nodes of a cell, but the ${type} cell's output is of states ${concat.join(', ')}`,
      );
    }
    return nodes.flatMap((edges, node) => formatNode(edges, `${type}_n${node + 2}`, node + 2));
  });
  return JSON.stringify(Object.fromEntries(choices));
}

function formatNode(edges: readonly GenotypeEdge[], node: string, states: number): [string, unknown][] {
  const keys = Array.from({ length: states }, (_, input) => `${node}_p${input}`);
  const chosen = new Map<string, string>();
  for (const { operation, input, weight } of edges) {
    const key = keys[input];
    if (weight !== undefined) throw unsayable(`has no weights, but ${key} would have one`);
    if (chosen.has(key)) throw unsayable(`has one operation an edge, but ${key} would be several`);
    const name = Object.keys(operations).find((candidate) => operations[candidate] === operation);
    if (name === undefined) throw unsayable(`has no '${operation}', which ${key} would be`);
    chosen.set(key, name);
  }
  // NNI takes the switch as a set; its order keeps ours.
  return [
    ...keys.map((key): [string, unknown] => [key, chosen.get(key) ?? []]),
    [`${node}_switch`, [...chosen.keys()]],
  ];
}

function unsayable(what: string): ArgumentError {
  return new ArgumentError(`the NNI form ${what}; use the JSON form`);
}

function readMutatedCell(choices: Choices, type: CellType): GenotypeCell {
  const nodes: GenotypeEdge[][] = [];
  do {
    const state = nodes.length + 2;
    nodes.push(readMutatedNode(choices, `${type}_n${state}`, state));
  } while (choices.has(`${type}_n${nodes.length + 2}_`));
  return { nodes, concat: nodes.map((_, node) => node + 2) };
}

function readMutatedNode(choices: Choices, node: string, states: number): GenotypeEdge[] {
  const keys = Array.from({ length: states }, (_, input) => `${node}_p${input}`);
  const inputs = choices.take(`${node}_switch`, keys);
  if (inputs.length === 0) throw invalid(`genotype.${node}_switch`, 'at least one edge', inputs);
  // Edges that are not chosen may say what they like, but must be there.
  const taken = keys.map((key) => choices.take(key, Object.keys(operations)));
  return inputs.map((input) => {
    return { operation: Object.values(operations)[onlyChoice(taken[input], keys[input])], input };
  });
}

function readHubCell(choices: Choices, type: CellType): GenotypeCell {
  // Its other spaces have five, and concatenate those that no node reads.
  const nodes = Array.from({ length: hubNodes }, (_, node) => {
    const states = node + 2;
    return [0, 1].map((edge) => {
      const [operationKey, inputKey] = [`${type}/op_${states}_${edge}`, `${type}/input_${states}_${edge}`];
      const earlier = Array.from({ length: states }, (_, state) => String(state));
      const operation = onlyChoice(choices.take(operationKey, hubOperations), operationKey);
      return { operation: hubOperations[operation], input: onlyChoice(choices.take(inputKey, earlier), inputKey) };
    });
  });
  return { nodes, concat: nodes.map((_, node) => node + 2) };
}

function onlyChoice(indices: readonly number[], key: string): number {
  if (indices.length !== 1) throw invalid(`genotype.${key}`, 'exactly one choice', indices);
  return indices[0];
}

/** The keys of an exported architecture, each to be taken once. */
class Choices {
  readonly #values: Map<string, unknown>;

  constructor(text: string) {
    const value = parseObject(text);
    this.#values = new Map(Object.entries(value));
    const twice = duplicateKey(text);
    if (twice !== undefined) throw new ArgumentError(`genotype: expected every key once but found "${twice}" twice`);
  }

  /** Whether a key that begins so is left. */
  has(prefix: string): boolean {
    for (const key of this.#values.keys()) if (key.startsWith(prefix)) return true;
    return false;
  }

  drop(key: string): void {
    this.#values.delete(key);
  }

  /**
   * The candidates that a key chooses, by index. NNI writes the name of one, its index, a list of either or, at first, a list with
   * true or false for each candidate (FixedArchitecture in nni/nas/pytorch/fixed.py reads all of them).
   */
  take(key: string, candidates: readonly string[]): readonly number[] {
    const value = this.#values.get(key);
    if (!this.#values.delete(key)) throw new ArgumentError(`genotype: expected the key "${key}" but found none`);
    const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (entries.length === candidates.length && entries.every((entry) => typeof entry === 'boolean')) {
      return candidates.flatMap((_, index) => (entries[index] ? [index] : []));
    }
    const indices = entries.map((entry) => (typeof entry === 'string' ? candidates.indexOf(entry) : entry));
    if (indices.every((index) => isIndex(index, candidates)) && new Set(indices).size === indices.length) {
      return indices as number[];
    }
    throw invalid(`genotype.${key}`, `choices among ${candidates.join(', ')}`, value);
  }

  /** Throws when a key was not taken. */
  finish(): void {
    for (const key of this.#values.keys()) {
      throw new ArgumentError(`genotype: expected no key beside the choices of both cells but found "${key}"`);
    }
  }
}

function isIndex(value: unknown, { length }: readonly string[]): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < length;
}

function parseObject(text: string): object {
  try {
    // It begins with a brace, so that it is an object or no JSON.
    return JSON.parse(text) as object;
  } catch (error) {
    throw new ArgumentError(`genotype: expected JSON, as NNI writes it: ${(error as Error).message}`, { cause: error });
  }
}
