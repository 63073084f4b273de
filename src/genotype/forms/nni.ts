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

/** What candidates are called where nobody names them, as in CDARTS. */
const numbers = Object.keys(operations).map((_, index) => String(index));

/** Nodes of a cell in CDARTS: two cells of them have 36 keys. */
const cdartsNodes = 4;

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
 *   operation on the edge from state 0 to state 3, and which edges enter that state. CDARTS (arXiv:2006.10724) has the same keys, and true or
 *   false for each candidate; numbers in that place are weights;
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
  const cells = { normal, reduce };
  for (const type of choices.hasMasks ? cellTypes : []) {
    const { length } = cells[type].nodes;
    if (length === cdartsNodes) continue;
    throw invalid('genotype', `the 36 keys of cells of ${cdartsNodes} nodes`, `${length} nodes in the ${type} cell`);
  }
  return cells;
}

/**
 * Prints a genotype as the mutation JSON of NNI's DARTS example, in the form that its pull request 2389 gave it: names, and `[]`
 * for what is not chosen. Throws ArgumentError for a genotype that it cannot say.
 */
export function formatNni(genotype: Genotype): string {
  const choices = chosenNodes(genotype).flatMap(({ node, keys, chosen }): [string, unknown][] => [
    ...keys.map((key): [string, unknown] => [key, chosen.get(key) ?? []]),
    // NNI takes the switch as a set; its order keeps ours.
    [`${node}_switch`, [...chosen.keys()]],
  ]);
  return JSON.stringify(Object.fromEntries(choices));
}

/**
 * Prints a genotype as NNI's CDARTS writes it, to the byte: the same keys, true or false for each candidate, Python's indentation by two and
 * no end of line. Throws ArgumentError for a genotype that it cannot say.
 */
export function formatMasks(genotype: Genotype): string {
  const names = Object.keys(operations);
  const nodes = chosenNodes(genotype);
  if (nodes.length !== 2 * cdartsNodes) throw unsayable(`has ${cdartsNodes} nodes a cell in CDARTS`);
  const choices = nodes.flatMap(({ node, keys, chosen }): [string, boolean[]][] => [
    ...keys.map((key): [string, boolean[]] => [key, names.map((name) => name === chosen.get(key))]),
    [`${node}_switch`, keys.map((key) => chosen.has(key))],
  ]);
  return JSON.stringify(Object.fromEntries(choices), null, 2);
}

/** What enters a node: its key, those of its edges, and the operation of each edge that was chosen, in the genotype's order. */
interface ChosenNode {
  readonly node: string;
  readonly keys: readonly string[];
  readonly chosen: ReadonlyMap<string, string>;
}

function chosenNodes(genotype: Genotype): ChosenNode[] {
  if (genotype.cells !== undefined) throw unsayable('has one cell a type, but every cell of this genotype is another');
  if (genotype.recurrent !== undefined)
    throw unsayable('has cells of two inputs, but this genotype has a recurrent one');
  if (genotype.cell !== undefined)
    throw unsayable('has cells of two inputs, but the one cell of this genotype has one');
  if (genotype.entries === 'triples') throw unsayable('has no triples');
  return cellTypes.flatMap((type) => {
    const { nodes, concat } = genotype[type];
    if (concat.length !== nodes.length || concat.some((state, node) => state !== node + 2)) {
      throw unsayable(
        `concatenates all nodes of a cell, but the ${type} cell's output is of states ${concat.join(', ')}`,
      );
    }
    return nodes.map((edges, node) => chosenNode(edges, type, node + 2));
  });
}

function chosenNode(edges: readonly GenotypeEdge[], type: CellType, state: number): ChosenNode {
  const keys = edgeKeys(type, state);
  const chosen = new Map<string, string>();
  for (const { operation, input, weight } of edges) {
    const key = keys[input];
    if (weight !== undefined) throw unsayable(`has no weights, but ${key} would have one`);
    if (chosen.has(key)) throw unsayable(`has one operation an edge, but ${key} would be several`);
    const name = Object.keys(operations).find((candidate) => operations[candidate] === operation);
    if (name === undefined) throw unsayable(`has no '${operation}', which ${key} would be`);
    chosen.set(key, name);
  }
  return { node: nodeKey(type, state), keys, chosen };
}

/** Such as `normal_n3`, of the first node behind the inputs 0, 1 and 2. */
function nodeKey(type: CellType, state: number): string {
  return `${type}_n${state}`;
}

/** The keys of the edges into a state, by their inputs, such as `normal_n3_p0`: in CDARTS those of the rows of alpha, too. */
export function edgeKeys(type: CellType, state: number): string[] {
  return Array.from({ length: state }, (_, input) => `${nodeKey(type, state)}_p${input}`);
}

function unsayable(what: string): ArgumentError {
  return new ArgumentError(`the NNI form ${what}; use the JSON form`);
}

function readMutatedCell(choices: Choices, type: CellType): GenotypeCell {
  const nodes: GenotypeEdge[][] = [];
  do {
    nodes.push(readMutatedNode(choices, type, nodes.length + 2));
  } while (choices.has(`${nodeKey(type, nodes.length + 2)}_`));
  return { nodes, concat: nodes.map((_, node) => node + 2) };
}

