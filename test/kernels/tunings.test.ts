// However kernels go about memory, they compute the same bits.
import { describe, expect, it, vi } from 'vitest';
import { loadAddon } from '../../src/backend/native/addon.ts';
import { instructionSets, openDevice } from '../../src/backend/open.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { expectSameBits } from '../helpers/compare.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';

// Large enough that nothing of it counts as cached.
const batchSize = 20;
const { graph } = buildSupernet({ inputShape: [32, 32, 3], classes: 3, initChannels: 16, layers: 2 });
const batch = directBatch(prepareGraph(graph, batchSize));
const { addon } = loadAddon();

/** All gradients of two passes, as one. */
async function gradients(tuning: string, instructionSet: string): Promise<Map<string, Float32Array>> {
  vi.stubEnv('DARTSMITH_TUNING', tuning);
  using device = await openDevice({ backend: 'cpu', threads: 2, instructionSet });
  const parameters = await device.createParameters(graph, { seed: 3 });
  const program = device.compile(graph, { batchSize, parameters });
  const results = new Map<string, Float32Array>();
  for (const target of ['alpha', 'weights'] as const) {
    await program.gradients({ batch, target });
    for (const name of parameters.names(target === 'alpha' ? 'alpha' : 'weight')) {
      results.set(name, (await parameters.gradient(name)).data);
    }
  }
  return results;
}

function tuningsOf(instructionSet: string): string[] {
  const device = addon.openDevice({ backend: 'cpu', threads: 1, instructionSet });
  const names = addon.tunings(device);
  addon.disposeDevice(device);
  return names;
}

describe.each(instructionSets())('tunings of %s', (instructionSet) => {
  const [first, ...others] = tuningsOf(instructionSet);

  it.each(others)(`gives the bits of ${first}: %s`, async (name) => {
    const expected = await gradients(first, instructionSet);
    const actual = await gradients(name, instructionSet);
    expect(actual.size).toBe(expected.size);
    for (const [parameter, values] of expected) expectSameBits(actual.get(parameter)!, values, parameter);
    vi.unstubAllEnvs();
  });

  it('are measured', async () => {
    const device = addon.openDevice({ backend: 'cpu', threads: 2, instructionSet });
    const found = await addon.findTuning(device).promise;
    expect([-1, ...tuningsOf(instructionSet).keys()]).toContain(found); // -1: beside other tests
    addon.disposeDevice(device);
  });
});
