// Derived networks and the supernet against PyTorch's, built there from its own code: checkpoints go both ways in every format,
// and logits, losses and all gradients are compared. How far we may be off follows from how far PyTorch's own float32 is from its
// float64.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { findTorch } from '../../bench/peers/torch.ts';
import type { Device, DirectBatch } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { type ExportFormat, exportNetwork } from '../../src/exchange/export.ts';
import { encodeTorchFile } from '../../src/exchange/torch_write.ts';
import { readWeights } from '../../src/exchange/weights.ts';
import type { Genotype } from '../../src/genotype/genotype.ts';
import { genotypes } from '../../src/genotype/published.ts';
import { drawBatch } from '../../src/kernels/draw.ts';
import { buildDerivedNetwork } from '../../src/network/derived.ts';
import type { Network } from '../../src/skeleton/skeleton.ts';
import { root } from '../helpers/process.ts';
import { scatter } from '../helpers/scattered.ts';
import { scratch } from '../helpers/scratch.ts';
import { imageShape, network, permuted, strays, supernet, toTorch } from '../torch/exchange.ts';

let reason = '';
const torch = await findTorch((text) => {
  reason = ` (skipped: ${text})`;
});

const batchSize = 4;
const training = { auxiliaryWeight: 0.4, labelSmoothing: 0.1 };

/** What PyTorch writes; `training` is a dict with a state dict from a data-parallel training in it. */
const theirForms = { zip: 'pt', legacy: 'pt', training: 'pth.tar', safetensors: 'safetensors' } as const;

/** A network on both sides. */
interface Compared {
  readonly training: Network;
  readonly plain: Network;
  /** None of a supernet. */
  readonly genotype?: Genotype;
  /** For checkpoint_check.py. */
  readonly request: object;
}

type Tensors = ReadonlyMap<string, TorchTensor>;

function derived(name: string, { size, ...sizes }: { channels: number; layers: number; size: number }): Compared {
  const genotype = genotypes[name];
  const { channels: initChannels, layers } = sizes;
  const options = { genotype, inputShape: [size, size, 3] as const, classes: 10, initChannels, layers };
  return {
    training: buildDerivedNetwork({ ...options, ...training }),
    plain: buildDerivedNetwork(options),
    genotype,
    request: {
      network: 'derived',
      arguments: { genotype, auxiliary: true, size, ...sizes },
      loss: { smoothing: training.labelSmoothing, weight: training.auxiliaryWeight },
    },
  };
}

const searched: Compared = {
  ...{ training: supernet, plain: supernet },
  request: { network: 'supernet', arguments: network, loss: {} },
};

describe.skipIf(torch === undefined)(`checkpoints and passes of PyTorch${reason}`, () => {
  it.each<[string, Compared, ExportFormat]>([
    ['DARTS_V2', derived('DARTS_V2', { channels: 8, layers: 4, size: 32 }), 'pt'],
    ['DARTS_V1 on 28x28', derived('DARTS_V1', { channels: 4, layers: 5, size: 28 }), 'pt-legacy'],
    ['NASNet', derived('NASNet', { channels: 4, layers: 3, size: 32 }), 'pt'],
    ['AmoebaNet', derived('AmoebaNet', { channels: 4, layers: 3, size: 32 }), 'pt-legacy'],
    ['FairDARTS_b', derived('FairDARTS_b', { channels: 4, layers: 4, size: 32 }), 'pt-legacy'],
    ['DCO_EDGE_BS_64', derived('DCO_EDGE_BS_64', { channels: 4, layers: 4, size: 32 }), 'pt'],
    ['the supernet', searched, 'pt-legacy'],
  ])('%s', async (_, compared, format) => {
    const folder = scratch();
    using device = await openDevice({ backend: 'cpu', threads: 2 });
    using parameters = await device.createParameters(compared.training.graph, { seed: 6 });
    await scatter(parameters, 6);
    const saved = join(folder, 'saved.safetensors');
    await parameters.save(saved);
    const { inputs, labels } = drawBatch(compared.training.graph, batchSize, 3);
    const batch: DirectBatch = { inputs, labels };
    writeFileSync(join(folder, 'batch.pt'), encodeTorchFile(theirBatch(compared, batch)));

    const single = await theirPass(compared, saved, format, 'float32', folder);
    const exact = await theirPass(compared, saved, 'safetensors', 'float64', folder);
    for (const pass of [single, exact]) {
      for (const checkpoint of pass.checkpoints) {
        const again = await savedAgain(device, compared, checkpoint, folder);
        expect(again.equals(readFileSync(saved)), checkpoint).toBe(true);
      }
    }

    const actual = await ourPass(device, compared, parameters, batch);
    const names = [...exact.tensors.keys()].filter((tensor) => !tensor.endsWith('num_batches_tracked'));
    expect([...actual.keys()].sort()).toEqual(names.toSorted());
    for (const prefix of ['test_logits', 'logits', 'loss', 'gradient.', 'buffer.']) {
      const group = names.filter((name) => name.startsWith(prefix));
      expect(strays(group, actual, single.tensors, exact.tensors), prefix).toEqual([]);
    }
  });
});

