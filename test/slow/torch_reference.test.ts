// The float64 interpreter that checks our kernels is itself checked against PyTorch, on the whole supernet.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { openTorchPeer, type TorchCheck } from '../../bench/peers/torch.ts';
import { type ReferenceResult, runReference } from '../../src/reference/interpreter.ts';
import {
  batchSize,
  deviations,
  givenValues,
  network,
  rates,
  supernet,
  torchTensors,
  toTorch,
} from '../torch/exchange.ts';

let reason = '';
const peer = await openTorchPeer((text) => {
  reason = ` (skipped: ${text})`;
});

describe.skipIf(peer === undefined)(`the float64 reference against PyTorch${reason}`, () => {
  const given = givenValues();
  const ours = new Map<string, TorchTensor>();
  let theirs: TorchCheck;
  let result: ReferenceResult;

  beforeAll(async () => {
    const tensors = torchTensors(given);
    theirs = await peer!.check({ ...network, ...rates, tensors, dtype: 'float64' });
    result = runReference(supernet.graph, {
      batchSize,
      parameters: nativeParameters(),
      inputs: { images: Float64Array.from(given.train.inputs.images) },
      labels: given.train.labels,
      training: true,
    });
    ours.set('logits', { shape: [batchSize, network.classes], data: result.outputs[supernet.logits] });
    for (const [name, { spec }] of given.map.places) {
      const [prefix, values] = spec.role === 'buffer' ? ['buffer', result.buffers] : ['gradient', result.gradients];
      ours.set(`${prefix}.${name}`, toTorch({ shape: spec.shape, data: values.get(name)! }, spec.layout));
    }
  });

  afterAll(() => peer?.close());

  it('has the same loss', () => {
    expect(result.loss).toBeCloseTo(theirs.loss, 10);
  });

  it.each(['logits', 'gradient.', 'buffer.'])('has the same %s', (prefix) => {
    const names = [...theirs.tensors.keys()].filter((name) => name.startsWith(prefix));
    expect(names.length).toBeGreaterThan(0);
    // Both are float64; what remains is the order of sums, 2^-53 grown by the net's depth.
    const worse = deviations(names, ours, theirs.tensors).flatMap((value, index) =>
      value <= 1e-11 ? [] : [`${names[index]}: ${value.toExponential(2)}`],
    );
    expect(worse).toEqual([]);
  });

  function nativeParameters(): Map<string, Float64Array> {
    const values = new Map<string, Float64Array>();
    for (const [name, { spec, offset, size }] of given.map.places) {
      if (spec.role === 'buffer') values.set(name, new Float64Array(size).fill(name.endsWith('running_var') ? 1 : 0));
      else {
        const arena = spec.role === 'weight' ? given.weights : given.alpha;
        values.set(name, Float64Array.from(arena.subarray(offset, offset + size)));
      }
    }
    return values;
  }
});
