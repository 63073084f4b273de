import {
  aBoolean,
  aFunction,
  aName,
  aNumber,
  anInteger,
  aShareBelowOne,
  check,
  checkOptional,
  checkRecord,
  finite,
  isRecord,
  listOf,
  listOfLength,
  notNegative,
  oneOf,
  positive as positiveNumber,
  type Rule,
} from '../checks.ts';
import { ArgumentError, invalid } from '../errors.ts';
import { checkCell, checkInitialiser, markSound, mostRecurrentNodes } from './check.ts';
import {
  type Graph,
  type Initialiser,
  type MixedBranch,
  type MixingActivation,
  type Node,
  type NoiseDistribution,
  noiseDistributions,
  type Pair,
  type ParameterSpec,
  type RecurrentActivation,
  type RecurrentEdge,
  recurrentActivations,
  type SequenceMask,
  type Shape,
} from './graph.ts';
import { isTerm } from './losses.ts';
import { isSameParameter } from './parameter.ts';

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

/** Options of {@link GraphBuilder.softmaxScale}. */
export interface SoftmaxScaleOptions {
  /** Length of the vector of weights. */
  readonly count: number;
  /** Which entry of its softmax, from 0. */
  readonly index: number;
  /** Of the weights; all 0 when absent. */
  readonly initialiser?: Initialiser;
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

/** Options of {@link GraphBuilder.recurrentCell}: `edges` of a derived cell, or `alpha` of a searched one. */
export interface RecurrentCellOptions {
  readonly edges?: readonly RecurrentEdge[];
  /** Nodes of a searched cell; 8 when absent. */
  readonly nodes?: number;
  /** A declared table; see {@link RecurrentMixing}. */
  readonly alpha?: string;
  /** All of {@link recurrentActivations} when absent. */
  readonly candidates?: readonly RecurrentActivation[];
  /** Nodes whose mean is the cell's output; all but 0 when absent. */
  readonly outputs?: readonly number[];
  /** Rate of the dropout of x in front of W0; 0 when absent. */
  readonly inputDropout?: number;
  /** Rate of the dropout of h and of nodes in front of their weights; 0 when absent. */
  readonly hiddenDropout?: number;
}

interface State {
  readonly nodes: Node[];
  readonly parameters: Map<string, ParameterSpec>;
  /** Nodes so far that draw random numbers. */
  draws: number;
}

/** What distinguishes a node of some op: its own fields, without those that every node has. */
type Fields<N> = N extends Node ? Omit<N, 'id' | 'inputs' | 'shape'> : never;

/** How a builder of a graph declares parameters. */
interface Naming {
  readonly prefix: string;
  readonly group?: string;
  /** Whether a name may be that of a parameter that there is. */
  readonly reuses: boolean;
}

/**
 * Builds a {@link Graph} node by node, inferring shapes and declaring parameters. A builder carries a name prefix;
 * {@link GraphBuilder.within} gives another builder of the same graph with a longer one, {@link GraphBuilder.inGroup} one with
 * another group, {@link GraphBuilder.reusing} one whose nodes may use parameters that there are.
 */
export class GraphBuilder {
  #state: State = { nodes: [], parameters: new Map(), draws: 0 };
  #naming: Naming = { prefix: '', reuses: false };

  /** A builder of the same graph whose parameters are named `${prefix}.${name}`. */
  within(name: string | number): GraphBuilder {
    check('name', name, aLabel);
    return this.#inner({ prefix: this.#name(String(name)) });
  }

  /** A builder of the same graph, of the same prefix, whose weights belong to a group: see {@link ParameterSpec}. */
  inGroup(group: string): GraphBuilder {
    check('group', group, aName);
    return this.#inner({ group });
  }

  /**
   * A builder of the same graph whose parameters are those there are, where there is one of the name; it must agree in all (ArgumentError
   * else). The gradient of a weight is the sum over the nodes that use it, and running statistics move once a node, in the nodes' order.
   */
  reusing(): GraphBuilder {
    return this.#inner({ reuses: true });
  }

