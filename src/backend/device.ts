/// <reference lib="esnext.disposable" preserve="true" />
// What every backend offers to the layers above. Methods (search, select, evaluate) talk to these interfaces only.
import type { ImageArrays } from '../data/dataset.ts';
import type { Graph, MixingActivation, SequenceMask } from '../graph/graph.ts';
import type { StreamKey } from '../random/philox.ts';
import type { Parameters } from './parameters.ts';

/**
 * A backend's name. `simt` runs the kernels of `cuda` on the CPU, thousands of times as slowly, to test them: its device
 * `index` chooses an order of threads (0 forward, 1 reverse, 2 to 4 random), which must make no difference.
 */
export type BackendName = (typeof backendNames)[number];

/** The backends that this version can open, best first. */
export const backendNames = ['cuda', 'cpu', 'tfjs', 'simt'] as const;

/** Which gradients a pass computes; kernels for the others do not run. */
export type GradientTarget = 'weights' | 'alpha' | 'both';

/**
 * Mixing weights given from outside, by table: one array (rows one after another), or a list with an array for each row that is given.
 * The gradient of a given row is that of its mixing weights. Tables that are left out and rows that are undefined follow from alpha.
 *
 * A candidate of weight 0 is not computed, unless its node says so (`runsAll` of `MixedNode`): its running statistics stay, the gradients of its
 * parameters and of its weight are 0. An edge of such weights adds nothing.
 */
export type Mixing = Readonly<Record<string, Float32Array | readonly (Float32Array | undefined)[]>>;

/**
 * What batch norms normalise with: `running` with the running statistics, which stay; `batch` with the batch's own, and the running ones
 * stay; `moving` with the batch's own, and the running ones move towards them, as in training. Those of candidates that do not run stay.
 */
export type PassStatistics = (typeof passStatistics)[number];

/** The ways of {@link PassStatistics}. */
export const passStatistics = ['running', 'batch', 'moving'] as const;

/** How images become a batch: all randomness is named by `stream`, indexed by the position in the batch. */
export interface Augmentation {
  /** Per channel, of pixels scaled to [0, 1]. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Zero pixels added on each side before a random crop of the original size; 0 for none. */
  readonly pad: number;
  /** Mirror horizontally with probability one half. */
  readonly flip: boolean;
  /** Side in pixels of a square set to zero after normalisation at a random place; 0 for none. */
  readonly cutout: number;
  /** How probable it is that an image has such a square, each by itself; 1 when absent. */
  readonly cutoutProbability?: number;
  /** Absent when nothing is random. */
  readonly stream?: StreamKey;
  /**
   * Mixup (arXiv:1710.09412): an image's own share, from 0 to 1, in what becomes of it; the rest is that of its partner, the image as
   * far from the batch's end as it is from the start. Losses weigh the labels likewise; hits count the own label. 1 when absent.
   */
  readonly share?: number;
}

/**
 * What the dropout and noise nodes of a graph draw from; all of a pass, and of a hypergradient's passes over one batch, is named by it.
 */
export interface DropoutDraw {
  readonly seed: number;
  readonly epoch: number;
  readonly step: number;
  /** Multiplies the rate of nodes that drop whole samples, which grows over the epochs of a training; 1 when absent. */
  readonly pathFactor?: number;
  /** Multiplies what noise nodes add, but for those that are `always` there; 1 when absent. */
  readonly noiseScale?: number;
  /** Whether dropout nodes drop anything; true when absent. False is for evaluations, where noise alone is drawn. */
  readonly drops?: boolean;
  /** Masks of {@link SequenceMask} by name, in place of those that would be drawn: `[columns, channels]`, of an embedding `[count]`. */
  readonly masks?: Readonly<Record<string, Float32Array>>;
}

/** Images of a device dataset, gathered, augmented and normalised on the device. */
export interface GatheredBatch {
  readonly dataset: DeviceDataset;
  /** One dataset position a sample; as many as the program's batch size. */
  readonly indices: Uint32Array;
  readonly augmentation: Augmentation;
  /** The graph's other inputs, where it has more than the one for the images: `[batch, ...shape]`. */
  readonly inputs?: Readonly<Record<string, Float32Array>>;
  /** Absent: nothing is dropped and no noise added; a graph whose noise is `always` there refuses that. */
  readonly dropout?: DropoutDraw;
}