/** PyTorch's pass over our weights, which it gets in one of our formats, and the checkpoints that it wrote of them in all of its. */
async function theirPass(
  { request, genotype }: Compared,
  saved: string,
  format: ExportFormat,
  dtype: string,
  folder: string,
): Promise<{ tensors: Tensors; checkpoints: string[] }> {
  const at = (name: string) => join(folder, `${dtype}_${name}`);
  const weights = at(`ours.${format}`);
  writeFileSync(weights, (await exportNetwork({ weights: saved, genotype, format })).bytes);
  const checkpoints = Object.fromEntries(Object.entries(theirForms).map(([form, end]) => [form, at(`${form}.${end}`)]));
  const files = { weights, batch: join(folder, 'batch.pt'), output: at('output.pt'), checkpoints };
  writeFileSync(at('request.json'), JSON.stringify({ ...request, ...files, dtype }));
  const script = join(root, 'bench/peers/checkpoint_check.py');
  await promisify(execFile)(torch!.python, ['-B', script, at('request.json')]);
  const { tensors } = await readWeights(files.output);
  return {
    tensors: new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data) }])),
    checkpoints: Object.values(checkpoints),
  };
}

/** The file that parameters write which began with others and took a checkpoint through `dartsmith import`. */
async function savedAgain(device: Device, { training, genotype }: Compared, weights: string, folder: string) {
  const [imported, saved] = [join(folder, 'imported.safetensors'), join(folder, 'again.safetensors')];
  writeFileSync(imported, (await exportNetwork({ weights, genotype, format: 'safetensors' })).bytes);
  using parameters = await device.createParameters(training.graph, { seed: 7 });
  await parameters.load(imported);
  await parameters.save(saved);
  return readFileSync(saved);
}

/** The same pass as checkpoint_check.py makes. */
async function ourPass(device: Device, { training, plain }: Compared, parameters: Parameters, batch: DirectBatch) {
  using tested = device.compile(plain.graph, { batchSize, parameters });
  using trained = device.compile(training.graph, { batchSize, parameters });
  const evaluated = await tested.evaluate({ batch, statistics: 'running', read: [plain.logits] });
  const result = await trained.gradients({ batch, target: 'both', read: [training.logits] });
  const logits = (data: Float32Array) => toTorch({ shape: [batchSize, data.length / batchSize], data }, 'plain');
  const tensors = new Map<string, TorchTensor>([
    ['test_logits', logits(evaluated.outputs!.get(plain.logits)!)],
    ['logits', logits(result.outputs!.get(training.logits)!)],
    ['loss', { shape: [], data: Float64Array.of(result.loss!) }],
  ]);
  for (const [name, { spec }] of parameters.map.places) {
    if (spec.role === 'buffer') tensors.set(`buffer.${name}`, toTorch(await parameters.get(name), 'plain'));
    else tensors.set(`gradient.${name}`, toTorch(await parameters.gradient(name), spec.layout));
  }
  return tensors;
}

function theirBatch({ request }: Compared, { inputs, labels }: DirectBatch): Map<string, TorchTensor> {
  const { arguments: sizes } = request as { arguments: { size?: number } };
  const [height, width, channels] = sizes.size === undefined ? imageShape : [sizes.size, sizes.size, 3];
  const images = { shape: [batchSize, height, width, channels], data: Float64Array.from(inputs['images']) };
  return new Map([
    ['images', permuted(images, [0, 3, 1, 2])],
    ['labels', { shape: [batchSize], data: Float64Array.from(labels!) }],
  ]);
}
