// On a device that records, a joint step is one recording for as long as its decision stands.
import { expect, it } from 'vitest';
import type { GatheredBatch } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { genotypes } from '../../../src/genotype/published.ts';
import { Cycle } from '../../../src/methods/cdarts/cycle.ts';
import { regularisedEntries } from '../../../src/methods/cdarts/regularised.ts';
import { cdartsPresets } from '../../../src/methods/cdarts/settings.ts';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';

it('a joint step is recorded, and made again for another decision', async () => {
  const networks = buildCyclicNetworks({
    ...{ inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 },
  });
  const { search, layout } = networks;
  using device = await openDevice({ backend: 'simt', threads: 2 });
  using parameters = await device.createParameters([search.graph, layout], { seed: 1, secondMoments: true });
  const images = Uint8Array.from({ length: 4 * 432 }, (_, i) => (i * 37) & 255);
  using dataset = await device.createDataset({ images, labels: Int32Array.of(0, 1, 2, 0), shape: [12, 12, 3] });
  const augmentation = { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25], pad: 0, flip: false, cutout: 0 };
  const batch = (...indices: number[]): GatheredBatch => ({
    dataset,
    indices: Uint32Array.from(indices),
    augmentation,
  });
  const { settings } = cdartsPresets.cdarts;
  const regularised = regularisedEntries(search);
  using cycle = new Cycle(device, { networks, parameters, settings, regularised, reached: [] });
  let update = 0;
  const kernelsOf = async () => {
    await cycle.jointStep({ train: batch(0, 1), validation: batch(2, 3), regularWeight: 0.3, update: update++ });
    return device.recordedKernels;
  };
  for (const decision of [genotypes['CDARTS_CIFAR'], genotypes['CDARTS_CIFAR_2020']]) {
    cycle.decide(decision);
    await kernelsOf();
    const recorded = [await kernelsOf(), await kernelsOf()];
    // Both networks forward and backward, the search network again, three optimisers: in one graph.
    expect(recorded[0]).toBeGreaterThan(100);
    expect(recorded[1]).toBe(recorded[0]);
  }
});