/** Tensors given directly: one array per graph input, `[batch, ...shape]`, and labels `[batch]` where there is a loss. */
export interface DirectBatch {
  /** Of an input of integers an Int32Array. */
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  readonly labels?: Int32Array;
  /** Absent: nothing is dropped and no noise added; a graph whose noise is `always` there refuses that. */
  readonly dropout?: DropoutDraw;
  /** Of graphs with a recurrent cell. */
  readonly hidden?: HiddenStates;
}

/** Names of parameters of role `state`: where the hidden state of a batch comes from, and where its last one goes. */
export interface HiddenStates {
  /** Zeros when absent. */
  readonly from?: string;
  /** Nowhere when absent. It may be `from`. */
  readonly to?: string;
}

/** Where a pass takes its images and labels from. */
export type Batch = GatheredBatch | DirectBatch;

/** Forward and backward from the loss; gradients are left in the parameters. */
export interface GradientsCommand {
  readonly kind: 'gradients';
  readonly program: Program;
  readonly batch: Batch;
  readonly target: GradientTarget;
  /**
   * The groups of weights whose gradients are wanted: those of others stay as they are, and kernels for them do not run. Weights of these
   * groups that the pass does not reach, or that the graph does not have, get gradients of 0. All when absent.
   */
  readonly groups?: readonly string[];
  /**
   * Adds to the gradients that are there, as of another micro-batch, in place of writing over them: all that are wanted, or those of some
   * of the groups, and of alpha then none. False when absent.
   */
  readonly accumulate?: boolean | readonly string[];
  /** `moving` when absent: training. No gradient flows through `running` ones: those of evaluation. */
  readonly statistics?: PassStatistics;
  readonly mixing?: Mixing;
  /** Nodes whose outputs are wanted. One that fusion leaves without a value makes the whole pass run unfused. */
  readonly read?: readonly number[];
  /** Also measure every kernel. */
  readonly profile?: boolean;
}

/** Forward only. */
export interface EvaluateCommand {
  readonly kind: 'evaluate';
  readonly program: Program;
  readonly batch: Batch;
  readonly statistics: PassStatistics;
  readonly mixing?: Mixing;
  readonly read?: readonly number[];
  /** Also measure every kernel. */
  readonly profile?: boolean;
}

/**
 * The one-step unrolled hypergradient by finite differences (DARTS, arXiv:1806.09055, equations 7 and 8). Leaves it as the
 * gradient of alpha; weights and momentum keep their bits. The outcome's loss is that of the validation batch at the
 * unrolled weights.
 */
export interface HypergradientCommand {
  readonly kind: 'hypergradient';
  readonly program: Program;
  readonly train: Batch;
  readonly validation: Batch;
  /** ξ, the step size of the unrolled step. */
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** r of ε = r / ‖v‖, from 1e-12 to 1e12; 0.01 as published. */
  readonly radius?: number;
  /** Largest norm that the training gradient and v may have, each scaled to it; nothing is clipped when absent. */
  readonly maxNorm?: number;
  /**
   * Whether the finite difference is multiplied by maxNorm / (norm + 1e-6) of the training gradient also where that is above 1, as the code
   * published for texts has it, not by what the gradient was scaled by; false when absent.
   */
  readonly unclamped?: boolean;
  /** Groups of weights that the unrolled step leaves as they are; none when absent. */
  readonly heldGroups?: readonly string[];
  /** What the passes at w + εv and w - εv draw from, where that is not what the training batch names. */
  readonly perturbed?: readonly [DropoutDraw, DropoutDraw];
  /** Of all its passes. */
  readonly mixing?: Mixing;
}

/** What an optimiser moves. */
export interface Moved {
  readonly parameters: Parameters;
  /** `weights` by SGD, `alpha` by Adam when absent. */
  readonly of?: 'weights' | 'alpha';
  /** Groups of the weights; all when absent. Gradients are clipped by the norm over all that is moved. */
  readonly groups?: readonly string[];
}

