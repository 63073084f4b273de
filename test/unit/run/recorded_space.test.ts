// A checkpoint of a search tells through its run which supernet it is of.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError } from '../../../src/errors.ts';
import { exportNetwork } from '../../../src/exchange/export.ts';
import { readWeights } from '../../../src/exchange/weights.ts';
import { spaceOfCheckpoint } from '../../../src/run/recorded_space.ts';
import { startMethod } from '../../../src/run/start.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { scratch } from '../../helpers/scratch.ts';
import { tinyDataset, tinySettings } from '../../helpers/tiny_search.ts';

describe('the space of a checkpoint', () => {
  it.each([true, false])('of each stage of StacNAS builds its supernet, alpha shared: %s', async (alphaShare) => {
    const out = join(scratch(), 'run');
    const settings = { ...tinySettings, search2Layers: 3, epochs: 1, alphaShare };
    await startMethod('search', {
      ...{ method: 'stacnas', settings, dataset: tinyDataset(), device: createFakeDevice(), out },
    }).result;
    for (const folder of [out, join(out, 'search1')]) {
      const weights = join(folder, 'checkpoint.safetensors');
      const space = await spaceOfCheckpoint(weights);
      const { bytes, supernet } = await exportNetwork({ weights, space, format: 'safetensors' });
      expect(supernet).toBe(true);
      expect(bytes.length).toBeGreaterThan(1000);
      const { tensors } = await readWeights(weights);
      const tables = [...tensors.keys()].filter((name) => name.includes('alphas'));
      expect(tables).toEqual(
        alphaShare ? ['alphas_normal', 'alphas_reduce'] : [0, 1, 2].map((cell) => `cells.${cell}.alphas`),
      );
    }
    const elsewhere = join(scratch(), 'weights.safetensors');
    copyFileSync(join(out, 'search1', 'checkpoint.safetensors'), elsewhere);
    expect(await spaceOfCheckpoint(elsewhere)).toBeUndefined();
    await expect(exportNetwork({ weights: elsewhere, format: 'safetensors' })).rejects.toThrow(FileError);
    expect((await exportNetwork({ weights: elsewhere, space: 'stacnas', format: 'pt' })).supernet).toBe(true);
  });
});
