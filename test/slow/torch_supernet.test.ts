// Our supernet on the native device against PyTorch's in float64: outputs, gradients, running statistics, hypergradient.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { openTorchPeer, type TorchCheck } from '../../bench/peers/torch.ts';
import type { Device, Outcome } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { batchSize, givenValues, network, rates, strays, supernet, torchTensors, toTorch } from '../torch/exchange.ts';

let reason = '';
const peer = await openTorchPeer((text) => {
  reason = ` (skipped: ${text})`;
});

describe.skipIf(peer === undefined)(`the supernet against PyTorch${reason}`, () => {
  const ours = new Map<string, TorchTensor>();
  let device: Device;
  let exact: TorchCheck;
  let single: TorchCheck;
  let pass: Outcome;
  let unrolled: Outcome;

  beforeAll(async () => {
    const given = givenValues();
    const tensors = torchTensors(given);
    exact = await peer!.check({ ...network, ...rates, tensors, dtype: 'float64' });
    single = await peer!.check({ ...network, ...rates, tensors, dtype: 'float32' });
    device = await openDevice({ backend: 'cpu', threads: 2 });
    const parameters = await device.createParameters(supernet.graph, { seed: 0 });
    for (const arena of ['weights', 'alpha', 'momentum'] as const) await parameters.store.write(arena, 0, given[arena]);
    const program = device.compile(supernet.graph, { batchSize, parameters });
    pass = await program.gradients({ batch: given.train, target: 'both', read: [supernet.logits] });
    await collectPass(parameters);
    unrolled = await program.hypergradient({ train: given.train, validation: given.validation, ...rates });
    for (const name of parameters.names('alpha')) {
      ours.set(`hypergradient.${name}`, toTorch(await parameters.gradient(name), 'plain'));
    }
  });

  afterAll(async () => {
    device?.dispose();
    await peer?.close();
  });

  it('has the same losses', () => {
    // Means of eight terms near 2.4: single precision leaves six digits, the net's depth takes one or two of them.
    expect(pass.loss).toBeCloseTo(exact.loss, 4);
    expect(unrolled.loss).toBeCloseTo(exact.unrolledLoss, 4);
  });

  it('covers every tensor that PyTorch gives', () => {
    expect([...ours.keys()].sort()).toEqual([...exact.tensors.keys()].sort());
  });

  it.each(['logits', 'gradient.', 'buffer.', 'hypergradient.'])('strays no further than float32 must: %s', (prefix) => {
    const names = [...exact.tensors.keys()].filter((name) => name.startsWith(prefix));
    expect(names.length).toBeGreaterThan(0);
    expect(strays(names, ours, single.tensors, exact.tensors)).toEqual([]);
  });

  async function collectPass(parameters: Parameters): Promise<void> {
    const logits = { shape: [batchSize, network.classes], data: pass.outputs!.get(supernet.logits)! };
    ours.set('logits', toTorch(logits, 'plain'));
    for (const [name, { spec }] of parameters.map.places) {
      if (spec.role === 'buffer') ours.set(`buffer.${name}`, toTorch(await parameters.get(name), 'plain'));
      else ours.set(`gradient.${name}`, toTorch(await parameters.gradient(name), spec.layout));
    }
  }
});
