import { checkDropout } from '../backend/check_batch.ts';
import type { DropoutDraw } from '../backend/device.ts';
import { aName, check, checkRecord } from '../checks.ts';
import { invalid } from '../errors.ts';
import type { Graph, InputNode } from '../graph/graph.ts';
import { readsLabels } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';
import { type ReferenceResult, runReference } from '../reference/interpreter.ts';
import { buildGraph, type KernelSource, outputLength, samplesOf } from './source.ts';
import { countWork, type KernelWork } from './work.ts';

/** Numbers in any array. */
type Numbers = ArrayLike<number>;

/** What a reference is computed from; activations `[batch, ...shape]`, of sequences `[time, column, ...shape]`, parameters in native layout. */
export interface ReferenceValues<Name extends string> {
  readonly batchSize: number;
  readonly inputs: Readonly<Record<Name, Numbers>>;
  /** Every weight and table of architecture parameters, under the names that `openKernel(...).parameters` has. */
  readonly parameters?: Readonly<Record<string, Numbers>>;
  /** `[batch, ...outputShape]`; without it gradients are 0. Of a loss it may be left out: it is 1. */
  readonly outputGradient?: Numbers;
  /** `[batch]`; only for a loss. */
  readonly labels?: Int32Array;
  /** What dropout nodes draw from; nothing is dropped without. */
  readonly dropout?: DropoutDraw;
}

/** The output and the gradients of sum(output · outputGradient) in float64, in the form of {@link KernelGradients}. */
export interface ReferenceGradients<Name extends string> {
  readonly output: Float64Array;
  readonly inputs: Readonly<Record<Name, Float64Array>>;
  readonly parameters: Readonly<Record<string, Float64Array>>;
}

/** A kernel of the catalogue: what {@link openKernel} runs on a backend, what it costs, and what it should give. */
export interface KernelDefinition<Name extends string = string> extends KernelSource<Name> {
  /** What it is, for people, such as `separable 5x5 dilation 2`. */
  readonly name: string;
  /** FLOPs and bytes of a batch, forward and backward, the same for every backend; see {@link countWork}. */
  work(batchSize: number): KernelWork;
  /**
   * Output and gradients by plain loops in float64 (src/reference), node by node: nothing of a backend takes part. Batch
   * normalisation takes the batch's statistics. Slow: meant for small images. Throws ArgumentError for missing values or
   * arrays of another length.
   */
  reference(values: ReferenceValues<Name>): ReferenceGradients<Name>;
}

/** Makes a kernel of your own one like those of the catalogue. Throws ArgumentError where it cannot be built. */
export function defineKernel<Name extends string>(name: string, source: KernelSource<Name>): KernelDefinition<Name> {
  check('name', name, aName);
  const graph = buildGraph(source);
  return {
    name,
    ...source,
    work(batchSize) {
      if (!(Number.isInteger(batchSize) && batchSize >= 1)) throw invalid('batchSize', 'a positive integer', batchSize);
      return countWork(graph, samplesOf(source, batchSize));
    },
    reference(values) {
      const { outputs, loss, inputGradients, gradients } = referencePass(graph, values, source.length);
      return {
        output: loss === undefined ? outputs[graph.output] : Float64Array.of(loss),
        inputs: inputGradients as Record<Name, Float64Array>,
        parameters: Object.fromEntries(gradients),
      };
    },
  };
}

/** The reference's training pass over a kernel's graph, of sequences of a length, with every node's output. Throws ArgumentError. */
export function referencePass<Name extends string>(
  graph: Graph,
  values: ReferenceValues<Name>,
  length?: number,
): ReferenceResult {
  checkRecord('values', values, 'batchSize and inputs');
  const { batchSize, inputs, parameters = {}, outputGradient, labels, dropout } = values;
  checkRecord('parameters', parameters, 'numbers by name');
  if (dropout !== undefined) checkDropout('dropout', dropout);
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) throw invalid('batchSize', 'a positive integer', batchSize);
  const samples = samplesOf({ length }, batchSize);
  if (readsLabels(graph) && !(labels instanceof Int32Array && labels.length === samples)) {
    throw invalid('labels', `an Int32Array of [${samples}]`, labels);
  }
  const given: Readonly<Record<string, Numbers>> = inputs ?? {};
  const tensors = graph.nodes.flatMap((node) => {
    if (node.op !== 'input') return [];
    const values = numbers(`inputs.${node.name}`, given[node.name], elementsOf(node.shape, samples));
    checkIntegers(node, values);
    return [[node.name, values] as const];
  });
  const trained = graph.parameters.map(({ name, role, shape }) => {
    const length = elementsOf(shape);
    // In training the running statistics are only written.
    const values =
      role === 'buffer' ? new Float64Array(length) : numbers(`parameters.${name}`, parameters[name], length);
    return [name, values] as const;
  });
  return runReference(graph, {
    batchSize: samples,
    columns: batchSize,
    inputs: Object.fromEntries(tensors),
    parameters: new Map(trained),
    outputGradient: outputGradient && numbers('outputGradient', outputGradient, outputLength(graph, samples)),
    labels,
    dropout,
    training: true,
  });
}

function checkIntegers({ name, below }: InputNode, values: Float64Array): void {
  if (below === undefined) return;
  const wrong = values.find((value) => !(Number.isInteger(value) && value >= 0 && value < below));
  if (wrong !== undefined) throw invalid(`inputs.${name}`, `integers from 0 and below ${below}`, wrong);
}

function numbers(name: string, values: Numbers | undefined, length: number): Float64Array {
  if (values?.length !== length) throw invalid(name, `${length} numbers`, values);
  return Float64Array.from(values);
}