/**
 * w -= lr·m with m = momentum·m + d and d = clip(g) + weightDecay·w, g scaled to a global norm of at most `maxNorm`; with `nesterov`
 * w -= lr·(d + momentum·m) (Sutskever et al., ICML 2013, as PyTorch has it).
 */
export interface SgdCommand extends Moved {
  readonly kind: 'sgd';
  readonly learningRate: number;
  /** Above 0 with `nesterov`. */
  readonly momentum: number;
  readonly weightDecay: number;
  /** False when absent. */
  readonly nesterov?: boolean;
  /**
   * Where the momentum lies: in its own place, or where Adam's second moments would, so that two optimisers may move the same weights,
   * each with a momentum of its own. On weights the latter needs parameters made with `secondMoments`. `momentum` when absent.
   */
  readonly momentumIn?: MomentumPlace;
  /** Above 0; Infinity for no clipping. */
  readonly maxNorm: number;
}

/** The places of an optimiser's momentum. */
export const momentumPlaces = ['momentum', 'secondMoments'] as const;

/** One of {@link momentumPlaces}. */
export type MomentumPlace = (typeof momentumPlaces)[number];

/** Scales gradients so that the norm of all together is at most `maxNorm`, as optimisers do with what they move. */
export interface ClipCommand {
  readonly kind: 'clip';
  readonly parameters: Parameters;
  /** Groups of the weights; all when absent. */
  readonly groups?: readonly string[];
  /** Whether alpha's count too; false when absent. */
  readonly alpha?: boolean;
  /** Above 0; Infinity to measure the norm only. */
  readonly maxNorm: number;
}

/**
 * Moves averages of weights and buffers towards the parameters' own: average = decay·average + (1 - decay)·value. A decay of (n - 1) / n in
 * the n-th step gives the mean of all steps, as averaged SGD keeps it (Polyak and Juditsky, 1992).
 */
export interface AverageCommand {
  readonly kind: 'average';
  readonly parameters: Parameters;
  /** Laid out for the same graph. */
  readonly averages: Parameters;
  /** Groups of the weights, no buffers; all when absent. */
  readonly groups?: readonly string[];
  /** From 0 to 1. */
  readonly decay: number;
}

/** Adam (Kingma and Ba, arXiv:1412.6980) with the L2 term in the gradient; on weights its first moment takes the place of momentum. */
export interface AdamCommand extends Moved {
  readonly kind: 'adam';
  readonly learningRate: number;
  /** In [0, 1). */
  readonly betas: readonly [number, number];
  /** Above 0: a gradient that was always 0 would divide 0 by it. */
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Number of this update, from 1, for the bias correction. */
  readonly step: number;
  /** Largest norm that gradients may have, as for `sgd`; nothing is clipped when absent. */
  readonly maxNorm?: number;
}

/** Copies the values of named tensors between parameters, or within them. */
export interface CopyCommand {
  readonly kind: 'copy';
  readonly parameters: Parameters;
  readonly target: Parameters;
  /**
   * Tensors of one role and one shape: their names, or the name that each has in `target` with the one it has in `parameters`. None is
   * both copied and written over. All of `target` when absent.
   */
  readonly tensors?: readonly string[] | Readonly<Record<string, string>>;
}

/** The forms of a {@link PenaltyCommand}. */
export const penalties = ['zeroOneL2', 'zeroOneL1', 'l1', 'beta'] as const;

/** One of {@link penalties}. */
export type Penalty = (typeof penalties)[number];

/**
 * A loss on architecture parameters α or the mixing weights m that follow from them: adds `weight` times its gradient to alpha's
 * gradient, which an earlier command has left, and reports it, without the weight.
 *
 * - `zeroOneL2`, `zeroOneL1`: mean over the entries of -(m - 0.5)² or -|m - 0.5| (FairDARTS, arXiv:1911.12126, equations 5 and 6);
 * - `l1`: sum over the entries of |α|, its slope 0 at 0 (CDARTS, arXiv:2006.10724, as Microsoft NNI has it);
 * - `beta`: mean over the rows of log Σ exp(α) (β-DARTS, arXiv:2203.01665, equation 11).
 */
