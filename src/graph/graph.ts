// The typed graph: plain data that every backend reads. Shapes leave the batch out: [height, width, channels] or [channels].

/** The shape of one sample's tensor: `[height, width, channels]` or `[channels]`. */
export type Shape = readonly number[];

/** Two spatial sizes: `[vertical, horizontal]`. */
export type Pair = readonly [number, number];

/** How a parameter's first values are drawn: `uniform` in ±bound, or from `least` to `bound` where there is one. */
export type Initialiser =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly bound: number; readonly least?: number }
  | { readonly kind: 'normal'; readonly deviation: number };

/**
 * What a parameter is: `weight` is trained by the weight optimiser, `buffer` holds batch-norm statistics, `alpha` holds
 * architecture parameters, `state` a hidden state that one batch of a text hands to the next.
 */
export type ParameterRole = (typeof parameterRoles)[number];

/** Every {@link ParameterRole}. */
export const parameterRoles = ['weight', 'buffer', 'alpha', 'state'] as const;

/** How a weight's axes are stored here and how PyTorch stores them: HWIO against OIHW, [in, out] against [out, in], or alike. */
export type ParameterLayout = 'conv' | 'linear' | 'plain';

/** One named parameter of a graph. */
export interface ParameterSpec {
  readonly name: string;
  readonly role: ParameterRole;
  /** Native shape: convolutions `[kernelHeight, kernelWidth, inputChannels / groups, outputChannels]`, linear `[inputs, outputs]`. */
  readonly shape: Shape;
  readonly layout: ParameterLayout;
  readonly initialiser: Initialiser;
  /**
   * Only for `buffer`: a weight of an operation that a genotype names but nothing runs. It lies in files and counts as a weight, but no
   * optimiser moves it.
   */
  readonly untrained?: true;
  /** Only for `weight`: the name of those that passes and optimisers may take by themselves; `weights` when absent. */
  readonly group?: string;
  /** Only for `alpha`: the length of each row, in order; `shape` is `[rows, columns]` when all are equal, else `[total]`. */
  readonly rowLengths?: readonly number[];
}

/** The group of weights that name none. */
export const defaultGroup = 'weights';

/** How architecture parameters become mixing weights: over the row (softmax) or each for itself (sigmoid). */
export type MixingActivation = 'softmax' | 'sigmoid';

interface NodeBase {
  /** Position in `Graph.nodes`; inputs always come earlier. */
  readonly id: number;
  readonly inputs: readonly number[];
  readonly shape: Shape;
}

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
}

/** Images (or any tensor) given with each batch. */
export interface InputNode extends NodeBase {
  readonly op: 'input';
  readonly name: string;
  /** Integers from 0 and below this, such as words of a vocabulary, in place of numbers; its shape is [1]. */
  readonly below?: number;
}

/**
 * What a dropout multiplies by that stays the same at all times of a sequence (variational dropout: Gal and Ghahramani,
 * arXiv:1512.05287): an element is 1 / (1 - rate) with probability 1 - rate, else 0. It follows from the batch's `dropout`, which may
 * also give it under its name; without one there is none. `number` tells the nodes of a graph apart that draw.
 */
export interface SequenceMask {
  readonly name: string;
  readonly rate: number;
  readonly number: number;
}

/** Rows of a table `[count, channels]`: that of each integer of its input, times the `mask` [count] of the table's rows. */
export interface EmbeddingNode extends NodeBase {
  readonly op: 'embedding';
  readonly weight: string;
  readonly mask?: SequenceMask;
}

/** Its input times a mask [columns, channels] that is the same at all times. */
export interface VariationalDropoutNode extends NodeBase {
  readonly op: 'variationalDropout';
  readonly mask: SequenceMask;
}

/** Activations that an edge of a recurrent cell may have. */
export const recurrentActivations = ['none', 'tanh', 'relu', 'sigmoid', 'identity'] as const;

/** One of {@link recurrentActivations}; `none` adds nothing. */
export type RecurrentActivation = (typeof recurrentActivations)[number];

/** What leads to a node of a derived recurrent cell: the node that it comes from, 0 being that of input and hidden state. */
export interface RecurrentEdge {
  readonly activation: RecurrentActivation;
  readonly from: number;
}

/** How the edges of a searched recurrent cell are mixed. */
export interface RecurrentMixing {
  /** A table of a row for every pair of a node 1 ... N and an earlier one, by node, then by the earlier one. */
  readonly alpha: string;
  /** What a row's entries stand for. */
  readonly candidates: readonly RecurrentActivation[];
  readonly runningMean: string;
  readonly runningVariance: string;
  readonly epsilon: number;
  readonly momentum: number;
}

