// The supernet of a search in the forms of other programs. test/torch holds the files to PyTorch's own.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { withCounters } from '../../src/exchange/batch_counters.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { readTorchFile as openTorchFile } from '../../src/exchange/torch_read.ts';
import { encodeLegacyTorchFile, encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { decodeSafetensors, type WeightTensor } from '../../src/io/safetensors.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { readAlpha } from '../../src/select/alpha.ts';
import { genotypeOf } from '../../src/select/strongest_edges.ts';
import { type SearchSpace, spaces } from '../../src/space/space.ts';
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
  const genotype = genotypeOf(supernet, (await readAlpha(supernet, parameters)).mixing);
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
    const { tensors } = await readWeights(back);
    const uncounted = new Map([...tensors].filter(([name]) => !name.endsWith('num_batches_tracked')));
    expect(uncounted).toEqual((await readWeights(plain)).tensors);
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

  it('names its file where numbers of others do not fit', async () => {
    const { plain } = await checkpoint('darts');
    const alphas = join(scratch(), 'alphas.json');
    writeFileSync(alphas, JSON.stringify([[[1, 2]], [[3, 4]]]));
    await expect(exportNetwork({ weights: plain, alphas, format: 'pt' })).rejects.toThrow(
      `${plain} with ${alphas} does not fit: expected shape [14,8] for alphas_normal but got [1,2]`,
    );
    writeFileSync(alphas, JSON.stringify({ alphas_normal: [[1]] }));
    await expect(exportNetwork({ weights: plain, alphas, format: 'pt' })).rejects.toThrow(
      `${alphas}: expected alphas_normal and alphas_reduce, or a list of both, but found no alphas_reduce`,
    );
    writeFileSync(alphas, '{"alphas_normal": [[1}');
    await expect(exportNetwork({ weights: plain, alphas, format: 'pt' })).rejects.toThrow(
      /alphas.json .*expected JSON/,
    );
    await expect(exportNetwork({ weights: plain, separateAlphas: true, format: 'safetensors' })).rejects.toThrow(
      'separate alphas (--separate-alphas) are for PyTorch',
    );
  });
});

/** Names of the published code's search network (model_search.py) in its state dict: of 4 nodes a cell, counters included. */
function publishedNames(layers: number): string[] {
  const norm = (name: string, affine: boolean) =>
    ['running_mean', 'running_var', 'num_batches_tracked', ...(affine ? ['weight', 'bias'] : [])].map(
      (part) => `${name}.${part}`,
    );
  const chain = (name: string, convolutions: readonly number[], norms: readonly number[]) => [
    ...convolutions.map((at) => `${name}.op.${at}.weight`),
    ...norms.flatMap((at) => norm(`${name}.op.${at}`, false)),
  ];
  const halving = (name: string) => [`${name}.conv_1.weight`, `${name}.conv_2.weight`, ...norm(`${name}.bn`, false)];
  const reduces = (layer: number) => layer === Math.floor(layers / 3) || layer === Math.floor((2 * layers) / 3);
  const edge = (name: string, stride: number) => [
    ...[1, 2].flatMap((pooling) => norm(`${name}._ops.${pooling}.1`, false)),
    ...(stride === 2 ? halving(`${name}._ops.3`) : []),
    ...[4, 5].flatMap((separable) => chain(`${name}._ops.${separable}`, [1, 2, 5, 6], [3, 7])),
    ...[6, 7].flatMap((dilated) => chain(`${name}._ops.${dilated}`, [1, 2], [3])),
  ];
  const cell = (layer: number) => [
    ...(layer > 0 && reduces(layer - 1)
      ? halving(`cells.${layer}.preprocess0`)
      : chain(`cells.${layer}.preprocess0`, [1], [2])),
    ...chain(`cells.${layer}.preprocess1`, [1], [2]),
    // The edges into a node come from both inputs, then from the nodes before it.
    ...[2, 3, 4, 5]
      .flatMap((states) => Array.from({ length: states }, (_, state) => (reduces(layer) && state < 2 ? 2 : 1)))
      .flatMap((stride, index) => edge(`cells.${layer}._ops.${index}`, stride)),
  ];
  const cells = Array.from({ length: layers }, (_, layer) => cell(layer)).flat();
  return ['stem.0.weight', ...norm('stem.1', true), ...cells, 'classifier.weight', 'classifier.bias'];
}

