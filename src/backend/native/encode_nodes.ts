// The nodes of a graph as one array of numbers: read in a hundredth of the time that objects take, on the event loop's thread.
import {
  type InputNode,
  type Node,
  type Pair,
  type RecurrentActivation,
  type RecurrentCellNode,
  recurrentActivations,
  type SequenceMask,
} from '../../graph/graph.ts';

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

/** Writes all nodes; `placesOf` resolves the parameters that one names. */
export function encodeNodes(nodes: readonly Node[], placesOf: (node: Node) => Places): EncodedNodes {
  const ops: string[] = [];
  const inputs: string[] = [];
  const numbers = new NumberWriter(nodes.length * numbersPerNode);
  numbers.put(nodes.length);
  for (const node of nodes) {
    if (!ops.includes(node.op)) ops.push(node.op);
    if (node.op === 'input') inputs.push(node.name);
    writeNode(numbers, ops.indexOf(node.op), node, placesOf(node), nodes);
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

const nowhere: Place = [0, 0];

/** In the order in which read_node (native/binding/graph.cc) reads. */
function writeNode(numbers: NumberWriter, op: number, node: Node, places: Places, nodes: readonly Node[]): void {
  numbers.put(op);
  numbers.list(node.inputs);
  numbers.list(node.shape);
  numbers.pair(places.weight ?? nowhere);
  numbers.pair(places.bias ?? nowhere);
  numbers.pair(places.runningMean ?? nowhere);
  numbers.pair(places.runningVariance ?? nowhere);
  numbers.pair(places.alpha ?? nowhere);
  writeAttributes(numbers, node, nodes);
}

/** An op's own, in the order in which its descriptor (native/engine/ops) reads them. */
function writeAttributes(numbers: NumberWriter, node: Node, nodes: readonly Node[]): void {
  switch (node.op) {
    case 'conv2d':
      writeWindow(numbers, node);
      numbers.pair(node.dilation);
      numbers.put(node.groups);
      break;
    case 'batchNorm':
      numbers.put(node.epsilon);
      numbers.put(node.momentum);
      break;
    case 'maxPool':
      writeWindow(numbers, node);
      break;
    case 'avgPool':
      writeWindow(numbers, node);
      numbers.put(node.countIncludePad ? 1 : 0);
      break;
    case 'crop':
      numbers.put(node.top);
      numbers.put(node.left);
      break;
    case 'dropout':
      numbers.put(node.rate);
      numbers.put(node.drops === 'samples' ? 1 : 0);
      numbers.put(node.number);
      break;
    case 'scale':
      numbers.put(node.factor);
      break;
    case 'softmaxScale':
      numbers.put(node.count);
      numbers.put(node.index);
      break;
    case 'noise':
      numbers.put(node.distribution === 'integers' ? 1 : 0);
      numbers.put(node.always ? 1 : 0);
      numbers.put(node.number);
      break;
    case 'distillation':
      numbers.put(node.temperature);
      break;
    case 'lossSum':
      numbers.list(node.weights);
      numbers.put(node.inputs.findIndex((id) => nodes[id].op === 'softmaxCrossEntropy'));
      break;
    case 'softmaxCrossEntropy':
      numbers.put(node.smoothing);
      numbers.list(node.weights);
      break;
    case 'input':
      numbers.put(node.below ?? 0);
      break;
    case 'embedding':
      numbers.put((nodes[node.inputs[0]] as InputNode).below ?? 0);
      writeMask(numbers, node.mask);
      break;
    case 'variationalDropout':
      writeMask(numbers, node.mask);
      break;
    case 'recurrentCell':
      writeCell(numbers, node);
      break;
    case 'mixed':
      numbers.put(node.activation === 'sigmoid' ? 1 : 0);
      numbers.put(node.runsAll ? 1 : 0);
      numbers.put(node.branches.length);
      for (const { begin, end, output } of node.branches) {
        numbers.put(begin);
        numbers.put(end);
        numbers.put(output);
      }
      break;
  }
}

function writeMask(numbers: NumberWriter, mask: SequenceMask | undefined): void {
  numbers.put(mask?.rate ?? 0);
  numbers.put(mask?.number ?? 0);
}

function writeCell(numbers: NumberWriter, cell: RecurrentCellNode): void {
  const numberOf = (activation: RecurrentActivation) => recurrentActivations.indexOf(activation);
  const { weights, outputs, edges, mixing } = cell;
  numbers.put(weights.length - 1);
  numbers.list(outputs);
  numbers.list((mixing?.candidates ?? []).map(numberOf));
  numbers.put(mixing?.epsilon ?? 1);
  numbers.put(mixing?.momentum ?? 0);
  numbers.list((edges ?? []).flatMap(({ activation, from }) => [numberOf(activation), from]));
  writeMask(numbers, cell.inputMask);
  writeMask(numbers, cell.hiddenMask);
}

function writeWindow(
  numbers: NumberWriter,
  { kernel, stride, padding }: { readonly kernel: Pair; readonly stride: Pair; readonly padding: Pair },
): void {
  numbers.pair(kernel);
  numbers.pair(stride);
  numbers.pair(padding);
}