  #inner(naming: Partial<Naming>): GraphBuilder {
    const inner = new GraphBuilder();
    inner.#state = this.#state;
    inner.#naming = { ...this.#naming, ...naming };
    return inner;
  }

  /** A tensor given with each batch. */
  input(name: string, shape: Shape): Tensor {
    check('name', name, aName);
    checkShape(shape);
    return this.#node({ op: 'input', name }, [], shape);
  }

  /** Integers given with each batch, from 0 and below `below`: words of a vocabulary. Shape [1]. */
  integers(name: string, below: number): Tensor {
    check('name', name, aName);
    check('below', below, anInteger(1, 2 ** 31 - 1));
    return this.#node({ op: 'input', name, below }, [], [1]);
  }

  /**
   * Rows `[count, channels]` of the weight `${name}.weight`, uniform in ±0.04, by integers below `count`; with `dropout` rows are dropped
   * whole, under the mask's name `${name}`.
   */
  embedding(name: string, input: Tensor, options: { channels: number; dropout?: number }): Tensor {
    check('name', name, aName);
    checkTensor('embedding', input);
    checkRecord('options', options, 'channels and dropout');
    const { channels, dropout = 0 } = options;
    positive('channels', channels);
    const source = this.#state.nodes[input.id];
    if (source?.op !== 'input' || source.below === undefined) {
      throw invalid('the input of embedding', 'integers, as builder.integers() gives them,', input);
    }
    const weight = this.#sequenceWeight(`${name}.weight`, [source.below, channels]);
    return this.#node({ op: 'embedding', weight, ...this.#mask('mask', name, dropout) }, [input], [channels]);
  }

  /** Dropout that is the same at all times of a sequence; see {@link SequenceMask}. Its input where `rate` is 0. */
  variationalDropout(name: string, input: Tensor, rate: number): Tensor {
    check('name', name, aName);
    checkVector('variationalDropout', input);
    const { mask } = this.#mask('mask', name, rate);
    return mask === undefined ? input : this.#node({ op: 'variationalDropout', mask }, [input], input.shape);
  }

  /**
   * A recurrent cell over a whole sequence on [C]; see {@link RecurrentCellNode}. Weights `${name}._W0` and `${name}._Ws.INDEX`, uniform in
   * ±0.04; searched, running statistics `${name}.bn.running_mean` and `.running_var`. Masks are called `${name}.x` and `${name}.h`.
   */
  recurrentCell(name: string, input: Tensor, options: RecurrentCellOptions): Tensor {
    check('name', name, aName);
    checkVector('recurrentCell', input);
    checkRecord('options', options, 'nodes and edges or alpha');
    const { edges, outputs, alpha, candidates = recurrentActivations, inputDropout = 0, hiddenDropout = 0 } = options;
    const nodes = edges?.length ?? options.nodes ?? 8;
    check('nodes', nodes, anInteger(1, mostRecurrentNodes));
    const [channels] = input.shape;
    const weights = [
      this.#sequenceWeight(`${name}._W0`, [2 * channels, 2 * channels]),
      ...Array.from({ length: nodes }, (_, i) => this.#sequenceWeight(`${name}._Ws.${i}`, [channels, 2 * channels])),
    ];
    const constant = (suffix: string, value: number) =>
      this.#parameter(`${name}.bn.${suffix}`, {
        ...{ role: 'buffer', shape: [channels], layout: 'plain' },
        initialiser: { kind: 'constant', value },
      } as const);
    const mixing = alpha !== undefined && {
      ...{ alpha, candidates, epsilon: 1e-5, momentum: 0.1 },
      runningMean: constant('running_mean', 0),
      runningVariance: constant('running_var', 1),
    };
    const { mask: inputMask } = this.#mask('mask', `${name}.x`, inputDropout);
    const { mask: hiddenMask } = this.#mask('mask', `${name}.h`, hiddenDropout);
    const op = 'recurrentCell' as const;
    const node = {
      ...{ op, weights, outputs: outputs ?? Array.from({ length: nodes }, (_, i) => i + 1) },
      ...(mixing && { mixing }),
      ...(edges !== undefined && { edges }),
      ...(inputMask && { inputMask }),
      ...(hiddenMask && { hiddenMask }),
    };
    checkCell('recurrentCell', node, this.#state.parameters);
    return this.#node(node, [input], input.shape);
  }

