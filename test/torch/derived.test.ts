// Derived networks against PyTorch's, built there from its own code: checkpoints go both ways in every format, and logits, losses
// and all gradients are compared. How far we may be off follows from how far PyTorch's own float32 is from its float64.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { distance } from '../../bench/gpu/compare.ts';
import { findTorch } from '../../bench/peers/torch.ts';
import { openDevice } from '../../src/backend/open.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import { toTorch } from '../../src/io/layout.ts';
import type { WeightTensor } from '../../src/io/safetensors.ts';
import { drawBatch } from '../../src/kernels/draw.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import { genotypes } from '../../src/network/published.ts';
import { root } from '../helpers/process.ts';
import { scratch } from '../helpers/scratch.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});

type Tensors = ReadonlyMap<string, WeightTensor>;

const batchSize = 4;
const training = { auxiliaryWeight: 0.4, labelSmoothing: 0.1 };

/** The same pass as derived_check.py makes, from weights of ours, which are written for it to `weights`. */
async function ours(name: string, sizes: { channels: number; layers: number; size: number }, folder: string) {
  const { channels, layers, size } = sizes;
  const options = {
    ...{ genotype: genotypes[name], inputShape: [size, size, 3] as const, classes: 10, initChannels: channels, layers },
  };
  const [train, plain] = [buildDerivedNetwork({ ...options, ...training }), buildDerivedNetwork(options)];
  const { inputs, labels } = drawBatch(train.graph, batchSize, 3);
  using device = await openDevice({ backend: 'cpu' });
  using parameters = await device.createParameters(train.graph, { seed: 6 });
  await parameters.save(join(folder, 'ours.safetensors'));
  writeFileSync(
    join(folder, 'ours.pt'),
    encodeTorchFile((await readWeights(join(folder, 'ours.safetensors'))).tensors),
  );
  const images = { shape: [batchSize, 3, size, size], data: planes(inputs['images'], size) };
  const batch = { images, labels: { shape: [batchSize], data: Float32Array.from(labels!) } };
  writeFileSync(join(folder, 'batch.pt'), encodeTorchFile(new Map(Object.entries(batch))));
  using tested = device.compile(plain.graph, { batchSize, parameters });
  using trained = device.compile(train.graph, { batchSize, parameters });
  const evaluated = await tested.evaluate({ batch: { inputs, labels }, statistics: 'running', read: [plain.logits] });
  const result = await trained.gradients({ batch: { inputs, labels }, target: 'weights', read: [train.logits] });
  const tensors = new Map<string, Float32Array>([
    ['test_logits', evaluated.outputs!.get(plain.logits)!],
    ['logits', result.outputs!.get(train.logits)!],
    ['loss', Float32Array.of(result.loss!)],
  ]);
  for (const { name, role, layout, shape } of train.graph.parameters) {
    if (role === 'buffer') tensors.set(`buffer.${name}`, (await parameters.get(name)).data);
    else tensors.set(`gradient.${name}`, toTorch(layout, shape, (await parameters.gradient(name)).data));
  }
  return tensors;
}

/** [N, H, W, 3] to [N, 3, H, W]. */
function planes(images: Float32Array, size: number): Float32Array {
  return images.map((_, i) => {
    const [sample, channel, pixel] = [
      Math.floor(i / (3 * size * size)),
      Math.floor(i / (size * size)) % 3,
      i % (size * size),
    ];
    return images[(sample * size * size + pixel) * 3 + channel];
  });
}

async function theirs(request: object, folder: string, form: { zip: boolean; wrapped: boolean }): Promise<Tensors> {
  const output = join(folder, 'theirs.pt');
  const path = join(folder, 'request.json');
  const files = { weights: join(folder, 'ours.pt'), batch: join(folder, 'batch.pt'), output };
  writeFileSync(path, JSON.stringify({ ...request, ...files, ...form }));
  await promisify(execFile)(torch!.python, ['-B', join(root, 'bench/peers/derived_check.py'), path]);
  return (await readWeights(output)).tensors;
}

describe.skipIf(torch === undefined)(`derived networks against PyTorch${reason}`, () => {
  it.each([
    ['DARTS_V2', { channels: 8, layers: 4, size: 32 }],
    ['DARTS_V1', { channels: 4, layers: 5, size: 28 }],
    ['NASNet', { channels: 4, layers: 3, size: 32 }],
    ['AmoebaNet', { channels: 4, layers: 3, size: 32 }],
  ] as const)('%s, %j', { timeout: 120_000 }, async (name, sizes) => {
    const folder = scratch();
    const actual = await ours(name, sizes, folder);
    const request = {
      ...{ genotype: genotypes[name], sizes, smoothing: training.labelSmoothing },
      auxiliary_weight: training.auxiliaryWeight,
    };
    const single = await theirs({ ...request, dtype: 'float32' }, folder, { zip: false, wrapped: true });
    const double = await theirs({ ...request, dtype: 'float64' }, folder, { zip: true, wrapped: false });
    const names = [...double.keys()].filter((tensor) => !tensor.endsWith('num_batches_tracked'));
    expect([...actual.keys()].sort()).toEqual(names.toSorted());
    for (const tensor of names) {
      const right = double.get(tensor)!.data;
      const own = distance(actual.get(tensor)!, right);
      const peer = distance(Float32Array.from(single.get(tensor)!.data), right);
      // One draw of round-off against another; below 1e-5 both are nothing but that.
      expect(own, `${tensor}: off by ${own}, PyTorch's float32 by ${peer}`).toBeLessThan(1e-5 + 10 * peer);
    }
  });
});
