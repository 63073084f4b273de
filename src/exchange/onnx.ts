// A trained network as an ONNX model (https://onnx.ai, operator set 17) that other runtimes serve.
import { ArgumentError } from '../errors.ts';
import type { AvgPoolNode, BatchNormNode, Conv2dNode, Graph, MaxPoolNode, Node } from '../graph/graph.ts';
import type { WeightTensor } from '../io/safetensors.ts';
import { floatsOf, nodesBehind, OnnxParts, type Operator, valueName } from './onnx_parts.ts';

/** Options of {@link encodeOnnx}. */
export interface OnnxOptions {
  readonly graph: Graph;
  /** The node that the model puts out, such as the logits. */
  readonly output: number;
  /** Values of the graph's parameters under their names, in PyTorch's layout. */
  readonly weights: ReadonlyMap<string, WeightTensor>;
  /**
   * Per channel, of pixels scaled to [0, 1]. With it the model takes such pixels and normalises them itself; without it, images
   * that are normalised already.
   */
  readonly normalisation?: { readonly mean: readonly number[]; readonly deviation: readonly number[] };
  /** Kept in the file for people and programs. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of a model with one input `images` `[batch, channels, height, width]` and one output `logits` `[batch, classes]`, for
 * batches of any size. Throws ArgumentError where the graph holds what only a search needs, or a weight is missing.
 */
export function encodeOnnx(options: OnnxOptions): Uint8Array {
  const { graph, output, weights, normalisation, metadata = {} } = options;
  const model = new ModelBuilder(graph, weights);
  const needed = nodesBehind(graph, output);
  // Of the graph: logits of cells that are all zeros need no image.
  const [input, ...others] = graph.nodes.filter(({ op }) => op === 'input');
  if (input === undefined || others.length > 0) {
    throw new ArgumentError('[onnx] expected a graph with one input of images');
  }
  for (const node of needed) model.add(node, normalisation);
  const [height, width, channels] = input.shape;
  const { parts } = model;
  parts.put({ opType: 'Identity', inputs: [valueName(output)] }, 'logits');
  return parts.encode(metadata, {
    inputs: [floatsOf('images', ['batch', channels, height, width])],
    outputs: [floatsOf('logits', ['batch', ...graph.nodes[output].shape])],
  });
}

class ModelBuilder {
  readonly parts: OnnxParts;
  readonly #graph: Graph;

  constructor(graph: Graph, weights: ReadonlyMap<string, WeightTensor>) {
    this.parts = new OnnxParts(graph, weights);
    this.#graph = graph;
  }