  /** Logits [V] of a vector [C] by the table of an embedding, `${embedding}.weight` [V, C], and `${name}.bias`, first 0. */
  tiedLinear(name: string, input: Tensor, embedding: string): Tensor {
    check('name', name, aName);
    check('embedding', embedding, aName);
    checkVector('tiedLinear', input);
    const weight = this.#name(`${embedding}.weight`);
    const shape = this.#state.parameters.get(weight)?.shape ?? [];
    if (shape.length !== 2 || shape[1] !== input.shape[0]) {
      throw invalid('embedding', `an embedding of ${input.shape[0]} channels`, embedding);
    }
    const initialiser = { kind: 'constant', value: 0 } as const;
    const bias = this.#parameter(`${name}.bias`, {
      ...{ role: 'weight', shape: [shape[0]], layout: 'plain' },
      initialiser,
    } as const);
    return this.#node({ op: 'tiedLinear', weight, bias }, [input], [shape[0]]);
  }

  /** Mean of x² over all elements; see {@link MeanSquareNode}. Shape []. */
  meanSquare(input: Tensor): Tensor {
    checkVector('meanSquare', input);
    return this.#node({ op: 'meanSquare' }, [input], []);
  }

  /** Mean square of what changes from one time to the next; see {@link SlownessNode}. Shape []. */
  slowness(input: Tensor): Tensor {
    checkVector('slowness', input);
    return this.#node({ op: 'slowness' }, [input], []);
  }

  /** Declares a hidden state `[columns, channels]`, first 0, that batches name as what they begin with and leave. */
  state(name: string, columns: number, channels: number): string {
    check('name', name, aName);
    positive('columns', columns);
    positive('channels', channels);
    const initialiser = { kind: 'constant', value: 0 } as const;
    return this.#parameter(name, { role: 'state', shape: [columns, channels], layout: 'plain', initialiser });
  }

  #sequenceWeight(name: string, shape: Shape): string {
    return this.#parameter(name, {
      ...{ role: 'weight', shape, layout: 'plain' },
      initialiser: { kind: 'uniform', bound: 0.04 },
    } as const);
  }

  /** Nothing where nothing is dropped. */
  #mask<Field extends string>(field: Field, name: string, rate: number): Partial<Record<Field, SequenceMask>> {
    check('rate', rate, aShareBelowOne);
    if (rate === 0) return {};
    const mask = { name: this.#name(name), rate, number: this.#state.draws++ };
    return { [field]: mask } as Partial<Record<Field, SequenceMask>>;
  }

  /** Cross-correlation without bias on [H, W, C]; weight `${name}.weight`, uniform in ±1/sqrt(fan-in). */
  conv2d(name: string | number, input: Tensor, options: Conv2dOptions): Tensor {
    check('name', name, aLabel);
    checkRecord('options', options, 'channels and kernel');
    const [height, width, inputChannels] = image('conv2d', input);
    const groups = options.groups ?? 1;
    const dilation = pair('dilation', options.dilation ?? 1);
    const window = slidingWindow(options);
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
    check('name', name, aLabel);
    checkTensor('batchNorm', input);
    checkRecord('options', options, 'affine');
    check('affine', options.affine, aBoolean);
    checkOptional('epsilon', options.epsilon, positiveNumber);
    checkOptional('momentum', options.momentum, fraction);
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
    checkTensor('relu', input);
    return this.#node({ op: 'relu' }, [input], input.shape);
  }

  tanh(input: Tensor): Tensor {
    checkTensor('tanh', input);
    return this.#node({ op: 'tanh' }, [input], input.shape);
  }

  /** 1 / (1 + exp(-x)). */
  sigmoid(input: Tensor): Tensor {
    checkTensor('sigmoid', input);
    return this.#node({ op: 'sigmoid' }, [input], input.shape);
  }

  /** A tensor times a constant. */
  scale(input: Tensor, factor: number): Tensor {
    checkTensor('scale', input);
    check('factor', factor, finite);
    return factor === 1 ? input : this.#node({ op: 'scale', factor }, [input], input.shape);
  }

  /**
   * A tensor times one entry of the softmax of a vector of weights, the parameter `name` itself; see {@link SoftmaxScaleNode}. Its other
   * entries are for other tensors, by {@link GraphBuilder.reusing}.
   */
  softmaxScale(name: string, input: Tensor, options: SoftmaxScaleOptions): Tensor {
    check('name', name, aName);
    checkTensor('softmaxScale', input);
    checkRecord('options', options, 'count and index');
    const { count, index, initialiser = { kind: 'constant', value: 0 } } = options;
    positive('count', count);
    check('index', index, anInteger(0, count - 1));
    checkInitialiser('initialiser', initialiser);
    const weight = this.#parameter(name, { role: 'weight', shape: [count], layout: 'plain', initialiser });
    return this.#node({ op: 'softmaxScale', weight, count, index }, [input], input.shape);
  }

  /** A tensor plus noise, in training or `always`; see {@link NoiseNode}. Standard normal unless told. */
  noise(input: Tensor, options: { distribution?: NoiseDistribution; always?: boolean } = {}): Tensor {
    checkTensor('noise', input);
    checkRecord('options', options, 'distribution and always');
    const { distribution = 'normal', always = false } = options;
    check('distribution', distribution, distributions);
    check('always', always, aBoolean);
    const fields = { op: 'noise', distribution, number: this.#state.draws++, ...(always && { always }) } as const;
    return this.#node(fields, [input], input.shape);
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
    check('countIncludePad', countIncludePad, aBoolean);
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
    check('name', name, aName);
    checkTensor('linear', input);
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

  /** Sum of tensors of one shape, each times its constant weight where there are weights. */
  add(inputs: readonly Tensor[], options: { weights?: readonly number[] } = {}): Tensor {
    checkTensors('add', inputs);
    for (const input of inputs) sameShape('add', inputs[0], input);
    checkRecord('options', options, 'weights');
    const { weights } = options;
    if (weights !== undefined) {
      check('weights', weights, listOfLength(inputs.length, finite, `${inputs.length} numbers, one an input`));
    }
    const terms = weights === undefined ? inputs : inputs.map((input, i) => this.scale(input, weights[i]));
    return terms.length === 1 ? terms[0] : this.#node({ op: 'add' }, terms, inputs[0].shape);
  }

  /** Concatenation along channels. */
  concat(inputs: readonly Tensor[]): Tensor {
    checkTensors('concat', inputs);
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
    check('top', top, anInteger(0, height - 1));
    check('left', left, anInteger(0, width - 1));
    return this.#node({ op: 'crop', top, left }, [input], [height - top, width - left, channels]);
  }

  /** Drops elements (or whole samples: drop path) with probability `rate` in training; see {@link DropoutNode}. */
  dropout(input: Tensor, options: { rate: number; drops?: 'elements' | 'samples' }): Tensor {
    checkTensor('dropout', input);
    checkRecord('options', options, 'rate');
    const { rate, drops = 'elements' } = options;
    check('rate', rate, aShareBelowOne);
    check('drops', drops, dropForms);
    const number = this.#state.draws;
    const output = this.#node({ op: 'dropout', rate, drops, number }, [input], input.shape);
    this.#state.draws++;
    return output;
  }

  zero(shape: Shape): Tensor {
    checkShape(shape);
    return this.#node({ op: 'zero' }, [], shape);
  }

  /** Declares a table of architecture parameters, one row a mixed operation, drawn from deviation·N(0,1): a deviation of 0 is all 0. */
  alpha(name: string, rowLengths: readonly number[], deviation = 1e-3): string {
    check('name', name, aName);
    check('rowLengths', rowLengths, rows);
    if (rowLengths.length === 0) throw invalid('rowLengths', rows.words, rowLengths);
    check('deviation', deviation, notNegative);
    const total = rowLengths.reduce((sum, length) => sum + length, 0);
    const uniform = rowLengths.every((length) => length === rowLengths[0]);
    return this.#parameter(name, {
      role: 'alpha',
      shape: uniform ? [rowLengths.length, rowLengths[0]] : [total],
      layout: 'plain',
      // Not 0 times a draw, which may be -0.
      initialiser: deviation === 0 ? { kind: 'constant', value: 0 } : { kind: 'normal', deviation },
      rowLengths,
    });
  }

  /**
   * A mixed operation on one edge: each branch is built on `input` under the prefix `_ops.INDEX`, and their outputs are
   * summed with the mixing weights of `row` of the table `alpha`. With `runsAll` they run also where their weight is given as 0.
   */
  mixed(
    input: Tensor,
    branches: readonly BranchBuilder[],
    mixing: { alpha: string; row: number; activation?: MixingActivation; runsAll?: boolean },
  ): Tensor {
    checkTensor('mixed', input);
    checkBranches(branches);
    checkRecord('mixing', mixing, 'alpha and row');
    const { activation = 'softmax', runsAll = false } = mixing;
    check('activation', activation, activations);
    check('runsAll', runsAll, aBoolean);
    const rowLengths = this.#state.parameters.get(mixing.alpha)?.rowLengths;
    if (rowLengths === undefined) throw invalid('alpha', 'the name of a declared table', mixing.alpha);
    if (!Number.isInteger(mixing.row) || rowLengths[mixing.row] !== branches.length) {
      throw invalid('row', `a row of ${mixing.alpha} with ${branches.length} entries`, mixing.row);
    }
    const outputs: Tensor[] = [];
    const spans: MixedBranch[] = [];
    branches.forEach((branch, index) => {
      const begin = this.#state.nodes.length;
      const output = branch.build(this.within(`_ops.${index}`), input);
      checkTensor(`mixed: candidate ${branch.name}`, output);
      if (outputs.length > 0) sameShape(`mixed: candidate ${branch.name}`, outputs[0], output);
      outputs.push(output);
      spans.push({ name: branch.name, begin, end: this.#state.nodes.length, output: output.id });
    });
    return this.#node(
      {
        op: 'mixed',
        alpha: mixing.alpha,
        row: mixing.row,
        activation,
        branches: spans,
        ...(runsAll && { runsAll }),
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
    checkTensor('softmaxCrossEntropy', logits);
    checkRecord('options', options, 'smoothing and auxiliary');
    const { smoothing = 0, auxiliary = [] } = options;
    check('smoothing', smoothing, aShareBelowOne);
    check('auxiliary', auxiliary, terms);
    if (auxiliary.length > mostAuxiliaryLogits) {
      throw invalid('auxiliary', `at most ${mostAuxiliaryLogits} auxiliary logits`, auxiliary.length);
    }
    if (logits.shape.length !== 1) throw invalid('the logits', 'a vector [classes]', logits.shape);
    for (const { logits: more, weight } of auxiliary) {
      checkTensor('softmaxCrossEntropy', more);
      sameShape('softmaxCrossEntropy', logits, more);
      check('the weight of auxiliary logits', weight, finite);
    }
    const inputs = [logits, ...auxiliary.map((term) => term.logits)];
    const weights = [1, ...auxiliary.map(({ weight }) => weight)];
    return this.#node({ op: 'softmaxCrossEntropy', smoothing, weights }, inputs, []);
  }

  /**
   * Declares the parameters of what is built on a tensor of a shape, without its nodes: what files hold and counts count though nothing
   * runs. No optimiser moves them; see `untrained` of {@link ParameterSpec}.
   */
  untrained(shape: Shape, build: (builder: GraphBuilder, input: Tensor) => Tensor): void {
    checkShape(shape);
    check('build', build, aFunction);
    const apart = new GraphBuilder();
    build(apart, apart.zero(shape));
    for (const { name, ...spec } of apart.#state.parameters.values()) {
      this.#parameter(name, { ...spec, role: 'buffer', ...(spec.role === 'weight' && { untrained: true }) });
    }
  }

  /** A tensor through which no gradient flows back. */
  detach(input: Tensor): Tensor {
    checkTensor('detach', input);
    return this.#node({ op: 'detach' }, [input], input.shape);
  }

  /** How far a student's logits [classes] are from a teacher's at a temperature; see {@link DistillationNode}. Shape []. */
  distillation(student: Tensor, teacher: Tensor, options: { temperature?: number } = {}): Tensor {
    checkVectors('distillation', student, teacher);
    checkRecord('options', options, 'temperature');
    const { temperature = 1 } = options;
    check('temperature', temperature, positiveNumber);
    return this.#node({ op: 'distillation', temperature }, [student, teacher], []);
  }

  /** Smooth L1 loss between two vectors; see {@link SmoothL1Node}. Shape []. */
  smoothL1(first: Tensor, second: Tensor): Tensor {
    checkVectors('smoothL1', first, second);
    return this.#node({ op: 'smoothL1' }, [first, second], []);
  }

  /** Mean squared error between two vectors; see {@link MeanSquaredErrorNode}. Shape []. */
  meanSquaredError(first: Tensor, second: Tensor): Tensor {
    checkVectors('meanSquaredError', first, second);
    return this.#node({ op: 'meanSquaredError' }, [first, second], []);
  }

  /** 1 less the cosine of the angle between two vectors; see {@link CosineDistanceNode}. Shape []. */
  cosineDistance(first: Tensor, second: Tensor): Tensor {
    checkVectors('cosineDistance', first, second);
    return this.#node({ op: 'cosineDistance' }, [first, second], []);
  }

  /** A sum of losses of this graph, each times its weight. Shape []. */
  lossSum(terms: readonly { readonly loss: Tensor; readonly weight: number }[]): Tensor {
    check('terms', terms, lossTerms);
    if (terms.length === 0 || terms.length > mostLosses) {
      throw invalid('terms', `1 to ${mostLosses} losses`, terms.length);
    }
    for (const [index, { loss, weight }] of terms.entries()) {
      checkTensor(`lossSum: term ${index}`, loss);
      this.#checkOwn('lossSum', loss);
      if (!isTerm(this.#state.nodes[loss.id])) throw invalid(`terms[${index}].loss`, 'a loss that is no sum', loss);
      if (terms.some((term, other) => other < index && term.loss.id === loss.id)) {
        throw invalid(`terms[${index}].loss`, 'each loss once', loss);
      }
      check(`terms[${index}].weight`, weight, finite);
    }
    const weights = terms.map(({ weight }) => weight);
    return this.#node(
      { op: 'lossSum', weights },
      terms.map(({ loss }) => loss),
      [],
    );
  }

  /** The finished graph with `output` as what programs return. */
  finish(output: Tensor): Graph {
    checkTensor('finish', output);
    this.#checkOwn('finish', output);
    const { nodes, parameters } = this.#state;
    const graph = { nodes: [...nodes], parameters: [...parameters.values()], output: output.id };
    markSound(graph);
    return graph;
  }

  #name(name: string): string {
    const { prefix } = this.#naming;
    return prefix === '' ? name : `${prefix}.${name}`;
  }

  #parameter(name: string, spec: Omit<ParameterSpec, 'name'>): string {
    const full = this.#name(name);
    const { group, reuses } = this.#naming;
    const declared = { name: full, ...spec, ...(spec.role === 'weight' && group !== undefined && { group }) };
    const known = this.#state.parameters.get(full);
    if (known === undefined) this.#state.parameters.set(full, declared);
    else if (!reuses)
      throw new ArgumentError(`the graph has a parameter ${full} already: reusing() lets nodes share it`);
    else if (!isSameParameter(known, declared)) throw new ArgumentError(`the graph has another parameter ${full}`);
    return full;
  }

  #node(fields: Fields<Node>, inputs: readonly Tensor[], shape: Shape): Tensor {
    const id = this.#state.nodes.length;
    for (const input of inputs) this.#checkOwn(fields.op, input);
    this.#state.nodes.push({ ...fields, id, inputs: inputs.map((input) => input.id), shape } as Node);
    return { id, shape };
  }

  #checkOwn(op: string, { id, shape }: Tensor): void {
    if (this.#state.nodes[id]?.shape === shape) return;
    throw new ArgumentError(`[${op}] expected tensors of the same graph but got tensor ${id} of another`);
  }
}

