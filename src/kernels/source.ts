// What a kernel is made from: its inputs and how it is built on them.

import { aFunction, check, checkRecord } from '../checks.ts';
import { invalid } from '../errors.ts';
import { GraphBuilder, type Tensor } from '../graph/builder.ts';
import type { Graph, Shape } from '../graph/graph.ts';
import { isLoss } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';

/** A kernel before it has a batch and a backend. */
export interface KernelSource<Name extends string> {
  /** Shape of each input without the batch: `[height, width, channels]` or `[channels]`. */
  readonly inputs: Readonly<Record<Name, Shape>>;
  /** Builds what is run from its inputs and returns its output, which may be a loss. */
  build(builder: GraphBuilder, inputs: Readonly<Record<Name, Tensor>>): Tensor;
}

/** The graph of a kernel; its inputs have the kernel's names. Throws ArgumentError for what does not fit together. */
export function buildGraph<Name extends string>(source: KernelSource<Name>): Graph {
  checkRecord('source', source, 'inputs and build');
  const { inputs } = source;
  checkRecord('inputs', inputs, 'shapes by name');
  check('build', source.build, aFunction);
  const builder = new GraphBuilder();
  const names = Object.keys(inputs) as Name[];
  const tensors = Object.fromEntries(names.map((name) => [name, builder.input(name, inputs[name])]));
  const output = source.build(builder, tensors as Record<Name, Tensor>);
  if (!Array.isArray(output?.shape)) throw invalid('the output of build', 'a tensor of its builder', output);
  return builder.finish(output);
}

/** Numbers that a graph puts out for a batch. */
export function outputLength(graph: Graph, batchSize: number): number {
  return isLoss(graph) ? 1 : elementsOf(graph.nodes[graph.output].shape, batchSize);
}
