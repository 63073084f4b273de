import { ArgumentError, invalid } from '../errors.ts';
import type { Graph, MixedBranch, MixingActivation, Node, Pair, ParameterSpec, Shape } from './graph.ts';

/** A node's output while a graph is being built. */
export interface Tensor {
  readonly id: number;
  readonly shape: Shape;
}

/** Options of a convolution; numbers stand for both axes. */
export interface Conv2dOptions {
  readonly channels: number;
  readonly kernel: number | Pair;
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
  readonly dilation?: number | Pair;
  readonly groups?: number;
}

/** Options of {@link GraphBuilder.softmaxCrossEntropy}. */
export interface CrossEntropyOptions {
  /** Share of the label's probability that is spread over all classes; 0 when absent. */
  readonly smoothing?: number;
  /** Logits of auxiliary heads, whose losses are added with a weight each. */
  readonly auxiliary?: readonly { readonly logits: Tensor; readonly weight: number }[];
}

/** Options of a pooling; numbers stand for both axes. */
export interface PoolOptions {
  readonly kernel: number | Pair;
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
}

/** One branch of a mixed operation: its name and how it is built on the edge's input. */
export interface BranchBuilder {
  readonly name: string;
  readonly build: (builder: GraphBuilder, input: Tensor) => Tensor;
}

interface State {
  readonly nodes: Node[];
  readonly parameters: Map<string, ParameterSpec>;
}

/** What distinguishes a node of some op: its own fields, without those that every node has. */
type Fields<N> = N extends Node ? Omit<N, 'id' | 'inputs' | 'shape'> : never;

/**
 * Builds a {@link Graph} node by node, inferring shapes and declaring parameters. A builder carries a name prefix;
 * {@link GraphBuilder.within} gives another builder of the same graph with a longer one.
 */
export class GraphBuilder {
  readonly #state: State;
  readonly #prefix: string;

  constructor(state: State = { nodes: [], parameters: new Map() }, prefix = '') {
    this.#state = state;
    this.#prefix = prefix;
  }

