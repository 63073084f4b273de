import type { DirectBatch } from '../../src/backend/device.ts';
import { type BranchBuilder, GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { directBatch, prepareGraph } from './kernel_case.ts';

/** Samples in a batch of {@link slowBatch}. */
export const slowBatchSize = 8;

/** A network whose passes take tenths of a second, in kernels of a few milliseconds each. */
export function slowNetwork(): Graph {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [2]);
  const convolution: BranchBuilder = {
    name: 'conv_3x3',
    build: (inner, input) => inner.conv2d('conv', inner.relu(input), { channels: 32, kernel: 3, padding: 1 }),
  };
  let y = builder.conv2d('stem', builder.input('images', [32, 32, 3]), { channels: 32, kernel: 3, padding: 1 });
  for (let layer = 0; layer < 12; layer++) {
    const branches = [convolution, { name: 'skip_connect', build: (_: unknown, input: typeof y) => input }];
    const mixed = builder.within(`layers.${layer}`).mixed(y, branches, { alpha, row: 0 });
    y = builder.batchNorm(`norms.${layer}`, mixed, { affine: true });
  }
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', builder.globalAvgPool(y), 10)));
}

/** Images and labels for it. */
export function slowBatch(graph: Graph): DirectBatch {
  return directBatch(prepareGraph(graph, slowBatchSize));
}
