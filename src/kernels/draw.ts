import type { DropoutDraw } from '../backend/device.ts';
import type { Graph } from '../graph/graph.ts';
import { crossEntropiesOf, isLoss } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';
import { normal, type StreamKey, uniform } from '../random/philox.ts';
import { outputLength } from './source.ts';

/** What a pass of a kernel takes. */
export interface KernelBatch {
  readonly inputs: Readonly<Record<string, Float32Array | Int32Array>>;
  /** Only for a loss. */
  readonly labels?: Int32Array;
  readonly dropout: DropoutDraw;
  readonly outputGradient: Float32Array;
}

/** So many samples of standard normal numbers, or of integers, and labels where the kernel is a loss; the same for the same seed. */
export function drawBatch(graph: Graph, samples: number, seed: number): KernelBatch {
  let step = 0;
  const stream = (): StreamKey => ({ seed, purpose: 'split', epoch: 0, step: step++ });
  const gaussian = (length: number) => Float32Array.from(normal(stream(), length));
  const integers = (below: number) => Int32Array.from(uniform(stream(), samples), (value) => Math.floor(value * below));
  const inputs = graph.nodes.flatMap((node) => {
    if (node.op !== 'input') return [];
    const { name, shape, below } = node;
    return [[name, below === undefined ? gaussian(elementsOf(shape, samples)) : integers(below)] as const];
  });
  const batch = { inputs: Object.fromEntries(inputs), dropout: { seed, epoch: 0, step: 0 } };
  if (!isLoss(graph)) return { ...batch, outputGradient: gaussian(outputLength(graph, samples)) };
  const [loss] = crossEntropiesOf(graph);
  if (loss === undefined) return { ...batch, outputGradient: Float32Array.of(1) };
  const [classes] = graph.nodes[loss.inputs[0]].shape;
  return { ...batch, labels: integers(classes), outputGradient: Float32Array.of(1) };
}