export interface PenaltyCommand {
  readonly kind: 'penalty';
  readonly parameters: Parameters;
  readonly penalty: Penalty;
  /** Of it in the loss that alpha follows. */
  readonly weight: number;
  /** How α becomes mixing weights, as the graph's mixed operations have it; `softmax` when absent. */
  readonly activation?: MixingActivation;
  /**
   * Which entries count, 1 or 0 each, by table; tables left out do not count then. For `beta` rows count whole. All entries of all
   * tables when absent.
   */
  readonly entries?: Readonly<Record<string, Uint8Array>>;
}

/** Forward, then backward from a given gradient of the output node (a vector-Jacobian product). */
export interface VjpCommand {
  readonly kind: 'vjp';
  readonly program: Program;
  readonly batch: DirectBatch;
  /** Gradient of the output, `[batch, ...shape]`; empty for a loss, whose own gradient is 1. */
  readonly outputGradient: Float32Array;
  /** As for `gradients`. */
  readonly statistics?: PassStatistics;
  readonly mixing?: Mixing;
  /** Also measure every kernel. */
  readonly profile?: boolean;
}

/** One piece of work for a device. Rates and decays of weights are finite numbers of at least 0, momentum is from 0 to 1. */
export type Command =
  | GradientsCommand
  | EvaluateCommand
  | HypergradientCommand
  | SgdCommand
  | AdamCommand
  | ClipCommand
  | AverageCommand
  | PenaltyCommand
  | CopyCommand
  | VjpCommand;

/** What one kernel of a pass cost. */
export interface KernelProfile {
  /** Op and direction, such as 'separable backward'. */
  readonly kernel: string;
  /** Of an evaluation that a CPU cut into slices: the sum over those, divided by the threads that took them. */
  readonly seconds: number;
  /** Of the outputs and gradients that were asked for; what a kernel recomputes does not count. */
  readonly flops: number;
  /** Of those, what products of matrices take: the part that tensor cores may do. */
  readonly productFlops: number;
  /** Each tensor that the kernel must read or write, once. */
  readonly bytes: number;
  /** Scratch memory of the kernel, which it writes and reads beside those. */
  readonly workspaceBytes: number;
}

/** What a command gives back; fields that make no sense for its kind are absent. */
export interface Outcome {
  /** Mean loss of the batch. */
  readonly loss?: number;
  /** The terms of a sum of losses, without their weights. */
  readonly terms?: readonly number[];
  /** Samples whose largest logit is the label's. */
  readonly correct?: number;
  /** Norm of the gradient before clipping (sgd, clip, and adam with `maxNorm`; of a hypergradient with `maxNorm` that of the training batch). */
  readonly gradientNorm?: number;
  /** ‖v‖ of a hypergradient, before clipping. */
  readonly directionNorm?: number;
  /** Without its weight (penalty). */
  readonly penalty?: number;
  /** Output of each node asked for with `read`, and of the output node of a vjp: `[batch, ...shape]`; of a loss its samples' own. */
  readonly outputs?: ReadonlyMap<number, Float32Array>;
  /** Of every kernel, in the order of running (passes with `profile`). */
  readonly profile?: readonly KernelProfile[];
  /** Gradient of each graph input (vjp). */
  readonly inputGradients?: Readonly<Record<string, Float32Array>>;
}

/** Options of a run of commands. */
export interface ExecuteOptions {
  /** Stops between two kernels; the promise then rejects with AbortedError. Weights are whole, gradients are not. */
  readonly signal?: AbortSignal;
}

/** Images held by a device. */
export interface DeviceDataset extends Disposable {
  readonly count: number;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
  /** Puts as many other images and labels in the place of these, behind the device's commands so far. */
  replace(images: Uint8Array, labels: Int32Array): Promise<void>;
  dispose(): void;
}

/** What a program may compute in; numbered as Precision in native/engine/kernel.h. */
export const precisions = ['fp32', 'tf32', 'bf16'] as const;

/** One of {@link precisions}. */
export type Precision = (typeof precisions)[number];

