// What a kernel is made from: its inputs and how it is built on them.

import { aFunction, anInteger, check, checkOptional, checkRecord, isRecord } from '../checks.ts';
import { invalid } from '../errors.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { Graph, Shape } from '../graph/graph.ts';
import { isLoss } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';

/** An input of integers from 0 and below a bound, one a sample. */
export interface IntegerInput {
  readonly below: number;
}

/** A kernel before it has a batch and a backend. */
export interface KernelSource<Name extends string> {
  /** Of each input its shape without the batch, `[height, width, channels]` or `[channels]`, or the bound of its integers. */
  readonly inputs: Readonly<Record<Name, Shape | IntegerInput>>;
  /** Times of sequences: samples are then times, `batchSize` columns each, time after time. No sequences when absent. */
  readonly length?: number;
  /** Builds what is run from its inputs and returns its output, which may be a loss. */
  build(builder: GraphBuilder, inputs: Readonly<Record<Name, Tensor>>): Tensor;
}

/** The graph of a kernel; its inputs have the kernel's names. Throws ArgumentError for what does not fit together. */
export function buildGraph<Name extends string>(source: KernelSource<Name>): Graph {
  checkRecord('source', source, 'inputs and build');
  const { inputs } = source;
  checkRecord('inputs', inputs, 'shapes by name');
  checkOptional('length', source.length, anInteger(1, 65536));
  check('build', source.build, aFunction);
  const builder = new GraphBuilder();
  const names = Object.keys(inputs) as Name[];
  const tensors = Object.fromEntries(names.map((name) => [name, inputOf(builder, name, inputs[name])]));
  const output = source.build(builder, tensors as Record<Name, Tensor>);
  if (!Array.isArray(output?.shape)) throw invalid('the output of build', 'a tensor of its builder', output);
  return builder.finish(output);
}

function inputOf(builder: GraphBuilder, name: string, input: Shape | IntegerInput): Tensor {
  return isIntegers(input) ? builder.integers(name, input.below) : builder.input(name, input);
}

function isIntegers(input: Shape | IntegerInput): input is IntegerInput {
  return isRecord(input) && 'below' in input;
}

/** Samples of a batch of so many columns. */
export function samplesOf({ length = 1 }: Pick<KernelSource<string>, 'length'>, batchSize: number): number {
  return batchSize * length;
}

/** Numbers that a graph puts out for so many samples. */
export function outputLength(graph: Graph, samples: number): number {
  return isLoss(graph) ? 1 : elementsOf(graph.nodes[graph.output].shape, samples);
}
