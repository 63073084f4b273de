// What a search by CDARTS refuses, in one line, before anything runs.
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../src/data/dataset.ts';
import { startMethod } from '../../../src/run/start.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

const size = 12;
const pixels = size * size;
const dataset: Dataset = {
  ...tinyDataset(),
  train: {
    images: new Uint8Array(18 * pixels),
    labels: Int32Array.from({ length: 18 }, (_, image) => image % 3),
    shape: [size, size, 1],
  },
};
const small = { initChannels: 2, layers: 3, evaluationLayers: 3, epochs: 1, warmupEpochs: 1 };

describe('a search by CDARTS refuses', () => {
  it.each<[string, object, RegExp]>([
    [
      'batches of one image',
      { batchSize: 1 },
      /no batch of 1 image.*1 pixel.*half of 9 for batchSize \(--batch-size\)/,
    ],
    ['a last batch of one image', { batchSize: 4 }, /no batch of 1 image.*half of 9 for batchSize .* received 4/],
    ['candidates that there are not', { regularised: 'skip_connect conv_9x9' }, /max_pool_3x3.*regularised.*conv_9x9/],
    ['networks without two reductions', { layers: 2 }, /layers.*2/],
  ])('%s', async (_, settings, message) => {
    const { result } = startMethod('search', {
      ...{ method: 'cdarts', dataset, device: createFakeDevice(), workers: 1 },
      settings: { ...small, batchSize: 3, ...settings },
    });
    await expect(result).rejects.toThrow(message);
  });

  it('nothing where batches fit', async () => {
    const settings = { ...small, batchSize: 3 };
    const { result } = startMethod('search', {
      method: 'cdarts',
      dataset,
      device: createFakeDevice(),
      workers: 1,
      settings,
    });
    await expect(result).resolves.toHaveProperty('genotype');
  });
});