const mostAuxiliaryLogits = 3;
/** As the engine has it. */
const mostLosses = 16;

const size = anInteger(1);
const offset = anInteger(0);
const fraction = aNumber(0, 1);
const sizes = listOf(size, '[height, width, channels] or [channels] of positive integers');
const rows = listOf(size, 'a list of positive integers, one a row,');
const dropForms = oneOf(['elements', 'samples']);
const activations = oneOf(['softmax', 'sigmoid']);
const distributions = oneOf(noiseDistributions);
const term: Rule = { words: 'a term', holds: isRecord };
const terms = listOf(term, 'a list of logits with a weight each');
const lossTerms = listOf(term, 'a list of losses with a weight each');

/** What a builder's prefix and a layer may be called. */
const aLabel: Rule = {
  words: 'a name or a number',
  holds: (value) => aName.holds(value) || offset.holds(value),
};

function checkShape(shape: Shape): void {
  check('shape', shape, sizes);
  if (shape.length !== 1 && shape.length !== 3)
    throw invalid('shape', '[height, width, channels] or [channels]', shape);
}

function checkTensor(op: string, tensor: Tensor): void {
  if (isRecord(tensor) && Array.isArray(tensor.shape) && offset.holds(tensor.id)) return;
  throw invalid(`the input of ${op}`, 'a Tensor, as the methods of GraphBuilder give it,', tensor);
}

