// However kernels go about memory, they compute the same bits: those of the form in which tensors stay in the caches, which the other tests of
// kernels hold to references, on tensors that are large enough to leave them.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadAddon } from '../../src/backend/native/addon.ts';
import { deviceOf } from '../../src/backend/native/device.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { GraphBuilder, type Tensor } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { expectSameNumbers, numbersOf } from '../helpers/numbers.ts';

/** Two cells at full size, then one at half: 1.25 MiB and more a tensor with batches of 20. */
const { graph: supernet } = buildSupernet({ inputShape: [32, 32, 3], classes: 3, initChannels: 16, layers: 3 });
const supernetBatch = 20;
/** Batch of {@link mixedGroup}. */
const mixedBatch = 64;

/**
 * Separables of one input, of which the first and the last leave the caches, 1.25 to 4 MiB, and those between stay: a strip of what stays comes
 * between the strips that leave.
 */
function mixedGroup(channels: number): Graph {
  const builder = new GraphBuilder();
  const image = builder.input('images', [32, 32, channels]);
  const separable = (name: string, stride: number): Tensor => {
    const window = { channels, kernel: 3, padding: 1, stride, groups: channels };
    const wide = builder.conv2d(`${name}.depthwise`, builder.relu(image), window);
    return builder.batchNorm(`${name}.norm`, builder.conv2d(`${name}.pointwise`, wide, { channels, kernel: 1 }), {
      affine: true,
    });
  };
  const outputs = [
    separable('a', 1),
    separable('b', 4),
    separable('c', 1),
    separable('d', 4),
    separable('e', 4),
    separable('f', 1),
  ];
  const pooled = builder.add(outputs.map((output) => builder.globalAvgPool(builder.relu(output))));
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('fc', pooled, 3)));
}

const { addon } = loadAddon();
afterEach(() => vi.unstubAllEnvs());

async function numbers(tuning: string, instructionSet: string, graph: Graph, batchSize: number) {
  vi.stubEnv('DARTSMITH_TUNING', tuning);
  using device = await openDevice({ backend: 'cpu', threads: 2, instructionSet });
  return await numbersOf(device, graph, batchSize);
}

function tuningsOf(instructionSet: string): string[] {
  const device = addon.openDevice({ backend: 'cpu', threads: 1, instructionSet, memoryLimitBytes: 0 });
  const names = addon.tunings(device);
  addon.disposeDevice(device);
  return names;
}

describe.each(instructionSets())('tunings of %s', (instructionSet) => {
  const names = tuningsOf(instructionSet);
  const others = names.filter((name) => name !== 'cached/l1/4');

  it.each(others)('give a search the same bits: %s', async (name) => {
    const expected = await numbers('cached/l1/4', instructionSet, supernet, supernetBatch);
    expectSameNumbers(await numbers(name, instructionSet, supernet, supernetBatch), expected);
  });

  it.each([5, 16, 20])(
    'give a group of %i channels, part of which stays cached, what it has unfused',
    async (channels) => {
      const graph = mixedGroup(channels);
      using device = await openDevice({ backend: 'cpu', threads: 2, instructionSet });
      const expected = await numbersOf(device, graph, mixedBatch, { fusion: 'off' });
      for (const name of names) {
        const actual = await numbers(name, instructionSet, graph, mixedBatch);
        for (const [of, values] of expected) {
          const largest = Math.max(...values.map(Math.abs), 1e-3);
          const worst = Math.max(...values.map((value, i) => Math.abs(value - actual.get(of)![i])));
          expect(worst / largest, `${name}: ${of}`).toBeLessThan(1e-4);
        }
      }
    },
  );

  it('are measured, which changes no bit', async () => {
    const handle = addon.openDevice({ backend: 'cpu', threads: 2, instructionSet, memoryLimitBytes: 0 });
    const found = await addon.findTuning(handle).promise;
    expect([-1, ...names.keys()]).toContain(found); // -1: beside other tests
    using device = deviceOf('cpu', addon, handle);
    const expected = await numbers('cached/l1/4', instructionSet, supernet, supernetBatch);
    expectSameNumbers(await numbersOf(device, supernet, supernetBatch), expected);
  });

  it('are not measured to the end where that is cancelled', async () => {
    const device = addon.openDevice({ backend: 'cpu', threads: 2, instructionSet, memoryLimitBytes: 0 });
    const job = addon.findTuning(device);
    setTimeout(() => job.cancel(), 100);
    await expect(job.promise).rejects.toThrow('stopped');
    addon.disposeDevice(device);
  });
});
