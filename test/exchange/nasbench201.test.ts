// Networks of NAS-Bench-201 in the forms of other programs: told by their blocks, whether or not their cells have weights.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { sizesOfWeights } from '../../src/exchange/network_sizes.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import type { WeightTensor } from '../../src/io/safetensors.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { readAlpha } from '../../src/select/alpha.ts';
import { genotypeOf } from '../../src/select/strongest_edges.ts';
import type { Network } from '../../src/skeleton/skeleton.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';

const sizes = { inputShape: [16, 16, 3], classes: 4, initChannels: 2, layers: 6 } as const;
const told = { skeleton: 'nasbench201', stem: 'small', initChannels: 2, layers: 6, classes: 4, imageChannels: 3 };
const supernet = buildSupernet({ ...sizes, space: 'nasbench201' });

/** A network's random weights in a file, and as tensors. */
async function saved({ graph }: Network) {
  using device = await openDevice({ backend: 'cpu', threads: 1 });
  using parameters = await device.createParameters(graph, { seed: 2 });
  await scatter(parameters, 2);
  const path = join(scratch(), 'weights.safetensors');
  await parameters.save(path, { optimizer: true });
  const isSearched = graph === supernet.graph;
  const genotype = isSearched ? genotypeOf(supernet, (await readAlpha(supernet, parameters)).mixing) : undefined;
  return { path, genotype, tensors: (await readWeights(path)).tensors };
}

function written(name: string, tensors: ReadonlyMap<string, WeightTensor>): string {
  const path = join(scratch(), name);
  writeFileSync(path, encodeTorchFile(tensors));
  return path;
}

describe('weights of NAS-Bench-201', () => {
  it('of a supernet go to PyTorch and back to the bit', async () => {
    const { path, genotype, tensors } = await saved(supernet);
    const exported = await exportNetwork({ weights: path, format: 'pt' });
    expect(exported).toMatchObject({ ...told, supernet: true, genotype });
    const pt = join(scratch(), 'supernet.pt');
    writeFileSync(pt, exported.bytes);
    const back = join(scratch(), 'back.safetensors');
    writeFileSync(back, (await exportNetwork({ weights: pt, format: 'safetensors' })).bytes);
    const found = (await readWeights(back)).tensors;
    for (const [name, tensor] of tensors) expect(found.get(name), name).toEqual(tensor);
    await expect(exportNetwork({ weights: path, format: 'onnx' })).rejects.toThrow('holds a supernet');
  });

  it('of a supernet find its alpha by other names, beside it, in a file of its own, or nowhere', async () => {
    const { genotype, tensors } = await saved(supernet);
    const { alphas_cell: alpha, ...rest } = Object.fromEntries(tensors);
    const bare = new Map(Object.entries(rest));
    const beside = written('beside.pt', new Map([...bare, ['arch_parameters', alpha]]));
    expect((await exportNetwork({ weights: beside, format: 'pt' })).genotype).toEqual(genotype);
    const alone = written('alone.pt', bare);
    const { genotype: none, notices } = await exportNetwork({ weights: alone, format: 'pt' });
    expect(none).toBeUndefined();
    expect(notices.join()).toContain('those of the cell are 0');
    const rows = Array.from({ length: 6 }, (_, row) => [...alpha.data.slice(5 * row, 5 * row + 5)]);
    for (const text of [rows, { alphas_cell: rows }]) {
      const alphas = join(scratch(), 'alphas.json');
      writeFileSync(alphas, JSON.stringify(text));
      expect((await exportNetwork({ weights: alone, alphas, format: 'pt' })).genotype).toEqual(genotype);
    }
    const wrong = join(scratch(), 'wrong.json');
    writeFileSync(wrong, JSON.stringify([rows, rows]));
    await expect(exportNetwork({ weights: alone, alphas: wrong, format: 'pt' })).rejects.toThrow(
      `${wrong}: expected alphas_cell, or the table alone, but found no alphas_cell`,
    );
  });

  it.each(['|none~0|+|none~0|none~1|', '|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|'])(
    'of a trained cell tell its sizes: %s',
    async (text) => {
      const genotype = parseGenotype(text);
      const { path, tensors } = await saved(buildDerivedNetwork({ ...sizes, genotype }));
      expect(sizesOfWeights(tensors, path)).toEqual({ ...told, auxiliary: false, supernet: false, stemMultiplier: 1 });
      expect((await exportNetwork({ weights: path, genotype, format: 'pt' })).genotype).toEqual(genotype);
      const other = exportNetwork({ weights: path, genotype: parseGenotype('|nor_conv_7x7~0|'), format: 'pt' });
      await expect(other).rejects.toThrow(/does not fit these parameters: .*cells\.0\.layers\./);
      await expect(exportNetwork({ weights: path, genotype: genotypes['DARTS_V2'], format: 'pt' })).rejects.toThrow(
        'expected one of a single cell',
      );
    },
  );

  it('are refused where their blocks part no three stages', async () => {
    const { path, tensors } = await saved(buildDerivedNetwork({ ...sizes, genotype: parseGenotype('|none~0|') }));
    const block = tensors.get('cells.2.downsample.1.weight')!;
    const odd = new Map([...tensors, ['cells.9.downsample.1.weight', block] as const]);
    expect(() => sizesOfWeights(odd, path)).toThrow(`${path} holds no network: expected two residual blocks`);
  });
});
