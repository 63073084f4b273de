import type { DropoutDraw } from '../backend/device.ts';
import type { Graph } from '../graph/graph.ts';
import { crossEntropiesOf, isLoss } from '../graph/losses.ts';
import { elementsOf } from '../graph/shape.ts';
import { normal, type StreamKey, uniform } from '../random/philox.ts';
import { outputLength } from './source.ts';

/** What a pass of a kernel takes. */
export interface KernelBatch {
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** Only for a loss. */
  readonly labels?: Int32Array;
  readonly dropout: DropoutDraw;
  readonly outputGradient: Float32Array;
}

/** A batch of standard normal numbers, and labels where the kernel is a loss; the same for the same seed. */
export function drawBatch(graph: Graph, batchSize: number, seed: number): KernelBatch {
  let step = 0;
  const stream = (): StreamKey => ({ seed, purpose: 'split', epoch: 0, step: step++ });
  const gaussian = (length: number) => Float32Array.from(normal(stream(), length));
  const inputs = graph.nodes.flatMap((node) =>
    node.op === 'input' ? [[node.name, gaussian(elementsOf(node.shape, batchSize))] as const] : [],
  );
  const batch = { inputs: Object.fromEntries(inputs), dropout: { seed, epoch: 0, step: 0 } };
  if (!isLoss(graph)) return { ...batch, outputGradient: gaussian(outputLength(graph, batchSize)) };
  const [loss] = crossEntropiesOf(graph);
  if (loss === undefined) return { ...batch, outputGradient: Float32Array.of(1) };
  const [classes] = graph.nodes[loss.inputs[0]].shape;
  const labels = Int32Array.from(uniform(stream(), batchSize), (value) => Math.floor(value * classes));
  return { ...batch, labels, outputGradient: Float32Array.of(1) };
}
