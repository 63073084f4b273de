// The supernet of a search in the forms of other programs. test/torch holds the files to PyTorch's own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/network/published.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { readArchitecture } from '../../src/search/architecture.ts';
import type { SearchSpace } from '../../src/space/space.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';

const own: SearchSpace = { name: 'own', nodes: 2, candidates: ['none', 'skip_connect', 'sep_conv_3x3'] };

/** A supernet's checkpoint as a search leaves it, optimiser state included, and the genotype that it stands for. */
async function checkpoint(space: string | SearchSpace) {
  const supernet = buildSupernet({ space, inputShape: [8, 8, 1], classes: 3, initChannels: 2, layers: 3 });
  using device = await openDevice({ backend: 'cpu', threads: 1 });
  using parameters = await device.createParameters(supernet.graph, { seed: 2 });
  await scatter(parameters, 2);
  const [path, plain] = [join(scratch(), 'checkpoint.safetensors'), join(scratch(), 'plain.safetensors')];
  await parameters.save(path, { optimizer: true });
  await parameters.save(plain);
  const { genotype } = await readArchitecture(supernet, parameters);
  return { path, plain, genotype };
}

describe('the supernet of a search', () => {
  it.each([
    ['the darts space', undefined],
    ['a space of your own', own],
  ])('goes to PyTorch and back to the bit: %s', async (_, space) => {
    const { path, plain, genotype } = await checkpoint(space ?? 'darts');
    const pt = join(scratch(), 'supernet.pt');
    const exported = await exportNetwork({ weights: path, space, format: 'pt' });
    expect(exported).toMatchObject({ supernet: true, layers: 3, initChannels: 2, classes: 3, imageChannels: 1 });
    expect(exported.genotype).toEqual(genotype);
    writeFileSync(pt, exported.bytes);
    const back = join(scratch(), 'back.safetensors');
    writeFileSync(back, (await exportNetwork({ weights: pt, space, format: 'safetensors' })).bytes);
    expect((await readWeights(back)).tensors).toEqual((await readWeights(plain)).tensors);
  });

  it('is told from a derived network', async () => {
    const { path } = await checkpoint('darts');
    await expect(exportNetwork({ weights: path, format: 'onnx' })).rejects.toThrow(
      `${path} holds a supernet: expected pt or safetensors as its form`,
    );
    const named = exportNetwork({ weights: path, genotype: genotypes['DARTS_V2'], format: 'pt' });
    await expect(named).rejects.toThrow(`${path} holds a supernet: expected no genotype (--arch)`);
    await expect(exportNetwork({ weights: path, space: own, format: 'pt' })).rejects.toThrow(
      /does not fit these parameters: missing .*; unexpected /,
    );
  });

  it('names what is missing', async () => {
    const { plain } = await checkpoint('darts');
    const tensors = new Map((await readWeights(plain)).tensors);
    tensors.delete('alphas_reduce');
    const path = join(scratch(), 'half.pt');
    writeFileSync(path, encodeTorchFile(tensors));
    await expect(exportNetwork({ weights: path, format: 'pt' })).rejects.toThrow('missing alphas_reduce');
  });
});