/**
 * A recurrent cell over a whole sequence (DARTS, arXiv:1806.09055, sections 2.1 and A.1.2). With x and h the input and the hidden state of
 * a time, m the masks, [a, g] = [x·m_x, h·m_h] W0, s_0 = h + σ(a)(tanh(g) - h); node i: [a, g] = (s_p·m_h) W_i, s_i = s_p + σ(a)(f(g) - s_p);
 * its output, and the next hidden state, is the mean of the nodes `outputs`. Searched, a node is the sum over all p < i and all candidates, by
 * their mixing weights, and s_0 and every node are normalised over the columns, with one pair of running statistics for all.
 *
 * The first state is that of the batch's `hidden`, zeros without.
 */
export interface RecurrentCellNode extends NodeBase {
  readonly op: 'recurrentCell';
  /** W0 [2C, 2C], rows of x before those of h, then W_i [C, 2C] of each node; columns of the gate before those of the candidate. */
  readonly weights: readonly string[];
  /** Of a derived cell, one a node; absent where `mixing` is there. */
  readonly edges?: readonly RecurrentEdge[];
  readonly mixing?: RecurrentMixing;
  readonly outputs: readonly number[];
  readonly inputMask?: SequenceMask;
  readonly hiddenMask?: SequenceMask;
}

/** [C] times the transpose of an embedding's table `[outputs, C]`, plus bias: logits of a language model with tied weights. */
export interface TiedLinearNode extends NodeBase {
  readonly op: 'tiedLinear';
  readonly weight: string;
  readonly bias: string;
}

/** Mean over all elements of x² (activation regularisation: Merity, McCann, Socher, arXiv:1708.01009). Its shape is []. */
export interface MeanSquareNode extends NodeBase {
  readonly op: 'meanSquare';
}

/**
 * Mean over all elements but those of the last time of (x[t + 1] - x[t])², 0 of one time (temporal activation regularisation:
 * arXiv:1708.01009). Its shape is [].
 */
export interface SlownessNode extends NodeBase {
  readonly op: 'slowness';
}

/** Cross-correlation without bias; `groups` equal to the channels makes it depthwise. */
export interface Conv2dNode extends NodeBase, Window {
  readonly op: 'conv2d';
  readonly dilation: Pair;
  readonly groups: number;
  readonly weight: string;
}

/**
 * Batch normalisation over batch and space (Ioffe and Szegedy, arXiv:1502.03167); running variance is the unbiased one.
 * `scale` and `shift` are absent when it has no affine part.
 */
export interface BatchNormNode extends NodeBase {
  readonly op: 'batchNorm';
  readonly epsilon: number;
  readonly momentum: number;
  readonly runningMean: string;
  readonly runningVariance: string;
  readonly scale?: string;
  readonly shift?: string;
}

export interface ReluNode extends NodeBase {
  readonly op: 'relu';
}

export interface TanhNode extends NodeBase {
  readonly op: 'tanh';
}

/** 1 / (1 + exp(-x)). */
export interface SigmoidNode extends NodeBase {
  readonly op: 'sigmoid';
}

/** Its input times a constant. */
export interface ScaleNode extends NodeBase {
  readonly op: 'scale';
  readonly factor: number;
}

/**
 * softmax(w)[index]·x, w being a vector of `count` weights: outputs of an ensemble that are weighed like this share one (CDARTS,
 * arXiv:2006.10724). With p = softmax(w), dL/dx = p[index]·dL/dy and dL/dw[i] = p[index]·([i = index] - p[i])·Σ x·dL/dy.
 */
export interface SoftmaxScaleNode extends NodeBase {
  readonly op: 'softmaxScale';
  readonly weight: string;
  readonly count: number;
  readonly index: number;
}

/**
 * Its input plus d·n, n drawn anew for each element, d the batch's `dropout.noiseScale`; without `dropout` its input. n is standard
 * normal, or one of the integers from -3 to 2; no gradient flows through it. `number` tells the nodes of a graph apart that draw. With
 * `always` the noise is part of what the graph computes: d is 1 in every pass, evaluations too, and a batch must have `dropout`.
 */
export interface NoiseNode extends NodeBase {
  readonly op: 'noise';
  readonly distribution: NoiseDistribution;
  readonly number: number;
  readonly always?: boolean;
}

/** What noise may be. */
export const noiseDistributions = ['normal', 'integers'] as const;

/** One of {@link noiseDistributions}. */
export type NoiseDistribution = (typeof noiseDistributions)[number];

/** Maximum over the window; of equal elements the first in row order takes the gradient. */
export interface MaxPoolNode extends NodeBase, Window {
  readonly op: 'maxPool';
}

/** Mean over the window; padding is counted only with `countIncludePad`. */
export interface AvgPoolNode extends NodeBase, Window {
  readonly op: 'avgPool';
  readonly countIncludePad: boolean;
}

/** Mean over all pixels: [H, W, C] to [C]. */
export interface GlobalAvgPoolNode extends NodeBase {
  readonly op: 'globalAvgPool';
}

/** [C] times weight `[C, outputs]`, plus bias. */
export interface LinearNode extends NodeBase {
  readonly op: 'linear';
  readonly weight: string;
  readonly bias: string;
}

/** Sum of inputs of one shape. */
export interface AddNode extends NodeBase {
  readonly op: 'add';
}

