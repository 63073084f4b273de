// What ONNX models (https://onnx.ai, operator set 17) are put together from.
import { ArgumentError } from '../errors.ts';
import type { Graph, Node } from '../graph/graph.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { attributeTypes, elementTypes, encodeModel } from './onnx_schema.ts';

/** An operator with its attributes as plain numbers, or as graphs that it runs. */
export interface Operator {
  readonly opType: string;
  readonly inputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | readonly number[] | OnnxGraph>>;
}

/** Operators as the schema has them, with what goes in and comes out. */
export interface OnnxGraph {
  readonly name: string;
  readonly node: readonly object[];
  readonly input: readonly OnnxValue[];
  readonly output: readonly OnnxValue[];
}

/** A named tensor that goes in or comes out. */
export interface OnnxValue {
  readonly name: string;
  readonly type: object;
}

/** A tensor of the model. */
interface Initializer {
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly name: string;
  readonly rawData: Uint8Array;
}

const opset = 17;
const irVersion = 8;

/** Messages have no more, and some of it is needed beside the tensors. */
const mostTensorBytes = 2 ** 31 - 2 ** 20;

/** What the value of a graph's node is called. */
export function valueName(id: number): string {
  return `value_${id}`;
}

/** A tensor of float32 whose sizes of a name may be any. */
export function floatsOf(name: string, sizes: readonly (number | string)[]): OnnxValue {
  return tensorOf(name, elementTypes.float32, sizes);
}

/** The same of int64. */
export function integersOf(name: string, sizes: readonly (number | string)[]): OnnxValue {
  return tensorOf(name, elementTypes.int64, sizes);
}

function tensorOf(name: string, elemType: number, sizes: readonly (number | string)[]): OnnxValue {
  const dim = sizes.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/** An operator as the schema has it. */
export function operatorNode({ opType, inputs, attributes = {} }: Operator, outputs: readonly string[]): object {
  const attribute = Object.entries(attributes).map(([name, value]) => ({ name, ...attributeOf(value) }));
  return { opType, input: inputs, output: outputs, name: outputs[0], attribute };
}

function attributeOf(value: number | readonly number[] | OnnxGraph): object {
  if (typeof value !== 'number') {
    return 'node' in value ? { g: value, type: attributeTypes.graph } : { ints: value, type: attributeTypes.ints };
  }
  return Number.isInteger(value) ? { i: value, type: attributeTypes.int } : { f: value, type: attributeTypes.float };
}

/** The nodes that an output needs, in order. */
export function nodesBehind(graph: Graph, output: number): Node[] {
  const needed = new Set([output]);
  for (const node of [...graph.nodes].reverse()) {
    if (needed.has(node.id)) for (const id of node.inputs) needed.add(id);
  }
  return graph.nodes.filter(({ id }) => needed.has(id));
}

/** The operators and tensors of a model. */
export class OnnxParts {
  readonly #nodes: object[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #graph: Graph;
  readonly #weights: ReadonlyMap<string, WeightTensor>;

  constructor(graph: Graph, weights: ReadonlyMap<string, WeightTensor>) {
    this.#graph = graph;
    this.#weights = weights;
  }

  /** Adds an operator of one value; returns the value's name. */
  put(operator: Operator, output: string): string {
    this.putAll(operator, [output]);
    return output;
  }

  /** Adds an operator of several values. */
  putAll(operator: Operator, outputs: readonly string[]): void {
    this.#nodes.push(operatorNode(operator, outputs));
  }

  /** Adds a parameter; returns its name. Throws ArgumentError where there is none. */
  weight(name: string): string {
    const spec = this.#graph.parameters.find((parameter) => parameter.name === name);
    const tensor = this.#weights.get(name);
    if (spec === undefined || tensor === undefined) throw new ArgumentError(`[onnx] expected a weight named ${name}`);
    return this.floats(name, tensor.shape, Float32Array.from(tensor.data));
  }

  /** Adds a tensor, unless there is one of the name; returns that. */
  floats(name: string, dims: readonly number[], values: Float32Array): string {
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.#initializer({ name, dims, dataType: elementTypes.float32, rawData });
  }

  /** The same of integers, a vector. */
  integers(name: string, values: readonly number[]): string {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#initializer({ name, dims: [values.length], dataType: elementTypes.int64, rawData });
  }

  /** The bytes of the model. Throws ArgumentError where its tensors are more than one file may hold. */
  encode(
    metadata: Readonly<Record<string, string>>,
    { inputs, outputs }: Readonly<Record<'inputs' | 'outputs', readonly OnnxValue[]>>,
  ): Uint8Array {
    const initializer = [...this.#initializers.values()];
    const bytes = initializer.reduce((sum, { rawData }) => sum + rawData.length, 0);
    if (bytes > mostTensorBytes) {
      throw new ArgumentError(`[onnx] expected at most ${mostTensorBytes} bytes of weights but got ${bytes}`);
    }
    return encodeModel({
      irVersion,
      producerName: 'dartsmith',
      opsetImport: [{ domain: '', version: opset }],
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
      graph: { name: 'network', node: this.#nodes, initializer, input: inputs, output: outputs },
    });
  }

  #initializer(initializer: Initializer): string {
    if (!this.#initializers.has(initializer.name)) this.#initializers.set(initializer.name, initializer);
    return initializer.name;
  }
}
