import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import type { BatchNormNode, MixedNode, Node, SequenceMask } from '../../graph/graph.ts';
import type { Tf } from './tf.ts';

/** Statistics of one normalisation over a batch. */
export interface BatchStatistics {
  readonly mean: Tensor1D;
  readonly variance: Tensor1D;
}

/** What normalises, and moves running statistics: a batch norm, or the one of a searched recurrent cell. */
export type Norm = Pick<BatchNormNode, 'runningMean' | 'runningVariance' | 'momentum' | 'epsilon'>;

/** What nodes compute with beside their inputs. */
export interface Surroundings {
  readonly tf: Tf;
  parameter(name: string): Tensor;
  /** Of a mixed node's branches, in order; undefined for those that do not count. */
  mixing(node: MixedNode): readonly (Tensor | undefined)[];
  /** The mixing weights [1] of a row. */
  row(row: Pick<MixedNode, 'alpha' | 'row' | 'activation'>): readonly Tensor[];
  input(name: string): Tensor;
  /** One-hot labels of so many classes. */
  labels(classes: number): Tensor | undefined;
  /** Samples; of sequences times · columns. */
  readonly batchSize: number;
  /** Of sequences. */
  readonly columns: number;
  /** A copy that gradients do not flow through. */
  detach(x: Tensor): Tensor;
  /** Statistics that are given, by norm; without them the batch's own are taken and told to `measured`, with what they are of. */
  running(norm: Norm): BatchStatistics | undefined;
  measured(norm: Norm, statistics: BatchStatistics, count: number): void;
  /** What a dropout multiplies its input by; undefined where nothing is dropped. */
  mask(node: Extract<Node, { op: 'dropout' }>): Tensor | undefined;
  /** A mask of so many elements that is the same at all times; undefined where nothing is dropped. */
  sequenceMask(mask: SequenceMask | undefined, elements: number): Tensor1D | undefined;
  /** What a noise node adds; undefined where nothing is added. */
  noise(node: Extract<Node, { op: 'noise' }>): Tensor | undefined;
  /** The hidden state [columns, channels] that a recurrent cell begins with; undefined for zeros. */
  readonly hidden: Tensor | undefined;
  /** Takes the hidden state that it ends with. */
  leave(hidden: Tensor): void;
}
