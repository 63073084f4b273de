// Sliding warps of several sizes and channels run as branches of a recorded graph: in whatever order those run, they leave the bits
// that kernel after kernel leaves.
import { expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { dartsCandidates } from '../helpers/candidates.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { threadOrders } from '../helpers/simt.ts';
import { smallBatch, smallDataset, stateOf } from '../helpers/small_net.ts';

/** Two mixed edges of 16 channels and one of 32, all of them read by convolutions to 16, 32 and 64: kernels of several sizes side by side. */
function branchingNet() {
  const builder = new GraphBuilder();
  const candidates = dartsCandidates(1);
  const images = builder.input('images', [4, 4, 3]);
  const stem = (channels: number) =>
    builder.batchNorm(
      `norm${channels}`,
      builder.conv2d(`stem${channels}`, images, { channels, kernel: 3, padding: 1 }),
      { affine: true },
    );
  const [narrow, wide] = [stem(16), stem(32)];
  const edges = [narrow, narrow, wide].map((input, edge) => {
    const alpha = builder.alpha(`alphas${edge}`, [candidates.length]);
    return builder.within(`edge${edge}`).mixed(input, candidates, { alpha, row: 0 });
  });
  const joined = builder.concat(edges);
  const reduced = [16, 32, 64].map((channels) => builder.conv2d(`to${channels}`, joined, { channels, kernel: 1 }));
  const features = builder.globalAvgPool(builder.concat(reduced));
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 3)));
}

/** What some steps leave. */
async function stepsOn(device: Device, steps: number) {
  const graph = branchingNet();
  using parameters = await device.createParameters(graph, { seed: 2 });
  using program = device.compile(graph, { batchSize: 4, parameters });
  using dataset = await smallDataset(device);
  for (let step = 0; step < steps; step++) {
    await device.execute([
      { kind: 'gradients', program, batch: smallBatch(dataset, 4, step), target: 'both' },
      { kind: 'sgd', parameters, learningRate: 0.05, momentum: 0.9, weightDecay: 1e-3, maxNorm: 5 },
    ]);
  }
  return { state: await stateOf(parameters), recorded: device.recordedKernels };
}

it('leave the same bits in every order', async () => {
  const steps = 4;
  let first: Awaited<ReturnType<typeof stepsOn>> | undefined;
  for (const [index, order] of threadOrders.entries()) {
    using device = await openDevice({ backend: 'simt', index });
    const found = await stepsOn(device, steps);
    expect(found.recorded).toBeGreaterThan(30);
    first ??= found;
    for (const [arena, values] of first.state) expectSameBits(found.state.get(arena)!, values, `${arena}, ${order}`);
  }
});