  /** Gives the name of the node's value; an op without a case fails the type check. */
  add(node: Node, normalisation: OnnxOptions['normalisation']): string {
    const { parts } = this;
    const inputs = node.inputs.map(valueName);
    const put = (operator: Operator, output = valueName(node.id)) => parts.put(operator, output);
    switch (node.op) {
      case 'input': {
        if (normalisation === undefined) return put({ opType: 'Identity', inputs: ['images'] });
        const [mean, deviation] = (['mean', 'deviation'] as const).map((name) =>
          parts.floats(name, [node.shape[2], 1, 1], Float32Array.from(normalisation[name])),
        );
        const centred = put({ opType: 'Sub', inputs: ['images', mean] }, 'centred');
        return put({ opType: 'Div', inputs: [centred, deviation] });
      }
      case 'conv2d':
        return put({
          opType: 'Conv',
          inputs: [...inputs, parts.weight(node.weight)],
          attributes: convolution(node),
        });
      case 'batchNorm':
        return put({
          opType: 'BatchNormalization',
          inputs: [...inputs, ...this.#statistics(node)],
          attributes: { epsilon: node.epsilon },
        });
      case 'relu':
        return put({ opType: 'Relu', inputs });
      case 'maxPool':
        return put({ opType: 'MaxPool', inputs, attributes: pooling(node) });
      case 'avgPool': {
        const attributes = { ...pooling(node), count_include_pad: node.countIncludePad ? 1 : 0 };
        return put({ opType: 'AveragePool', inputs, attributes });
      }
      case 'globalAvgPool': {
        const pooled = put({ opType: 'GlobalAveragePool', inputs }, `pooled_${node.id}`);
        return put({ opType: 'Flatten', inputs: [pooled], attributes: { axis: 1 } });
      }
      case 'linear': {
        const operands = [...inputs, parts.weight(node.weight), parts.weight(node.bias)];
        return put({ opType: 'Gemm', inputs: operands, attributes: { transB: 1 } });
      }
      case 'add':
        return put({ opType: 'Sum', inputs });
      case 'concat':
        return put({ opType: 'Concat', inputs, attributes: { axis: 1 } });
      case 'crop': {
        const starts = parts.integers(`starts_${node.id}`, [node.top, node.left]);
        const [height, width] = this.#graph.nodes[node.inputs[0]].shape;
        const ends = parts.integers(`ends_${node.id}`, [height, width]);
        const axes = parts.integers(`axes_${node.id}`, [2, 3]);
        return put({ opType: 'Slice', inputs: [...inputs, starts, ends, axes] });
      }
      case 'tanh':
        return put({ opType: 'Tanh', inputs });
      case 'sigmoid':
        return put({ opType: 'Sigmoid', inputs });
      case 'scale':
        return put({
          opType: 'Mul',
          inputs: [...inputs, parts.floats(`factor_${node.id}`, [], Float32Array.of(node.factor))],
        });
      case 'softmaxScale': {
        const softmax = { opType: 'Softmax', inputs: [parts.weight(node.weight)], attributes: { axis: 0 } };
        const ends = [node.index, node.index + 1].map((end) => parts.integers(`end_${node.id}_${end}`, [end]));
        const entry = { opType: 'Slice', inputs: [put(softmax, `softmax_${node.id}`), ...ends] };
        return put({ opType: 'Mul', inputs: [...inputs, put(entry, `entry_${node.id}`)] });
      }
      case 'noise': {
        if (!node.always) return put({ opType: 'Identity', inputs });
        if (node.distribution !== 'normal') {
          throw new ArgumentError('[onnx] expected normal noise but got noise of integers, which ONNX does not draw');
        }
        const noise = put({ opType: 'RandomNormalLike', inputs }, `noise_${node.id}`);
        return put({ opType: 'Add', inputs: [...inputs, noise] });
      }
      case 'detach':
      case 'dropout':
        return put({ opType: 'Identity', inputs });
      case 'zero': {
        // Zeros have no input, but there are as many as images.
        const count = put(
          { opType: 'Shape', inputs: ['images'], attributes: { start: 0, end: 1 } },
          `count_${node.id}`,
        );
        const sample = parts.integers(`sample_${node.id}`, [...node.shape.slice(-1), ...node.shape.slice(0, -1)]);
        const sizes = put({ opType: 'Concat', inputs: [count, sample], attributes: { axis: 0 } }, `sizes_${node.id}`);
        return put({ opType: 'ConstantOfShape', inputs: [sizes] });
      }
      case 'embedding':
      case 'variationalDropout':
      case 'recurrentCell':
      case 'tiedLinear':
        throw new ArgumentError(`[onnx] expected a network of images but got a ${node.op} node: that is for text`);
      case 'mixed':
      case 'meanSquare':
      case 'slowness':
      case 'distillation':
      case 'smoothL1':
      case 'meanSquaredError':
      case 'cosineDistance':
      case 'lossSum':
      case 'softmaxCrossEntropy':
        throw new ArgumentError(
          `[onnx] expected the network of a genotype but got a ${node.op} node: that is for searches`,
        );
    }
  }

  /** Scale, shift, mean and variance; the former are 1 and 0 without an affine part. */
  #statistics({ scale, shift, runningMean, runningVariance, shape }: BatchNormNode): string[] {
    const channels = shape[shape.length - 1];
    const { parts } = this;
    const constant = (value: number) =>
      parts.floats(`all_${value}_${channels}`, [channels], new Float32Array(channels).fill(value));
    return [
      scale === undefined ? constant(1) : parts.weight(scale),
      shift === undefined ? constant(0) : parts.weight(shift),
      parts.weight(runningMean),
      parts.weight(runningVariance),
    ];
  }
}

function convolution({ kernel, stride, padding, dilation, groups }: Conv2dNode) {
  return { ...windowOf(kernel, stride, padding), dilations: dilation, group: groups };
}

function pooling({ kernel, stride, padding }: MaxPoolNode | AvgPoolNode) {
  return windowOf(kernel, stride, padding);
}

function windowOf(kernel: readonly number[], strides: readonly number[], [down, across]: readonly number[]) {
  return { kernel_shape: kernel, strides, pads: [down, across, down, across] };
}
