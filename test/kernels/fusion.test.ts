import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, Outcome } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import {
  difference,
  distanceToKink,
  exactGradients,
  imagesOf,
  labelsOf,
  type RandomNet,
  randomNet,
} from '../helpers/random_net.ts';

// Fused kernels against the same graph run node by node. Both are float32 sums of the same terms in other orders; batch
// norms over few values amplify the difference, so sizes keep at least 32 values a channel.
const relativeTolerance = 1e-5;
const graphs = 300;
// Where a relu's input lies within round-off of 0, the two forms may rightly take different sides, and gradients differ by
// that element's share; and where a batch norm divides by next to nothing, float32 has few digits in either form. Such graphs are
// few; any other difference fails.
const kinkDistance = 2e-6;
const mostExceptions = 3;

let device: Device;
beforeAll(async () => {
  device = await openDevice({ backend: 'cpu', threads: 2 });
});
afterAll(() => device.dispose());

/** Loss and every gradient of one pass, by name. */
async function gradients(net: RandomNet, fusion: 'on' | 'off', seed: number): Promise<Map<string, Float32Array>> {
  const parameters = await device.createParameters(net.graph, { seed });
  const program = device.compile(net.graph, { batchSize: net.batchSize, parameters, fusion });
  const batch = { inputs: { images: imagesOf(net, seed) }, labels: labelsOf(net) };
  const outcome: Outcome = await program.gradients({ batch, target: 'both' });
  const results = new Map<string, Float32Array>([['loss', Float32Array.of(outcome.loss ?? Number.NaN)]]);
  for (const name of [...parameters.names('weight'), ...parameters.names('alpha')]) {
    results.set(`gradient of ${name}`, (await parameters.gradient(name)).data);
  }
  for (const name of parameters.names('buffer')) results.set(name, (await parameters.get(name)).data);
  program.dispose();
  parameters.dispose();
  return results;
}

describe('fused against unfused', () => {
  it(`agrees on ${graphs} random graphs`, async () => {
    const exceptions: number[] = [];
    for (let seed = 0; seed < graphs; seed++) {
      const net = randomNet(seed);
      const [fused, plain] = [await gradients(net, 'on', seed), await gradients(net, 'off', seed)];
      const worst = difference(fused, plain);
      if (worst.relative < relativeTolerance) continue;
      exceptions.push(seed);
      if ((await distanceToKink(device, net, seed)) < kinkDistance) continue;
      const exact = await exactGradients(device, net, seed);
      const [errorFused, errorPlain] = [fused, plain].map((form) => difference(form, exact).relative);
      expect(errorFused, `graph ${seed}: ${worst.name} differs by ${worst.relative}`).toBeLessThan(2 * errorPlain);
    }
    expect(exceptions.length, `graphs ${exceptions.join(', ')}`).toBeLessThanOrEqual(mostExceptions);
  });

  it('takes less memory', async () => {
    const { graph } = randomNet(3);
    const parameters = await device.createParameters(graph, { seed: 0 });
    const memoryOf = (fusion: 'on' | 'off') => device.compile(graph, { batchSize: 8, parameters, fusion }).memory();
    const [on, off] = [await memoryOf('on'), await memoryOf('off')];
    expect(on.both).toBeLessThan(off.both);
  });
});