function readMutatedNode(choices: Choices, type: CellType, state: number): GenotypeEdge[] {
  const keys = edgeKeys(type, state);
  const node = `${nodeKey(type, state)}_switch`;
  const inputs = choices.take(node, keys);
  if (inputs.length === 0) throw invalid(`genotype.${node}`, 'at least one edge', []);
  // Edges that are not chosen may say what they like, but must be there.
  const taken = keys.map((key) => choices.take(key, Object.keys(operations), numbers));
  return inputs.map(({ index: input, weight: share = 1 }) => {
    const { index, weight = 1 } = onlyChoice(taken[input], keys[input]);
    const edge = { operation: Object.values(operations)[index], input };
    return share * weight === 1 ? edge : { ...edge, weight: share * weight };
  });
}

function readHubCell(choices: Choices, type: CellType): GenotypeCell {
  // Its other spaces have five, and concatenate those that no node reads.
  const nodes = Array.from({ length: hubNodes }, (_, node) => {
    const states = node + 2;
    return [0, 1].map((edge) => {
      const [operationKey, inputKey] = [`${type}/op_${states}_${edge}`, `${type}/input_${states}_${edge}`];
      const earlier = Array.from({ length: states }, (_, state) => String(state));
      const operation = onlyChoice(choices.take(operationKey, hubOperations), operationKey).index;
      const input = onlyChoice(choices.take(inputKey, earlier), inputKey).index;
      return { operation: hubOperations[operation], input };
    });
  });
  return { nodes, concat: nodes.map((_, node) => node + 2) };
}

/** A candidate that was chosen. */
interface Choice {
  readonly index: number;
  /** Of what it gives, where the file has one. */
  readonly weight?: number;
}

function onlyChoice(choices: readonly Choice[], key: string): Choice {
  if (choices.length === 1) return choices[0];
  throw invalid(
    `genotype.${key}`,
    'exactly one choice',
    choices.map(({ index }) => index),
  );
}

/** The keys of an exported architecture, each to be taken once. */
class Choices {
  readonly #text: string;
  readonly #values: Map<string, unknown>;
  #hasMasks = false;

  constructor(text: string) {
    this.#text = text;
    const value = parseObject(text);
    this.#values = new Map(Object.entries(value));
    const twice = duplicateKey(text);
    if (twice !== undefined) throw new ArgumentError(`genotype: expected every key once but found "${twice}" twice`);
  }

  /** Whether a value told of each candidate whether it was chosen. */
  get hasMasks(): boolean {
    return this.#hasMasks;
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
   * The candidates that a key chooses. NNI writes the name of one, its index, a list of either or, at first and in CDARTS, a list with
   * true or false or a weight for each candidate (FixedArchitecture in nni/nas/pytorch/fixed.py reads all of them). `aliases` are other
   * names of the candidates.
   */
  take(key: string, candidates: readonly string[], aliases: readonly string[] = []): readonly Choice[] {
    const value = this.#values.get(key);
    if (!this.#values.delete(key)) throw new ArgumentError(`genotype: expected the key "${key}" but found none`);
    const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
    const indices = entries.map((entry) => {
      return typeof entry === 'string' ? Math.max(candidates.indexOf(entry), aliases.indexOf(entry)) : entry;
    });
    const areIndices = indices.every((index) => isIndex(index, candidates)) && new Set(indices).size === indices.length;
    if (entries.length === candidates.length && (this.#areFloats(key) || !areIndices)) {
      const mask = maskOf(entries);
      this.#hasMasks ||= mask !== undefined;
      if (mask !== undefined) return mask;
    }
    if (areIndices) return (indices as number[]).map((index) => ({ index }));
    throw invalid(`genotype.${key}`, `choices among ${candidates.join(', ')}`, value);
  }

  /** Whether the numbers of a key's list were floats in Python, which JSON does not tell from integers. */
  #areFloats(key: string): boolean {
    const list = new RegExp(`"${key}"\\s*:\\s*\\[([^\\]]*)\\]`).exec(this.#text)?.[1];
    return list?.split(',').every((item) => /^\s*-?\d[\d.]*[.eE]/.test(item)) ?? false;
  }

  /** Throws when a key was not taken. */
  finish(): void {
    for (const key of this.#values.keys()) {
      throw new ArgumentError(`genotype: expected no key beside the choices of both cells but found "${key}"`);
    }
  }
}

/** A flag or a weight for each candidate; undefined where entries are neither. */
function maskOf(entries: readonly unknown[]): Choice[] | undefined {
  if (entries.every((entry) => typeof entry === 'boolean')) {
    return entries.flatMap((isChosen, index) => (isChosen ? [{ index }] : []));
  }
  if (!entries.every((entry) => typeof entry === 'number' && Number.isFinite(entry))) return undefined;
  return (entries as number[]).flatMap((weight, index) =>
    weight === 0 ? [] : [weight === 1 ? { index } : { index, weight }],
  );
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