  /** A builder of the same graph whose parameters are named `${prefix}.${name}`. */
  within(name: string | number): GraphBuilder {
    return new GraphBuilder(this.#state, this.#name(String(name)));
  }

  /** A tensor given with each batch. */
  input(name: string, shape: Shape): Tensor {
    for (const size of shape) positive('input shape', size);
    return this.#node({ op: 'input', name }, [], shape);
  }

  /** Cross-correlation without bias on [H, W, C]; weight `${name}.weight`, uniform in ±1/sqrt(fan-in). */
  conv2d(name: string | number, input: Tensor, options: Conv2dOptions): Tensor {
    const [height, width, inputChannels] = image('conv2d', input);
    const groups = options.groups ?? 1;
    const dilation = pair(options.dilation ?? 1);
    const window = {
      kernel: pair(options.kernel),
      stride: pair(options.stride ?? 1),
      padding: pair(options.padding ?? 0),
    };
    positive('channels', options.channels);
    positive('groups', groups);
    if (inputChannels % groups !== 0 || options.channels % groups !== 0) {
      throw invalid(
        'groups',
        `a divisor of the input's ${inputChannels} and the output's ${options.channels} channels`,
        groups,
      );
    }
    const fanIn = (window.kernel[0] * window.kernel[1] * inputChannels) / groups;
    const weight = this.#parameter(`${name}.weight`, {
      role: 'weight',
      shape: [window.kernel[0], window.kernel[1], inputChannels / groups, options.channels],
      layout: 'conv',
      initialiser: { kind: 'uniform', bound: 1 / Math.sqrt(fanIn) },
    });
    const shape = [...windowed('conv2d', [height, width], window, dilation), options.channels];
    return this.#node({ op: 'conv2d', ...window, dilation, groups, weight }, [input], shape);
  }

  /** Batch normalisation; running statistics `${name}.running_mean` and `.running_var`, affine part `.weight` and `.bias`. */
  batchNorm(
    name: string | number,
    input: Tensor,
    options: { affine: boolean; epsilon?: number; momentum?: number },
  ): Tensor {
    const shape = [input.shape[input.shape.length - 1]];
    const constant = (suffix: string, role: 'weight' | 'buffer', value: number) =>
      this.#parameter(`${name}.${suffix}`, {
        role,
        shape,
        layout: 'plain',
        initialiser: { kind: 'constant', value },
      });
    const affine = options.affine
      ? { scale: constant('weight', 'weight', 1), shift: constant('bias', 'weight', 0) }
      : {};
    return this.#node(
      {
        op: 'batchNorm',
        epsilon: options.epsilon ?? 1e-5,
        momentum: options.momentum ?? 0.1,
        runningMean: constant('running_mean', 'buffer', 0),
        runningVariance: constant('running_var', 'buffer', 1),
        ...affine,
      },
      [input],
      input.shape,
    );
  }

  relu(input: Tensor): Tensor {
    return this.#node({ op: 'relu' }, [input], input.shape);
  }

  maxPool(input: Tensor, options: PoolOptions): Tensor {
    const window = poolWindow(options);
    const [height, width, channels] = image('maxPool', input);
    return this.#node(
      { op: 'maxPool', ...window },
      [input],
      [...windowed('maxPool', [height, width], window), channels],
    );
  }

  avgPool(input: Tensor, options: PoolOptions & { countIncludePad?: boolean }): Tensor {
    const window = poolWindow(options);
    const [height, width, channels] = image('avgPool', input);
    const countIncludePad = options.countIncludePad ?? false;
    const shape = [...windowed('avgPool', [height, width], window), channels];
    return this.#node({ op: 'avgPool', ...window, countIncludePad }, [input], shape);
  }

  /** Mean over all pixels: [H, W, C] to [C]. */
  globalAvgPool(input: Tensor): Tensor {
    const [, , channels] = image('globalAvgPool', input);
    return this.#node({ op: 'globalAvgPool' }, [input], [channels]);
  }

  /** Fully connected layer on [C], with bias; both uniform in ±1/sqrt(C). */
  linear(name: string, input: Tensor, outputs: number): Tensor {
    if (input.shape.length !== 1) throw invalid('the input of linear', 'a vector [C]', input.shape);
    positive('outputs', outputs);
    const initialiser = { kind: 'uniform', bound: 1 / Math.sqrt(input.shape[0]) } as const;
    const weight = this.#parameter(`${name}.weight`, {
      role: 'weight',
      shape: [input.shape[0], outputs],
      layout: 'linear',
      initialiser,
    });
    const bias = this.#parameter(`${name}.bias`, { role: 'weight', shape: [outputs], layout: 'plain', initialiser });
    return this.#node({ op: 'linear', weight, bias }, [input], [outputs]);
  }

  /** Sum of tensors of one shape. */
  add(inputs: readonly Tensor[]): Tensor {
    if (inputs.length === 0) throw invalid('the inputs of add', 'at least one tensor', inputs);
    for (const input of inputs) sameShape('add', inputs[0], input);
    return inputs.length === 1 ? inputs[0] : this.#node({ op: 'add' }, inputs, inputs[0].shape);
  }

  /** Concatenation along channels. */
  concat(inputs: readonly Tensor[]): Tensor {
    if (inputs.length === 0) throw invalid('the inputs of concat', 'at least one tensor', inputs);
    const [height, width] = image('concat', inputs[0]);
    for (const input of inputs) {
      if (input.shape[0] !== height || input.shape[1] !== width) {
        throw new ArgumentError(`[concat] expected ${height}x${width} pixels in every input but got [${input.shape}]`);
      }
    }
    const channels = inputs.reduce((sum, input) => sum + input.shape[2], 0);
    return inputs.length === 1 ? inputs[0] : this.#node({ op: 'concat' }, inputs, [height, width, channels]);
  }

  /** Drops the first `top` rows and `left` columns. */
  crop(input: Tensor, top: number, left: number): Tensor {
    const [height, width, channels] = image('crop', input);
    if (!(Number.isInteger(top) && top >= 0 && top < height)) throw invalid('top', `an integer in [0, ${height})`, top);
    if (!(Number.isInteger(left) && left >= 0 && left < width))
      throw invalid('left', `an integer in [0, ${width})`, left);
    return this.#node({ op: 'crop', top, left }, [input], [height - top, width - left, channels]);
  }

  /** Drops elements (or whole samples: drop path) with probability `rate` in training; see {@link DropoutNode}. */
  dropout(input: Tensor, options: { rate: number; drops?: 'elements' | 'samples' }): Tensor {
    const { rate, drops = 'elements' } = options;
    if (!(rate >= 0 && rate < 1)) throw invalid('rate', 'a number in [0, 1)', rate);
    if (drops !== 'elements' && drops !== 'samples') throw invalid('drops', "'elements' or 'samples'", drops);
    const number = this.#state.nodes.filter(({ op }) => op === 'dropout').length;
    return this.#node({ op: 'dropout', rate, drops, number }, [input], input.shape);
  }

  zero(shape: Shape): Tensor {
    return this.#node({ op: 'zero' }, [], shape);
  }

  /** Declares a table of architecture parameters, one row a mixed operation, drawn from deviation·N(0,1). */
  alpha(name: string, rowLengths: readonly number[], deviation = 1e-3): string {
    const total = rowLengths.reduce((sum, length) => sum + length, 0);
    const uniform = rowLengths.every((length) => length === rowLengths[0]);
    return this.#parameter(name, {
      role: 'alpha',
      shape: uniform ? [rowLengths.length, rowLengths[0]] : [total],
      layout: 'plain',
      initialiser: { kind: 'normal', deviation },
      rowLengths,
    });
  }

  /**
   * A mixed operation on one edge: each branch is built on `input` under the prefix `_ops.INDEX`, and their outputs are
   * summed with the mixing weights of `row` of the table `alpha`.
   */
  mixed(
    input: Tensor,
    branches: readonly BranchBuilder[],
    mixing: { alpha: string; row: number; activation?: MixingActivation },
  ): Tensor {
    const rowLengths = this.#state.parameters.get(mixing.alpha)?.rowLengths;
    if (rowLengths === undefined) throw invalid('alpha', 'the name of a declared table', mixing.alpha);
    if (rowLengths[mixing.row] !== branches.length) {
      throw invalid('row', `a row of ${mixing.alpha} with ${branches.length} entries`, mixing.row);
    }
    const outputs: Tensor[] = [];
    const spans: MixedBranch[] = [];
    branches.forEach((branch, index) => {
      const begin = this.#state.nodes.length;
      const output = branch.build(this.within(`_ops.${index}`), input);
      if (outputs.length > 0) sameShape(`mixed: candidate ${branch.name}`, outputs[0], output);
      outputs.push(output);
      spans.push({ name: branch.name, begin, end: this.#state.nodes.length, output: output.id });
    });
    return this.#node(
      {
        op: 'mixed',
        alpha: mixing.alpha,
        row: mixing.row,
        activation: mixing.activation ?? 'softmax',
        branches: spans,
      },
      [input, ...outputs],
      outputs[0].shape,
    );
  }

  /**
   * Mean softmax cross-entropy of logits [classes] against the batch's labels, with label smoothing; plus that of auxiliary
   * logits, each times its weight. Shape [].
   */
  softmaxCrossEntropy(logits: Tensor, options: CrossEntropyOptions = {}): Tensor {
    const { smoothing = 0, auxiliary = [] } = options;
    if (!(smoothing >= 0 && smoothing < 1)) throw invalid('smoothing', 'a number in [0, 1)', smoothing);
    if (auxiliary.length > mostAuxiliaryLogits) {
      throw invalid('auxiliary', `at most ${mostAuxiliaryLogits} auxiliary logits`, auxiliary.length);
    }
    if (logits.shape.length !== 1) throw invalid('the logits', 'a vector [classes]', logits.shape);
    for (const { logits: more, weight } of auxiliary) {
      sameShape('softmaxCrossEntropy', logits, more);
      if (!Number.isFinite(weight)) throw invalid('the weight of auxiliary logits', 'a finite number', weight);
    }
    const inputs = [logits, ...auxiliary.map((term) => term.logits)];
    const weights = [1, ...auxiliary.map(({ weight }) => weight)];
    return this.#node({ op: 'softmaxCrossEntropy', smoothing, weights }, inputs, []);
  }

  /** The finished graph with `output` as what programs return. */
  finish(output: Tensor): Graph {
    return { nodes: [...this.#state.nodes], parameters: [...this.#state.parameters.values()], output: output.id };
  }

  #name(name: string): string {
    return this.#prefix === '' ? name : `${this.#prefix}.${name}`;
  }

  #parameter(name: string, spec: Omit<ParameterSpec, 'name'>): string {
    const full = this.#name(name);
    if (this.#state.parameters.has(full)) throw new ArgumentError(`the graph has a parameter ${full} already`);
    this.#state.parameters.set(full, { name: full, ...spec });
    return full;
  }

  #node(fields: Fields<Node>, inputs: readonly Tensor[], shape: Shape): Tensor {
    const id = this.#state.nodes.length;
    for (const input of inputs) {
      if (this.#state.nodes[input.id]?.shape !== input.shape) {
        throw new ArgumentError(
          `[${fields.op}] expected inputs of the same graph but got tensor ${input.id} of another`,
        );
      }
    }
    this.#state.nodes.push({ ...fields, id, inputs: inputs.map((input) => input.id), shape } as Node);
    return { id, shape };
  }
}