/** Options of {@link Device.compile}. */
export interface CompileOptions {
  readonly batchSize: number;
  /**
   * The longest sequence, for graphs that read such: the samples of a batch are then its times, `batchSize` columns each, time after time;
   * `[time, column]`. A batch may be shorter. No sequences when absent.
   */
  readonly length?: number;
  readonly parameters: Parameters;
  /** `off` runs every node by itself: the oracle for the fused kernels, which differ from it by round-off. */
  readonly fusion?: 'on' | 'off';
  /**
   * `fp32` when absent: exact. `tf32` multiplies matrices on the tensor cores of a GPU, with 11 bits of precision. `bf16`
   * stores activations in half of the memory, rounded to 8 bits of precision: the CPU engine those that fused kernels keep for
   * each other, a GPU all images and their gradients, and it multiplies matrices of those. Sums are float32 in any case.
   */
  readonly precision?: Precision;
}

/** Options of {@link Device.createParameters}. */
export interface ParametersOptions {
  readonly seed: number;
  /**
   * Whether there shall be second moments of the weights' gradients, so that `adam` can work on weights, or `sgd` with a second momentum;
   * false when absent.
   */
  readonly secondMoments?: boolean;
}

/** Bytes of working memory by kind of pass. */
export type ProgramMemory = Readonly<Record<'evaluate' | GradientTarget, number>>;

/** A graph planned for one batch size. Programs of one device share its working memory and may share parameters. */
export interface Program extends Disposable {
  readonly graph: Graph;
  /** Samples of a batch; of sequences the columns. */
  readonly batchSize: number;
  /** The longest sequence; absent where samples are no times of one. */
  readonly length?: number;
  readonly parameters: Parameters;
  /** Planned working memory in bytes of each kind of pass; with running statistics a CPU mostly takes less to evaluate. */
  memory(): Promise<ProgramMemory>;
  /** One `gradients` command. */
  gradients(options: Omit<GradientsCommand, 'kind' | 'program'> & ExecuteOptions): Promise<Outcome>;
  /** One `evaluate` command. */
  evaluate(options: Omit<EvaluateCommand, 'kind' | 'program'> & ExecuteOptions): Promise<Outcome>;
  /** One `hypergradient` command. */
  hypergradient(options: Omit<HypergradientCommand, 'kind' | 'program'> & ExecuteOptions): Promise<Outcome>;
  /** One `vjp` command. */
  vjp(options: Omit<VjpCommand, 'kind' | 'program'> & ExecuteOptions): Promise<Outcome>;
  dispose(): void;
}

/** What a device does at best, measured. */
export interface Peak {
  /** Float32 multiplications and additions. */
  readonly flopsPerSecond: number;
  /** Read from memory. */
  readonly bytesPerSecond: number;
}

/** A device: where programs run. Commands run in order, off the event loop. */
export interface Device extends Disposable {
  readonly backend: BackendName;
  /** For people, such as 'cpu (avx512, 2 threads)'. */
  readonly description: string;
  /**
   * Kernels of the graph that was launched last. On a GPU, commands that come a second time are recorded and launched as one
   * graph from then on; 0 before that and on other backends.
   */
  readonly recordedKernels: number;
  /** Takes a second or so. */
  measurePeak(): Promise<Peak>;
  /**
   * Allocates the parameters of a graph, or of several that share those of one name, and draws their first values from `seed`. Rejects
   * with ArgumentError or BackendError.
   */
  createParameters(graph: Graph | readonly Graph[], options: ParametersOptions): Promise<Parameters>;
  /**
   * Copies images to the device, part by part: they must stay as they are until it is done. Rejects with ArgumentError for arrays that
   * do not belong together, BackendError where memory ends.
   */
  createDataset(arrays: ImageArrays): Promise<DeviceDataset>;
  /** Throws ArgumentError for what is no graph or does not fit the parameters, BackendError where the backend refuses it. */
  compile(graph: Graph, options: CompileOptions): Program;
  /**
   * Runs commands one after another with one crossing into the backend; outcomes in the same order. Rejects with ArgumentError, before
   * anything runs, for a command that makes no sense: its message names the field, such as `commands[2].learningRate`.
   */
  execute(commands: readonly Command[], options?: ExecuteOptions): Promise<Outcome[]>;
  /** Frees the device; its programs, parameters and datasets are then unusable. */
  dispose(): void;
}