describe("the published code's search checkpoint", () => {
  /** Of 4 cells, without alphas as the published code saves it, and the alphas that it had. */
  async function published(layers = 4, inputShape: readonly [number, number, number] = [8, 8, 3], nodes = 4) {
    const space = { ...spaces.darts, nodes };
    const supernet = buildSupernet({ space, inputShape, classes: 10, initChannels: 4, layers, stemMultiplier: nodes });
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters(supernet.graph, { seed: 2 });
    await scatter(parameters, 2);
    const whole = join(scratch(), 'whole.safetensors');
    await parameters.save(whole);
    const { tensors } = await readWeights(whole);
    const genotype = genotypeOf(supernet, (await readAlpha(supernet, parameters)).mixing);
    const [normal, reduce] = ['alphas_normal', 'alphas_reduce'].map((name) => tensors.get(name)!);
    const weights = withCounters(new Map([...tensors].filter(([name]) => !name.startsWith('alphas_'))));
    const path = join(scratch(), 'weights.pt');
    writeFileSync(path, encodeTorchFile(weights));
    return { path, weights, normal, reduce, genotype };
  }

  it('has 2138 names for 4 cells, and what is exported has the same', async () => {
    expect([publishedNames(4).length, publishedNames(8).length]).toEqual([2138, 4186]);
    const { path } = await published();
    const { paths } = openTorchFile(readFileSync(path), path);
    expect([...paths].sort()).toEqual(publishedNames(4).sort());
    const out = join(scratch(), 'out.pt');
    writeFileSync(out, (await exportNetwork({ weights: path, format: 'pt', separateAlphas: true })).bytes);
    const inside = publishedNames(4).map((name) => `state_dict.${name}`);
    expect([...openTorchFile(readFileSync(out), out).paths].sort()).toEqual(
      [...inside, 'alphas_normal', 'alphas_reduce'].sort(),
    );
  });

  it('is known by its names, and zeros stand for alphas that nobody gives, which is said', async () => {
    const { path } = await published();
    const imported = await exportNetwork({ weights: path, format: 'safetensors' });
    expect(imported).toMatchObject({ supernet: true, layers: 4, initChannels: 4, classes: 10, nodes: 4 });
    expect(imported.genotype).toBeUndefined();
    expect(imported.notices).toEqual([
      `${path} holds no architecture parameters: alphas_normal and alphas_reduce are 0, all candidates alike (--alphas gives a file of them)`,
    ]);
    const { metadata, tensors } = decodeSafetensors(imported.bytes, 'imported');
    expect(metadata['genotype']).toBeUndefined();
    expect(tensors.get('alphas_reduce')).toEqual({ dtype: 'F32', shape: [14, 8], data: new Float32Array(112) });
  });

  it('of other sizes tells them', async () => {
    const { path } = await published(2, [8, 8, 1], 3);
    expect(await exportNetwork({ weights: path, format: 'pt' })).toMatchObject({
      ...{ supernet: true, layers: 2, initChannels: 4, imageChannels: 1, nodes: 3, stemMultiplier: 3 },
    });
  });

  it('takes its alphas from an entry beside the state dict, or from a file', async () => {
    const { path, weights, normal, reduce, genotype } = await published();
    const rows = ({ data }: WeightTensor) =>
      Array.from({ length: 14 }, (_, row) => [...data.subarray(8 * row, 8 * row + 8)]);
    const beside = (names: readonly [string, string]) => new Map([...weights, [names[0], normal], [names[1], reduce]]);
    const file = (name: string, bytes: Uint8Array | string) => {
      const at = join(scratch(), name);
      writeFileSync(at, bytes);
      return at;
    };
    const named = ['alphas_normal', 'alphas_reduce'] as const;
    const list = ['arch_parameters.0', 'arch_parameters.1'] as const;
    const alphas = new Map([
      [named[0], normal],
      [named[1], reduce],
    ]);
    const given = [
      { weights: file('beside.pt', encodeTorchFile(beside(named), named)) },
      { weights: file('inside.pt', encodeTorchFile(beside(named))) },
      { weights: file('list.pt', encodeTorchFile(beside(list), list)) },
      { weights: path, alphas: file('alphas.pt', encodeTorchFile(alphas)) },
      { weights: path, alphas: file('checkpoint.pt', encodeLegacyTorchFile(beside(named), named)) },
      { weights: path, alphas: file('both.json', JSON.stringify([rows(normal), rows(reduce)])) },
      { weights: path, alphas: file('named.json', JSON.stringify({ normal: rows(normal), reduce: rows(reduce) })) },
      {
        weights: path,
        alphas: file(
          'nested.json',
          JSON.stringify({ epoch: 3, alphas: { alphas_normal: rows(normal), alphas_reduce: rows(reduce) } }),
        ),
      },
    ];
    const wanted = (await exportNetwork({ ...given[0], format: 'pt', separateAlphas: true })).bytes;
    for (const options of given) {
      const exported = await exportNetwork({ ...options, format: 'pt', separateAlphas: true });
      expect(exported.genotype).toEqual(genotype);
      expect(Buffer.from(exported.bytes).equals(wanted), JSON.stringify(options)).toBe(true);
    }
    expect((await exportNetwork({ ...given[2], format: 'pt' })).notices).toEqual([
      `took arch_parameters.0 and arch_parameters.1 of ${given[2].weights} as its architecture parameters`,
    ]);
  });

  it('is read with alphas that are NaN, and a word about it', async () => {
    const { path } = await published();
    const alphas = join(scratch(), 'nan.json');
    const rows = Array.from({ length: 14 }, () => Array.from({ length: 8 }, () => 0));
    writeFileSync(alphas, JSON.stringify([rows, rows]).replace('[0', '[1e999'));
    const imported = await exportNetwork({ weights: path, alphas, format: 'safetensors' });
    expect(imported.notices).toEqual([`${alphas}: a weight is NaN or infinite, in alphas_normal`]);
    expect(imported.genotype).toBeUndefined();
  });
});
