// The nodes of a graph as one array of numbers: read in a hundredth of the time that objects take, on the event loop's thread.
import type { Node } from '../../graph/graph.ts';

/** Where a parameter lies in the arenas of its role, in elements. */
export type Place = readonly [offset: number, size: number];

/** The places of a node's parameters; absent where it has none. */
export interface Places {
  readonly weight?: Place;
  readonly bias?: Place;
  readonly runningMean?: Place;
  readonly runningVariance?: Place;
  readonly alpha?: Place;
}

/** Nodes as read_graph (native/binding/graph.cc) takes them. */
export interface EncodedNodes {
  /** How many nodes there are, then each node's numbers. */
  readonly numbers: Float64Array;
  /** Names of the ops that the numbers index. */
  readonly ops: readonly string[];
  /** Names of the input nodes, in their order. */
  readonly inputs: readonly string[];
}

/** Every field that any op has, so that one order serves all. */
type Fields = { readonly op: string; readonly inputs: readonly number[]; readonly shape: readonly number[] } & Partial<
  Record<'kernel' | 'stride' | 'padding' | 'dilation', readonly number[]> &
    Record<'groups' | 'epsilon' | 'momentum' | 'top' | 'left' | 'rate' | 'number' | 'smoothing', number> & {
      readonly countIncludePad: boolean;
      readonly drops: string;
      readonly weights: readonly number[];
      readonly activation: string;
      readonly branches: readonly { readonly begin: number; readonly end: number; readonly output: number }[];
    }
>;

/** Writes all nodes; `placesOf` resolves the parameters that one names. */
export function encodeNodes(nodes: readonly Node[], placesOf: (node: Node) => Places): EncodedNodes {
  const ops: string[] = [];
  const inputs: string[] = [];
  const numbers = new NumberWriter(nodes.length * numbersPerNode);
  numbers.put(nodes.length);
  for (const node of nodes) {
    if (!ops.includes(node.op)) ops.push(node.op);
    if (node.op === 'input') inputs.push(node.name);
    writeNode(numbers, ops.indexOf(node.op), node as Fields, placesOf(node));
  }
  return { numbers: numbers.written(), ops, inputs };
}

/** What a node takes but for the longest lists. */
const numbersPerNode = 48;

/** An array that grows as it is written. */
class NumberWriter {
  #values: Float64Array;
  #count = 0;

  constructor(room: number) {
    this.#values = new Float64Array(room + 1);
  }

  put(value: number): void {
    if (this.#count === this.#values.length) {
      const values = new Float64Array(2 * this.#count);
      values.set(this.#values);
      this.#values = values;
    }
    this.#values[this.#count++] = value;
  }

  pair(pair: ArrayLike<number>): void {
    this.put(pair[0]);
    this.put(pair[1]);
  }

  list(values: readonly number[]): void {
    this.put(values.length);
    for (const value of values) this.put(value);
  }

  written(): Float64Array {
    return this.#values.subarray(0, this.#count);
  }
}

const none: readonly number[] = [];
const ones = [1, 1];
const zeros = [0, 0];

/** In the order in which read_node (native/binding/graph.cc) reads. */
function writeNode(numbers: NumberWriter, op: number, node: Fields, places: Places): void {
  numbers.put(op);
  numbers.list(node.inputs);
  numbers.list(node.shape);
  numbers.pair(node.kernel ?? ones);
  numbers.pair(node.stride ?? ones);
  numbers.pair(node.padding ?? zeros);
  numbers.pair(node.dilation ?? ones);
  numbers.put(node.groups ?? 1);
  numbers.put(node.countIncludePad ? 1 : 0);
  numbers.put(node.epsilon ?? 0);
  numbers.put(node.momentum ?? 0);
  numbers.put(node.top ?? 0);
  numbers.put(node.left ?? 0);
  numbers.put(node.rate ?? 0);
  numbers.put(node.drops === 'samples' ? 1 : 0);
  numbers.put(node.number ?? 0);
  numbers.put(node.smoothing ?? 0);
  numbers.list(node.weights ?? none);
  numbers.pair(places.weight ?? zeros);
  numbers.pair(places.bias ?? zeros);
  numbers.pair(places.runningMean ?? zeros);
  numbers.pair(places.runningVariance ?? zeros);
  numbers.pair(places.alpha ?? zeros);
  numbers.put(node.activation === 'sigmoid' ? 1 : 0);
  const branches = node.branches ?? [];
  numbers.put(branches.length);
  for (const { begin, end, output } of branches) {
    numbers.put(begin);
    numbers.put(end);
    numbers.put(output);
  }
}