const mostAuxiliaryLogits = 3;

function positive(name: string, value: number): void {
  if (!(Number.isInteger(value) && value > 0)) throw invalid(name, 'a positive integer', value);
}

function pair(value: number | Pair): Pair {
  return typeof value === 'number' ? [value, value] : value;
}

function poolWindow(options: PoolOptions) {
  const window = {
    kernel: pair(options.kernel),
    stride: pair(options.stride ?? 1),
    padding: pair(options.padding ?? 0),
  };
  for (const axis of [0, 1] as const) {
    if (2 * window.padding[axis] > window.kernel[axis]) {
      throw invalid('padding', `at most half of the kernel ${window.kernel[axis]}`, window.padding[axis]);
    }
  }
  return window;
}

function image(op: string, input: Tensor): readonly [number, number, number] {
  if (input.shape.length !== 3)
    throw new ArgumentError(`[${op}] expected [height, width, channels] but got [${input.shape}]`);
  return [input.shape[0], input.shape[1], input.shape[2]];
}

function sameShape(op: string, expected: Tensor, actual: Tensor): void {
  if (expected.shape.length !== actual.shape.length || expected.shape.some((size, i) => size !== actual.shape[i])) {
    throw new ArgumentError(`[${op}] expected shape [${expected.shape}] but got [${actual.shape}]`);
  }
}

/** Output size of a sliding window: floor((size + 2·padding - dilation·(kernel - 1) - 1) / stride) + 1. */
function windowed(
  op: string,
  size: Pair,
  window: { kernel: Pair; stride: Pair; padding: Pair },
  dilation: Pair = [1, 1],
): [number, number] {
  const out = ([0, 1] as const).map((axis) => {
    for (const name of ['kernel', 'stride'] as const) positive(name, window[name][axis]);
    positive('dilation', dilation[axis]);
    if (!(Number.isInteger(window.padding[axis]) && window.padding[axis] >= 0)) {
      throw invalid('padding', 'a non-negative integer', window.padding[axis]);
    }
    const span = dilation[axis] * (window.kernel[axis] - 1) + 1;
    const room = size[axis] + 2 * window.padding[axis] - span;
    if (room < 0) throw new ArgumentError(`[${op}] expected at least ${span} pixels but got ${size[axis]} + padding`);
    return Math.floor(room / window.stride[axis]) + 1;
  });
  return [out[0], out[1]];
}
