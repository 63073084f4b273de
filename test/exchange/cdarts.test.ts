// Checkpoints of networks that CDARTS' code on NNI retrains, as its versions name what lies on an edge.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { FileError } from '../../src/errors.ts';
import { withCounters } from '../../src/exchange/batch_counters.ts';
import { exportNetwork } from '../../src/exchange/export.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { parseGenotype } from '../../src/genotype/text.ts';
import type { WeightTensor } from '../../src/io/safetensors.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { test } from '../../src/run/test.ts';
import { cellType } from '../../src/skeleton/cell_stack.ts';
import { spaces } from '../../src/space/space.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset } from '../helpers/tiny_search.ts';

type Tensors = ReadonlyMap<string, WeightTensor>;

const genotype = genotypes['CDARTS_CIFAR'];
const images = tinyDataset(1, 24);
const dataset = { ...images, test: images.train };
const layers = 4;
const options = {
  ...({ genotype, skeleton: 'cdarts', classes: dataset.classes, initChannels: 2, layers } as const),
  ...{ auxiliaryWeight: 0.4, inputShape: [24, 24, 1] as const },
};
const names = spaces['cdarts'].candidates as readonly string[];
const edge = /^cells\.(\d)\.mutable_ops\.(\d)\.ops\.(\d)/;

/** The number of the candidate of an edge. */
function numberOf(name: string): number {
  const [, layer, node, input] = edge.exec(name)!.map(Number);
  const entries = genotype[cellType(layer, layers)].nodes[node];
  return names.indexOf(entries.find((entry) => entry.input === input)!.operation);
}

const numbered = (name: string, own: string) => name.replace(edge, (place) => `${place}.${own}${numberOf(name)}`);
const renamed = (tensors: Tensors, change: (name: string) => string): Tensors =>
  new Map([...tensors].map(([name, tensor]) => [change(name), tensor]));

/** Of every edge all candidates, whether it is kept or not: those that do not run were never trained. */
function withOthers(tensors: Tensors): Tensors {
  const other: WeightTensor = { shape: [2, 1, 3, 3], data: new Float32Array(18) };
  const parts = { 3: 'net.0.net.1', 4: 'net.0.net.1', 5: 'net.1', 6: 'net.1' };
  const edges = [0, 1, 2, 3].flatMap((node) => Array.from({ length: node + 2 }, (_, input) => `${node}.ops.${input}`));
  const others = [0, 1, 2, 3].flatMap((layer) =>
    edges.flatMap((place) =>
      Object.entries(parts).map(
        ([number, part]) => `cells.${layer}.mutable_ops.${place}.choices.${number}.${part}.weight`,
      ),
    ),
  );
  return new Map([...others.map((name) => [name, other] as const), ...tensors]);
}

const forms: readonly (readonly [string, (tensors: Tensors) => Tensors])[] = [
  ['of 1.6 and after', (tensors) => tensors],
  ['with the number of what was chosen', (tensors) => renamed(tensors, (name) => numbered(name, ''))],
  ['of 1.4 and 1.5', (tensors) => renamed(tensors, (name) => numbered(name, 'choices.'))],
  [
    'of 1.4 and 1.5 with all candidates',
    (tensors) => withOthers(renamed(tensors, (name) => numbered(name, 'choices.'))),
  ],
  [
    'of several GPUs, in a larger checkpoint',
    (tensors) =>
      new Map([
        ...renamed(withCounters(tensors), (name) => `model.module.${numbered(name, 'choices.')}`),
        ...renamed(tensors, (name) => `optimizer.state.${name}`),
      ]),
  ],
];

describe('a retrained network of CDARTS', () => {
  let own: string;
  let tensors: Tensors;
  const written = (content: Tensors) => {
    const path = join(scratch(), 'retrained.pth.tar');
    writeFileSync(path, encodeTorchFile(content));
    return path;
  };

  beforeEach(async () => {
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters(buildDerivedNetwork(options).graph, { seed: 3 });
    await scatter(parameters, 3);
    own = join(scratch(), 'own.safetensors');
    await parameters.save(own);
    tensors = (await readWeights(own)).tensors;
  });

  it.each(forms)('is read by the names %s', async (_, form) => {
    const weights = written(form(tensors));
    const given = { dataset, threads: 1, backend: 'cpu', batchSize: 16 } as const;
    const [expected, found] = await Promise.all(
      [own, weights].map((file) => test({ ...given, genotype, weights: file })),
    );
    const { imagesPerSecond: _rate, notices, ...score } = found;
    expect(notices).toEqual([]);
    expect(expected).toMatchObject(score);
    const back = join(scratch(), 'back.safetensors');
    const exported = await exportNetwork({ weights, genotype, format: 'safetensors' });
    expect(exported).toMatchObject({
      skeleton: 'cdarts',
      affineNorms: false,
      auxiliary: true,
      supernet: false,
      layers,
    });
    writeFileSync(back, exported.bytes);
    const values = [...(await readWeights(back)).tensors].filter(([name]) => !name.endsWith('num_batches_tracked'));
    expect(new Map(values)).toEqual(tensors);
  });

  const last = 'cells.3.mutable_ops.0.ops.0.net.0.net.1.weight';
  it.each<[string, (all: Map<string, WeightTensor>) => void, RegExp]>([
    [
      'a convolution of a kept edge',
      (all) => all.delete(numbered(last, '')),
      /missing cells\.3\.mutable_ops\.0\.ops\.0\.net/,
    ],
    [
      'the shape of one',
      (all) => all.set(numbered(last, ''), { shape: [2, 1, 5, 5], data: new Float32Array(50) }),
      /cells\.3\.mutable_ops\.0\.ops\.0\.net\.0\.net\.1\.weight/,
    ],
    ['its classifier', (all) => all.delete('linear.weight'), /linear\.weight/],
    [
      'an edge that there is',
      (all) => all.set('cells.0.mutable_ops.9.ops.0.net.1.weight', { shape: [1], data: new Float32Array(1) }),
      /cells\.0\.mutable_ops\.9/,
    ],
  ])('is refused without %s', async (_, spoil, message) => {
    const all = new Map(renamed(tensors, (name) => numbered(name, '')));
    spoil(all);
    const weights = written(all);
    const refusals = [
      () => test({ genotype, weights, dataset, threads: 1, backend: 'cpu' }),
      () => exportNetwork({ weights, genotype, format: 'pt' }),
    ];
    for (const refuse of refusals) {
      const error = await refuse().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FileError);
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).not.toContain('\n');
    }
  });

  it('is refused with the genotype of another, or of another family', async () => {
    const weights = written(renamed(tensors, (name) => numbered(name, 'choices.')));
    const format = 'pt' as const;
    await expect(exportNetwork({ weights, genotype: genotypes['DARTS_V2'], format })).rejects.toThrow(FileError);
    const oneCell = parseGenotype('|none~0|+|none~0|none~1|');
    await expect(exportNetwork({ weights, genotype: oneCell, format })).rejects.toThrow(
      /expected one of normal and reduction cells|holds a supernet/,
    );
  });

  it('cut short is refused', async () => {
    const path = join(scratch(), 'short.pth.tar');
    const bytes = encodeTorchFile(renamed(tensors, (name) => numbered(name, 'choices.')));
    writeFileSync(path, bytes.subarray(0, bytes.length / 2));
    await expect(readWeights(path)).rejects.toThrow(FileError);
  });
});
