// A network that StacNAS' code pickled whole: its weights under our names, its genotype, and what PyTorch computes with it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { placeParameters } from '../../src/backend/parameter_map.ts';
import { genotypeArgument } from '../../src/cli/genotype_argument.ts';
import { FileError } from '../../src/errors.ts';
import { sizesOfWeights } from '../../src/exchange/network_sizes.ts';
import { readPickledGenotype } from '../../src/exchange/pickled_genotype.ts';
import { translated } from '../../src/exchange/stacnas_names.ts';
import { readPublishedAlphas } from '../../src/exchange/stacnas_pickles.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { pairs } from '../../src/genotype/published/letters.ts';
import { readPublishedWinners } from '../../src/methods/stacnas/published.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

const folder = join(root, 'test/fixtures/stacnas');
const file = join(folder, 'derived.pth.tar');
const genotype = pairs('s1 k0 m2 D0 a0 S3 k4 d1 / k1 m0 D2 a0 s3 k0 d3 S0');

describe('a pickled network of StacNAS', () => {
  it('tells its genotype', async () => {
    expect(await readPickledGenotype(file)).toEqual({ genotype, isNetwork: true });
    expect(await genotypeArgument(file)).toEqual({ genotype, weights: file });
  });

  it('computes what PyTorch does', async () => {
    const { tensors, notices } = await readWeights(file);
    expect(notices).toEqual([]);
    const sizes = sizesOfWeights(tensors, file);
    expect(sizes).toMatchObject({ initChannels: 2, layers: 3, classes: 4, normalisePooling: true, supernet: false });
    const { graph, logits } = buildDerivedNetwork({ ...sizes, genotype, inputShape: [8, 8, 3] });
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters(graph, { seed: 0 });
    await parameters.assign(tensors, file);
    using program = device.compile(graph, { batchSize: 2, parameters });
    const images = Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => ((i * 7) % 23) / 11.5 - 1);
    const batch = { inputs: { images }, labels: new Int32Array(2) };
    const { outputs } = await program.evaluate({ batch, statistics: 'running', read: [logits] });
    const expected: number[] = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')).flat();
    const found = [...outputs!.get(logits)!];
    for (const [i, value] of expected.entries()) expect(Math.abs(found[i] - value), `${i}`).toBeLessThan(2e-5);
  });

  it.each([
    ['half of it', (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
    ['another pickle', () => Buffer.from('\x80\x02]q\x00.', 'latin1')],
    ['a zip archive of nothing', () => Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1')],
  ])('is refused with one line: %s', async (_, change) => {
    const path = join(scratch(), 'network.pth.tar');
    writeFileSync(path, change(readFileSync(file)));
    await expect(genotypeArgument(path)).rejects.toThrow(FileError);
    await expect(readWeights(path)).rejects.toThrow(FileError);
  });
});

describe('pickles that StacNAS leaves of a search', () => {
  const numbers = JSON.parse(readFileSync(join(folder, 'alphas.json'), 'utf8'));

  it.each(['lists', 'numpy', 'torch', 'tensor'])('alpha as %s: the numbers of the file', async (kind) => {
    const read = await readPublishedAlphas(join(folder, `alphas_${kind}.pk`));
    const found = read.flat(3);
    for (const [i, value] of numbers.flat(3).entries()) expect(found[i]).toBeCloseTo(value, 6);
    expect(found).toHaveLength(2 * 14 * 5);
  });

  it('alpha: the winners of every edge', async () => {
    const { space, stages } = await readPublishedWinners(join(folder, 'alphas_torch.pk'), ['stacnas', 'stacnas_all']);
    const names = ['max_pool_3x3', 'skip_connect', 'sep_conv_3x3', 'dil_conv_3x3'];
    const best = (row: number[]) => names[row.indexOf(Math.max(...row.slice(0, 4)))];
    const [normal, reduce] = numbers.map((cell: number[][][]) => cell.flat().map(best));
    expect({ space, stages }).toEqual({ space: 'stacnas', stages: { search1: { normal, reduce } } });
  });

  it('the genotype by itself', async () => {
    const path = join(folder, 'genotypes.pk');
    expect(await genotypeArgument(path)).toEqual({ genotype });
  });

  it('are refused with one line where they are damaged, at any byte', async () => {
    const path = join(scratch(), 'alphas.pk');
    for (const kind of ['numpy', 'torch']) {
      const whole = readFileSync(join(folder, `alphas_${kind}.pk`));
      for (let at = 0; at < whole.length; at += 97) {
        for (const bytes of [whole.subarray(0, at), Buffer.from(whole).fill(whole[at] ^ 0x55, at, at + 1)]) {
          writeFileSync(path, bytes);
          const read = await readPublishedWinners(path, ['stacnas']).catch((error: unknown) => error);
          if (read instanceof Error) expect(read).toBeInstanceOf(FileError);
        }
      }
    }
    writeFileSync(path, readFileSync(join(folder, 'genotypes.pk')));
    await expect(readPublishedWinners(path, ['stacnas'])).rejects.toThrow(/no alpha of StacNAS' code/);
  });

  it('alpha of another number of candidates is of no space', async () => {
    await expect(readPublishedWinners(join(folder, 'alphas_lists.pk'), ['stacnas_all'])).rejects.toThrow(
      /alpha of no space of the first stage/,
    );
  });
});

describe('the names of a supernet of StacNAS', () => {
  /** The code's name for one of ours. */
  function theirs(name: string): string {
    const [, cell, part, rest] = /^cells\.(\d+)\.(preprocess[01]|_ops)\.(.+)$/.exec(name) ?? [];
    if (cell === undefined) return `_${name}`;
    const own = (text: string) =>
      text
        .replace(/^op\.([567])\./, (_, place) => `_ops.1._ops.${Number(place) - 4}.`)
        .replace(/^conv_([12])\./, 'conv$1.');
    if (part !== '_ops') return `_cells.${cell}._preproc${part.at(-1)}.${own(rest).replace(/^op\./, '_ops.')}`;
    const [, row, candidate, end] = /^(\d+)\._ops\.(\d+)\.(.+)$/.exec(rest) ?? [];
    const node = [0, 2, 5, 9, 14].findIndex((first) => Number(row) < first) - 1;
    const edge = Number(row) - [0, 2, 5, 9][node];
    const isSeparable = candidate === '2';
    const text = own(end)
      .replace(/^op\./, isSeparable ? '_ops.0._ops.' : '_ops.')
      .replace(/^1\./, 'bn.');
    return `_cells.${cell}._dag.${node}.${edge}._ops.${candidate}.${text}`;
  }

  it('become ours, and alpha a table a type', () => {
    const { graph } = buildSupernet({
      space: 'stacnas',
      inputShape: [8, 8, 3],
      classes: 4,
      initChannels: 2,
      layers: 3,
    });
    const all = [...placeParameters(graph).places.keys()];
    const ours = all.filter((name) => !name.startsWith('alphas_'));
    const vectors = ['normal', 'reduce'].flatMap((type) =>
      [0, 1, 2, 3].flatMap((node) => Array.from({ length: node + 2 }, (_, edge) => `_alpha_${type}_${node}_${edge}`)),
    );
    const read = (paths: readonly string[]) =>
      new Map(paths.map((path, i) => [path, { shape: [5], data: new Float32Array(5).fill(i) }] as const));
    const source = translated({ paths: [...vectors, ...ours.map(theirs)], root: '', read });
    expect([...source.paths].sort()).toEqual([...all].sort());
    const { shape, data } = source.read(['alphas_reduce']).get('alphas_reduce')!;
    expect(shape).toEqual([14, 5]);
    expect([data[0], data[69]]).toEqual([0, 13]);
  });

  it('become ours where every cell has alpha of its own', () => {
    const vectors = [0, 1].flatMap((cell) => [0, 1].map((edge) => `_cells.${cell}._alpha_0_${edge}`));
    const read = (paths: readonly string[]) =>
      new Map(paths.map((path, i) => [path, { shape: [5], data: new Float32Array(5).fill(i) }] as const));
    const source = translated({ paths: [...vectors, '_stem.0.weight', '_classifier.weight'], root: '', read });
    expect(source.paths.slice(0, 2)).toEqual(['cells.0.alphas', 'cells.1.alphas']);
    expect(source.read(['cells.1.alphas']).get('cells.1.alphas')?.shape).toEqual([2, 5]);
  });

  it('of other files stay as they are', () => {
    const source = { paths: ['stem.0.weight', 'classifier.weight'], root: '', read: () => new Map() };
    expect(translated(source)).toBe(source);
  });
});
