// Kernels of several sizes and channels, and of several gradients, run as branches of a recorded graph: in whatever order those run, they leave the bits
// that kernel after kernel leaves.
import { expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import { dartsCandidates } from '../helpers/candidates.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { threadOrders } from '../helpers/simt.ts';
import { smallBatch, smallDataset, stateOf } from '../helpers/small_net.ts';

/** Two mixed edges of some channels and one of twice as many, all of them read by convolutions of three widths: kernels of several sizes side by side. */
function branchingNet(channels: number) {
  const builder = new GraphBuilder();
  const candidates = dartsCandidates(1);
  const images = builder.input('images', [4, 4, 3]);
  const stem = (width: number) =>
    builder.batchNorm(
      `norm${width}`,
      builder.conv2d(`stem${width}`, images, { channels: width, kernel: 3, padding: 1 }),
      { affine: true },
    );
  const [narrow, wide] = [stem(channels), stem(2 * channels)];
  const edges = [narrow, narrow, wide].map((input, edge) => {
    const alpha = builder.alpha(`alphas${edge}`, [candidates.length]);
    return builder.within(`edge${edge}`).mixed(input, candidates, { alpha, row: 0 });
  });
  const joined = builder.concat(edges);
  const reduced = [1, 2, 4].map((times) =>
    builder.conv2d(`to${times}`, joined, { channels: times * channels, kernel: 1 }),
  );
  const features = builder.globalAvgPool(builder.concat(reduced));
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', features, 3)));
}

/** What some steps leave. */
async function stepsOn(device: Device, channels: number, steps: number) {
  const graph = branchingNet(channels);
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

it.each([
  ['sliding warps', 16],
  ['tiles', 12],
])('of %s leave the same bits in every order', async (_, channels) => {
  const steps = 4;
  let first: Awaited<ReturnType<typeof stepsOn>> | undefined;
  for (const [index, order] of threadOrders.entries()) {
    using device = await openDevice({ backend: 'simt', index });
    const found = await stepsOn(device, channels, steps);
    expect(found.recorded).toBeGreaterThan(30);
    first ??= found;
    for (const [arena, values] of first.state) expectSameBits(found.state.get(arena)!, values, `${arena}, ${order}`);
  }
});
