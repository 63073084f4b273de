// Ours against PyTorch where there is no PyTorch. The other backends, and whether the goldens are still PyTorch's: test/slow.
import { describe, expect, it } from 'vitest';
import type { TorchTensor } from '../../bench/peers/tensor_file.ts';
import { type ParameterMap, placeParameters, valueArenas } from '../../src/backend/parameter_map.ts';
import { runReference } from '../../src/reference/interpreter.ts';
import { toTorch } from './exchange.ts';
import { derivedNetworks, describeGoldens, logits, scalar, supernet } from './golden_cases.ts';
import { batchSize, derived, digest, distances, drawArenas, drawBatch, readGolden, searched } from './goldens.ts';

describeGoldens('cpu');

describe("PyTorch's goldens and the float64 reference", () => {
  it.each([
    ['supernet', supernet, searched.size] as const,
    ...Object.entries(derivedNetworks).map(([name, { trained }]) => [name, trained, derived.size] as const),
  ])('%s', (name, network, size) => {
    const { inputs, labels } = drawBatch('train', size);
    const map = placeParameters(network.graph);
    const result = runReference(network.graph, {
      ...{ batchSize, labels, training: true },
      parameters: startValues(map),
      inputs: { images: Float64Array.from(inputs.images) },
    });
    const ours = new Map<string, TorchTensor>([
      ['logits', logits(result.outputs[network.logits])],
      ['loss', scalar(result.loss!)],
    ]);
    for (const [parameter, { spec }] of map.places) {
      const [group, values] = spec.role === 'buffer' ? ['buffer', result.buffers] : ['gradient', result.gradients];
      const tensor = toTorch({ shape: spec.shape, data: values.get(parameter)! }, spec.layout);
      ours.set(`${group}.${parameter}`, digest(tensor));
    }
    const found = distances(readGolden(name), ours);
    // Both are float64; what remains is the order of sums, 2^-53 grown by the net's depth.
    for (const group of ['logits', 'loss', 'gradient', 'buffer']) expect(found.get(group), group).toBeLessThan(1e-11);
  });
});

/** Every parameter as PyTorch's side begins with it. */
function startValues(map: ParameterMap): Map<string, Float64Array> {
  const arenas = drawArenas(map);
  return new Map(
    [...map.places].map(([name, { spec, offset, size }]) => {
      return [name, Float64Array.from(arenas[valueArenas[spec.role]].subarray(offset, offset + size))];
    }),
  );
}