function checkTensors(op: string, tensors: readonly Tensor[]): void {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw invalid(`the inputs of ${op}`, 'a list of at least one tensor', tensors);
  }
  for (const tensor of tensors.values()) checkTensor(op, tensor);
}

function checkVector(op: string, input: Tensor): void {
  checkTensor(op, input);
  if (input.shape.length !== 1) throw invalid(`the input of ${op}`, 'a vector [C]', input.shape);
}

function checkVectors(op: string, first: Tensor, second: Tensor): void {
  checkTensors(op, [first, second]);
  if (first.shape.length !== 1) throw invalid(`the inputs of ${op}`, 'vectors [C]', first.shape);
  sameShape(op, first, second);
}

function checkBranches(branches: readonly BranchBuilder[]): void {
  if (!Array.isArray(branches) || branches.length === 0) {
    throw invalid('branches', 'a list of at least one branch', branches);
  }
  for (const [index, branch] of branches.entries()) {
    checkRecord(`branches[${index}]`, branch, 'name and build');
    check(`branches[${index}].name`, branch.name, aName);
    check(`branches[${index}].build`, branch.build, aFunction);
  }
}

function positive(name: string, value: number): void {
  check(name, value, size);
}

function pair(name: string, value: number | Pair): Pair {
  if (typeof value === 'number') return [value, value];
  if (!Array.isArray(value) || value.length !== 2) throw invalid(name, 'a number or a pair of them', value);
  return value;
}

function slidingWindow(options: PoolOptions) {
  return {
    kernel: pair('kernel', options.kernel),
    stride: pair('stride', options.stride ?? 1),
    padding: pair('padding', options.padding ?? 0),
  };
}

function poolWindow(options: PoolOptions) {
  checkRecord('options', options, 'kernel');
  const window = slidingWindow(options);
  for (const axis of [0, 1] as const) {
    if (2 * window.padding[axis] > window.kernel[axis]) {
      throw invalid('padding', `at most half of the kernel ${window.kernel[axis]}`, window.padding[axis]);
    }
  }
  return window;
}

function image(op: string, input: Tensor): readonly [number, number, number] {
  checkTensor(op, input);
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
