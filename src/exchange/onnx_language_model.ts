// A trained language model as an ONNX model (https://onnx.ai, operator set 17), its cell a Scan over time.
import { ArgumentError } from '../errors.ts';
import type { Graph, Node, RecurrentActivation, RecurrentCellNode, RecurrentEdge } from '../graph/graph.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import {
  floatsOf,
  integersOf,
  nodesBehind,
  type OnnxGraph,
  OnnxParts,
  type Operator,
  operatorNode,
  valueName,
} from './onnx_parts.ts';

/** Options of {@link encodeLanguageOnnx}. */
export interface LanguageOnnxOptions {
  /** Of a derived language model. */
  readonly graph: Graph;
  /** The node of its logits. */
  readonly logits: number;
  /** Values of the graph's parameters under their names. */
  readonly weights: ReadonlyMap<string, WeightTensor>;
  /** Kept in the file for people and programs. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What goes in and comes out, by name. */
const names = { words: 'words', hidden: 'hidden', scores: 'log_probabilities', last: 'last_hidden' } as const;

/**
 * The bytes of a model for any T and B: inputs `words` [T, B] of int64 and `hidden` [1, B, n], zeros where a text begins; outputs
 * `log_probabilities` [T, B, V] and `last_hidden` [1, B, n], which goes in with the words that follow. Throws ArgumentError where the graph
 * is no derived language model of one cell, or a weight is missing.
 */
export function encodeLanguageOnnx({ graph, logits, weights, metadata = {} }: LanguageOnnxOptions): Uint8Array {
  const needed = nodesBehind(graph, logits);
  const [cell, ...others] = needed.filter((node) => node.op === 'recurrentCell');
  if (cell === undefined || others.length > 0)
    throw new ArgumentError('[onnx] expected a graph with one recurrent cell');
  const parts = new OnnxParts(graph, weights);
  const [words] = graph.nodes[logits].shape;
  const [size] = cell.shape;
  for (const node of needed) addNode(parts, node, size);
  parts.put({ opType: 'LogSoftmax', inputs: [valueName(logits)], attributes: { axis: -1 } }, 'rows');
  parts.put({ opType: 'Shape', inputs: [names.words] }, 'times');
  const sizes = { opType: 'Concat', inputs: ['times', parts.integers('vocabulary', [words])], attributes: { axis: 0 } };
  parts.put({ opType: 'Reshape', inputs: ['rows', parts.put(sizes, 'sizes')] }, names.scores);
  return parts.encode(metadata, {
    inputs: [integersOf(names.words, ['T', 'B']), floatsOf(names.hidden, [1, 'B', size])],
    outputs: [floatsOf(names.scores, ['T', 'B', words]), floatsOf(names.last, [1, 'B', size])],
  });
}

/** The value of a node for all times: [T, B, ...], of logits [T · B, V]. */
function addNode(parts: OnnxParts, node: Node, size: number): void {
  const inputs = node.inputs.map(valueName);
  const put = (operator: Operator) => parts.put(operator, valueName(node.id));
  switch (node.op) {
    case 'input':
      put({ opType: 'Identity', inputs: [names.words] });
      return;
    case 'embedding':
      put({ opType: 'Gather', inputs: [parts.weight(node.weight), ...inputs], attributes: { axis: 0 } });
      return;
    case 'variationalDropout':
      put({ opType: 'Identity', inputs });
      return;
    case 'recurrentCell':
      addCell(parts, node, size);
      return;
    case 'tiedLinear': {
      const rows = { opType: 'Reshape', inputs: [...inputs, parts.integers('row_sizes', [-1, size])] };
      const operands = [parts.put(rows, 'outputs'), parts.weight(node.weight), parts.weight(node.bias)];
      put({ opType: 'Gemm', inputs: operands, attributes: { transB: 1 } });
      return;
    }
    default:
      throw new ArgumentError(`[onnx] expected a language model but got a ${node.op} node`);
  }
}

/** The product of all inputs at once, then a Scan that goes on from the hidden state. */
function addCell(parts: OnnxParts, { id, inputs, weights, edges, outputs }: RecurrentCellNode, size: number): void {
  if (edges === undefined) throw new ArgumentError('[onnx] expected a derived cell but got one of a search');
  const [first, ...others] = weights.map((name) => parts.weight(name));
  const halves = ['input_weights', 'hidden_weights'];
  parts.putAll({ opType: 'Split', inputs: [first], attributes: { axis: 0 } }, halves);
  parts.put({ opType: 'MatMul', inputs: [valueName(inputs[0]), halves[0]] }, 'input_products');
  const axis = parts.integers('first_axis', [0]);
  parts.put({ opType: 'Squeeze', inputs: [names.hidden, axis] }, 'first_state');
  const body = bodyOf({ edges, outputs, weights: [halves[1], ...others], size });
  const scan = {
    ...{ opType: 'Scan', inputs: ['first_state', 'input_products'] },
    attributes: { body, num_scan_inputs: 1 },
  };
  parts.putAll(scan, ['last_state', valueName(id)]);
  parts.put({ opType: 'Unsqueeze', inputs: ['last_state', axis] }, names.last);
}

interface CellBody extends Pick<RecurrentCellNode, 'outputs'> {
  readonly edges: readonly RecurrentEdge[];
  /** Of the hidden state, then of each node. */
  readonly weights: readonly string[];
  readonly size: number;
}

/** One time: the state [B, n] and the input's product [B, 2n] to the next state, which is the output as well. */
function bodyOf({ edges, outputs, weights, size }: CellBody): OnnxGraph {
  const node: object[] = [];
  const put = (opType: string, inputs: readonly string[], output: string) => {
    node.push(operatorNode({ opType, inputs }, [output]));
    return output;
  };
  /** s + σ(a) (f(g) - s) of a product [a, g]. */
  const mix = (state: string, product: string, activation: RecurrentActivation, index: number) => {
    const [gate, candidate] = [`gate_${index}`, `candidate_${index}`];
    node.push(operatorNode({ opType: 'Split', inputs: [product], attributes: { axis: 1 } }, [gate, candidate]));
    if (activation === 'none') throw new ArgumentError('[onnx] expected an activation on every edge but got none');
    const activated = put(activations[activation], [candidate], `activated_${index}`);
    const change = put('Sub', [activated, state], `change_${index}`);
    const share = put('Mul', [put('Sigmoid', [gate], `share_${index}`), change], `part_${index}`);
    return put('Add', [state, share], `state_${index}`);
  };
  const hidden = put('MatMul', ['state', weights[0]], 'hidden_product');
  const states = [mix('state', put('Add', ['input_product', hidden], 'product_0'), 'tanh', 0)];
  for (const [place, { activation, from }] of edges.entries()) {
    const index = place + 1;
    const product = put('MatMul', [states[from], weights[index]], `product_${index}`);
    states.push(mix(states[from], product, activation, index));
  }
  const kept = outputs.map((index) => states[index]);
  put('Identity', [put('Mean', kept, 'next_state')], 'output');
  return {
    ...{ name: 'cell', node },
    input: [floatsOf('state', ['B', size]), floatsOf('input_product', ['B', 2 * size])],
    output: [floatsOf('next_state', ['B', size]), floatsOf('output', ['B', size])],
  };
}

/** Genotypes know no `none`. */
const activations: Readonly<Record<Exclude<RecurrentActivation, 'none'>, string>> = {
  tanh: 'Tanh',
  relu: 'Relu',
  sigmoid: 'Sigmoid',
  identity: 'Identity',
};