/** Concatenation along channels. */
export interface ConcatNode extends NodeBase {
  readonly op: 'concat';
}

/** Drops the first `top` rows and `left` columns. */
export interface CropNode extends NodeBase {
  readonly op: 'crop';
  readonly top: number;
  readonly left: number;
}

/**
 * Inverted dropout (Srivastava et al., JMLR 15, 2014): drops elements, or whole samples as drop path does (Larsson et al.,
 * arXiv:1605.07648), with probability `rate` and divides the rest by 1 - rate. What is dropped follows from the batch's
 * `dropout`; without one nothing is. `number` tells the nodes of a graph apart that draw.
 */
export interface DropoutNode extends NodeBase {
  readonly op: 'dropout';
  readonly rate: number;
  readonly drops: 'elements' | 'samples';
  readonly number: number;
}

/** Zeros of a shape. */
export interface ZeroNode extends NodeBase {
  readonly op: 'zero';
}

/** One branch of a mixed node: the nodes `begin` to `end` (exclusive) are its own, `output` is what is weighed. */
export interface MixedBranch {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
  readonly output: number;
}

/**
 * A mixed operation: the sum of the branches' outputs weighed by one row of mixing weights. A composite: its branches are
 * primitive nodes of the same graph that take `inputs[0]`, so a backend may run them one by one or the whole at once.
 * `inputs` is the edge's input followed by each branch's output.
 */
export interface MixedNode extends NodeBase {
  readonly op: 'mixed';
  readonly alpha: string;
  readonly row: number;
  readonly activation: MixingActivation;
  readonly branches: readonly MixedBranch[];
  /** Branches run also where their weight is given as 0: their batch norms measure, and the gradient of the weight is its own. */
  readonly runsAll?: boolean;
}

/**
 * Mean over the batch of the cross-entropy of softmax(logits) against the labels, for each input of logits, summed with
 * `weights`; its shape is []. Label smoothing (Szegedy et al., arXiv:1512.00567) takes the share `smoothing` of the label's
 * probability and spreads it over all classes. Right predictions are those of the first input.
 */
export interface CrossEntropyNode extends NodeBase {
  readonly op: 'softmaxCrossEntropy';
  readonly smoothing: number;
  /** One an input. */
  readonly weights: readonly number[];
}

/** Its input, through which no gradient flows back. */
export interface DetachNode extends NodeBase {
  readonly op: 'detach';
}

/**
 * Mean over the batch of the divergence of a student's distribution p = softmax(s / T) from a teacher's q = softmax(t / T), Σ q·(log q -
 * log p) (Hinton, Vinyals, Dean, arXiv:1503.02531, without its factor T²); `inputs` are the student's logits and the teacher's, and
 * gradients flow to both. Its shape is [].
 */
export interface DistillationNode extends NodeBase {
  readonly op: 'distillation';
  readonly temperature: number;
}

/**
 * Mean over all elements of d²/2 where |d| < 1, else |d| - 1/2, d being the difference of its two inputs (Girshick, arXiv:1504.08083,
 * equation 3). Its shape is [].
 */
export interface SmoothL1Node extends NodeBase {
  readonly op: 'smoothL1';
}

/** Mean over all elements of d², d being the difference of its two inputs. Its shape is []. */
export interface MeanSquaredErrorNode extends NodeBase {
  readonly op: 'meanSquaredError';
}

/**
 * Mean over the batch of 1 - a·b / max(|a||b|, 1e-6), a and b being its two inputs: 1 less their cosine. Its shape is [].
 */
export interface CosineDistanceNode extends NodeBase {
  readonly op: 'cosineDistance';
}

/** Sum of losses, each times its constant weight; hits are those of the first cross-entropy among them. Its shape is []. */
export interface LossSumNode extends NodeBase {
  readonly op: 'lossSum';
  /** One an input. */
  readonly weights: readonly number[];
}

/** Any node of the graph, told apart by `op`. */
export type Node =
  | InputNode
  | Conv2dNode
  | BatchNormNode
  | ReluNode
  | TanhNode
  | SigmoidNode
  | ScaleNode
  | SoftmaxScaleNode
  | NoiseNode
  | MaxPoolNode
  | AvgPoolNode
  | GlobalAvgPoolNode
  | LinearNode
  | AddNode
  | ConcatNode
  | CropNode
  | DropoutNode
  | ZeroNode
  | MixedNode
  | CrossEntropyNode
  | DetachNode
  | DistillationNode
  | SmoothL1Node
  | MeanSquaredErrorNode
  | CosineDistanceNode
  | EmbeddingNode
  | VariationalDropoutNode
  | RecurrentCellNode
  | TiedLinearNode
  | MeanSquareNode
  | SlownessNode
  | LossSumNode;

/** A finished graph: nodes in an order in which they can run, and the parameters they name. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly parameters: readonly ParameterSpec[];
  /** The node that a program returns; for training it is a loss. */
  readonly output: number;
}
