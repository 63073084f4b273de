import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/graph/builder.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { costOf } from '../../../src/report/cost.ts';

describe('costOf', () => {
  it('counts a small graph as by hand', () => {
    const builder = new GraphBuilder();
    const images = builder.input('images', [4, 6, 2]);
    const wide = builder.conv2d('a', images, { channels: 8, kernel: 3, padding: 1 });
    const deep = builder.conv2d('b', wide, { channels: 8, groups: 8, kernel: 5, padding: 2, stride: 2 });
    const point = builder.conv2d('c', deep, { channels: 4, kernel: 1 });
    const grouped = builder.conv2d('d', point, { channels: 4, groups: 2, kernel: 3, padding: 1 });
    const norm = builder.batchNorm('e', grouped, { affine: true });
    const logits = builder.linear('f', builder.globalAvgPool(norm), 3);
    builder.alpha('alphas', [3, 2]);
    expect(costOf(builder.finish(builder.softmaxCrossEntropy(logits)))).toEqual({
      parameters: 144 + 200 + 32 + 72 + 8 + 15,
      untrainedParameters: 0,
      architectureParameters: 5,
      multiplyAccumulates: 24 * 144 + 6 * 200 + 6 * 32 + 6 * 72 + 12,
      flops: 24 * 144 + 6 * 200 + 6 * 32 + 6 * 72 + 4 * (6 + 1) + 3 * 7,
      nasbench201Flops: 24 * 144 + 6 * 200 + 6 * 32 + 6 * 72 + 12 + 3,
      convolutionFlops: 24 * 144 + 6 * 200 + 6 * 32 + 6 * 72,
      activationBytes: 4 * (48 + 192 + 48 + 24 + 24 + 24 + 4 + 3 + 1),
      byKind: {
        convolution: { parameters: 144 + 72, multiplyAccumulates: 24 * 144 + 6 * 72 },
        depthwise: { parameters: 200, multiplyAccumulates: 6 * 200 },
        pointwise: { parameters: 32, multiplyAccumulates: 6 * 32 },
        linear: { parameters: 15, multiplyAccumulates: 12 },
      },
    });
  });

  it('counts the published supernet', () => {
    const { graph } = buildSupernet({ inputShape: [32, 32, 3], classes: 10 });
    const { parameters, architectureParameters, multiplyAccumulates, byKind } = costOf(graph);
    expect(parameters).toBe(1_930_618);
    expect(architectureParameters).toBe(224);
    // Summed by hand from the published definition; pointwise: candidates, preprocessing, skips of reduction cells.
    expect(byKind.depthwise.multiplyAccumulates).toBe(99_434_496);
    expect(byKind.pointwise.multiplyAccumulates).toBe(176_160_768 + 19_136_512 + 4_194_304);
    expect(byKind.convolution.multiplyAccumulates).toBe(32 * 32 * 27 * 48);
    expect(multiplyAccumulates).toBe(300_253_184 + 2560);
    expect(byKind.linear).toEqual({ parameters: 2570, multiplyAccumulates: 2560 });
  });
});
