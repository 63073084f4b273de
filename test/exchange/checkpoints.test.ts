// Which weights of a checkpoint are taken, and what is said of it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/errors.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { torchShape } from '../../src/io/layout.ts';
import { encodeSafetensors, type TensorData } from '../../src/io/safetensors.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { test } from '../../src/run/test.ts';
import { scratch } from '../helpers/scratch.ts';

const genotype = genotypes['DARTS_V2'];
const { graph } = buildDerivedNetwork({ genotype, inputShape: [8, 8, 3], classes: 3, initChannels: 2, layers: 3 });

/** The network's weights, all of one value, under a prefix. */
function weights(value: number, prefix = ''): Map<string, TensorData> {
  return new Map(
    graph.parameters.map(({ name, layout, shape: native }) => {
      const shape = torchShape(layout, native);
      const size = shape.reduce((product, length) => product * length, 1);
      return [prefix + name, { shape, data: new Float32Array(size).fill(value) }];
    }),
  );
}

function saved(...parts: ReadonlyMap<string, TensorData>[]): string {
  const path = join(scratch(), 'saved.safetensors');
  writeFileSync(path, encodeSafetensors(new Map(parts.flatMap((part) => [...part]))));
  return path;
}

const one: TensorData = { shape: [], data: Float32Array.of(1) };

async function read(path: string, averages?: boolean) {
  const { tensors, notices } = await readWeights(path, { averages });
  return { value: tensors.get('classifier.weight')?.data[0], names: [...tensors.keys()], notices };
}

const names = graph.parameters.map(({ name }) => name);

describe('weights of a checkpoint', () => {
  it.each(['module.', '_orig_mod.module.', 'state_dict.model.', 'a.name.of.its.own.'])(
    'lie under %s',
    async (prefix) => {
      const path = saved(new Map([['n_averaged', one]]), weights(2, prefix), new Map([['loss.weight', one]]));
      expect(await read(path)).toEqual({ value: 2, names, notices: [] });
    },
  );

  it('leave out, and name, what is none of them', async () => {
    const strays = Array.from({ length: 7 }, (_, i) => [`metric_${i}.total`, one] as const);
    const path = saved(weights(2), new Map(strays), new Map([['optimizer.momentum.classifier.weight', one]]));
    const notice = `left out of ${path}, since no network has them: metric_0.total, metric_1.total, metric_2.total, metric_3.total, metric_4.total and 2 more`;
    expect(await read(path)).toEqual({ value: 2, names, notices: [notice] });
  });

  it.each([
    ['state_dict.', 'state_dict_ema.'],
    ['model.', 'model_ema.module.'],
    ['', 'average.'],
    ['net.', 'swa_model.module.'],
  ])('are the averages where there are both, unless one asks for the others: %s, %s', async (plain, average) => {
    const path = saved(weights(1, plain), weights(2, average));
    const [wherePlain, whereAverage] = [plain, average].map((prefix) => prefix && ` ${prefix.slice(0, -1)}`);
    const [took, hint] = [`took the averaged weights${whereAverage} of ${path}`, '(--no-averages takes plain ones)'];
    expect(await read(path)).toEqual({
      value: 2,
      names,
      notices: [`${took}, not the plain weights${wherePlain} ${hint}`],
    });
    expect(await read(path, false)).toEqual({
      ...{ value: 1, names },
      notices: [`took the plain weights${wherePlain} of ${path}, not the averaged weights${whereAverage}`],
    });
  });

  it('are those of the shortest name among several, which is said', async () => {
    const path = saved(weights(1, 'teacher.'), weights(2, 'model.'));
    expect(await read(path)).toEqual({
      ...{ value: 2, names },
      notices: [`took the plain weights model of ${path}, not the plain weights teacher`],
    });
    expect((await read(saved(weights(3, 'ema.')), false)).value).toBe(3);
  });

  it('come with a word about what is NaN or infinite', async () => {
    const tensors = weights(0.5);
    tensors.get('stem.1.running_var')!.data[1] = Number.POSITIVE_INFINITY;
    const once = saved(tensors);
    expect((await read(once)).notices).toEqual([`${once}: a weight is NaN or infinite, in stem.1.running_var`]);
    tensors.get('classifier.weight')!.data.fill(Number.NaN);
    const often = saved(tensors);
    const size = tensors.get('classifier.weight')!.data.length;
    expect((await exportNetwork({ weights: often, genotype, format: 'safetensors' })).notices).toEqual([
      `${often}: ${size + 1} weights are NaN or infinite, in 2 tensors, the first of them stem.1.running_var`,
    ]);
  });

  it('that are scored come with that word as well', async () => {
    const images = { shape: [8, 8, 3], images: new Uint8Array(2 * 192), labels: Int32Array.of(0, 2) } as const;
    const { notices } = await test({
      ...{ genotype, weights: saved(weights(Number.NaN)), backend: 'cpu', threads: 1 },
      dataset: {
        ...{ name: 'two images', train: images, test: images, classes: 3, classNames: [], notices: [] },
        ...{ mean: [0.5, 0.5, 0.5], deviation: [1, 1, 1], augmentation: { pad: 0, flip: false } },
      },
    });
    expect(notices).toEqual([
      expect.stringMatching(/weights are NaN or infinite, in \d+ tensors, the first of them stem/),
    ]);
  });

  it('of a derived network have no alphas', async () => {
    const path = saved(weights(1));
    for (const [options, name] of [
      [{ alphas: path }, '(--alphas)'],
      [{ separateAlphas: true }, '(--separate-alphas)'],
    ] as const) {
      const exported = exportNetwork({ weights: path, genotype, format: 'pt', ...options });
      await expect(exported).rejects.toThrow(ArgumentError);
      await expect(exported).rejects.toThrow(name);
    }
  });

  it('that were exported for PyTorch have its counters of batches, but not in the format of before it had any', async () => {
    const counted = new Map([...weights(1), ['stem.1.num_batches_tracked', { shape: [], data: Float32Array.of(390) }]]);
    const path = saved(counted);
    const statistics = names.filter((name) => name.endsWith('running_var'));
    for (const [format, expected] of [
      ['pt', [...names, ...statistics.map(counterOf)]],
      ['pt-legacy', names],
    ] as const) {
      const out = join(scratch(), 'out.pt');
      writeFileSync(out, (await exportNetwork({ weights: path, genotype, format })).bytes);
      const { tensors } = await readWeights(out);
      expect([...tensors.keys()].sort()).toEqual(expected.toSorted());
      if (format === 'pt') {
        // Of int64, as they come from nothing but storages of that type.
        expect(tensors.get('stem.1.num_batches_tracked')).toEqual({ shape: [], data: Float64Array.of(390) });
        expect(tensors.get('cells.0.preprocess0.op.2.num_batches_tracked')?.data[0]).toBe(0);
      }
    }
  });
});

function counterOf(name: string): string {
  return name.replace('running_var', 'num_batches_tracked');
}
