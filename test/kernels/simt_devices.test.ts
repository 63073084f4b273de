// Several devices and programs of the CUDA backend in one process, side by side; and what opening one says where it cannot.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../src/backend/open.ts';
import { BackendError } from '../../src/errors.ts';
import { hasGpu, testBackends } from '../helpers/backends.ts';
import { directBatch, prepareGraph } from '../helpers/kernel_case.ts';
import { type SmallPlace, smallNet, smallPlace, smallStep, stateOf } from '../helpers/small_net.ts';

describe('side by side', () => {
  it('devices of several orders, a CPU device and programs of several batches leave the bits of each alone', async () => {
    const options = [...testBackends.map(({ device }) => device), testBackends[1].others[0].device];
    const batches = [4, 7, 2];
    const train = async (place: SmallPlace, wait: () => Promise<void>) => {
      const programs = batches.map((batchSize) =>
        place.device.compile(smallNet(), { batchSize, parameters: place.parameters }),
      );
      const losses: (number | undefined)[] = [];
      for (let step = 0; step < 9; step++) {
        const commands = smallStep(programs[step % programs.length], place.dataset, { step, unrolled: step % 2 === 0 });
        losses.push(...(await place.device.execute(commands)).map(({ loss }) => loss));
        await wait();
      }
      for (const program of programs) program.dispose();
      return { losses, state: await stateOf(place.parameters) };
    };
    const alone = [];
    for (const one of options) {
      using place = await smallPlace(one);
      alone.push(await train(place, async () => {}));
    }
    const places = await Promise.all(options.map((one) => smallPlace(one)));
    const together = await Promise.all(places.map((place) => train(place, () => new Promise(setImmediate))));
    for (const place of places) place[Symbol.dispose]();
    expect(together).toEqual(alone);
    expect(alone[2]).toEqual(alone[1]);
    expect(new Set(alone[0].losses).size).toBeGreaterThan(9);
  });

  it('an object of another device is refused', async () => {
    using own = await smallPlace({ backend: 'simt' });
    using other = await smallPlace({ backend: 'simt', index: 1 });
    const commands = smallStep(other.program, other.dataset, { step: 0 });
    await expect(own.device.execute(commands)).rejects.toThrow('a program of this device');
  });

  it('a device that is disposed in the middle ends its work', async () => {
    const place = await smallPlace({ backend: 'simt' });
    const running = place.device.execute(smallStep(place.program, place.dataset, { step: 0 }));
    place[Symbol.dispose]();
    await expect(running).resolves.toHaveLength(4);
    await expect(async () => place.device.execute([])).rejects.toThrow(BackendError);
  });
});

describe('in worker threads', () => {
  const graph = smallNet();
  const batch = directBatch(prepareGraph(graph, 4));
  const task = (index: number) => ({ graph, batchSize: 4, batch, steps: 4, options: { backend: 'simt', index } });

  function trained(index: number): Promise<unknown> {
    const script = fileURLToPath(new URL('../helpers/training_worker.mjs', import.meta.url));
    const worker = new Worker(script, { workerData: task(index) });
    return new Promise((resolve, reject) => {
      worker.on('message', (message) => message !== 'running' && resolve(message));
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`the worker ended with ${code} and without a result`)));
    });
  }

  it('devices train at the same time, each to the same bits', async () => {
    const [alone] = await Promise.all([trained(0)]);
    const several = await Promise.all([0, 1, 2].map((index) => trained(index)));
    expect((alone as { losses: number[] }).losses).toHaveLength(8);
    for (const one of several) expect(one).toEqual(alone);
  });
});

describe.skipIf(hasGpu)('without a GPU', () => {
  it('cuda is refused with the reason', async () => {
    await expect(openDevice({ backend: 'cuda' })).rejects.toThrow(BackendError);
    await expect(openDevice({ backend: 'cuda' })).rejects.toThrow(/CUDA|NVIDIA/);
  });

  it('auto takes the CPU, never the stand-in', async () => {
    using device = await openDevice();
    expect(device.backend).toBe('cpu');
  });

  it('auto with a GPU of a number is refused as cuda is', async () => {
    await expect(openDevice({ index: 1 })).rejects.toThrow(BackendError);
  });
});

it('names itself', async () => {
  using device = await openDevice({ backend: 'simt', index: 2 });
  expect(device.backend).toBe('simt');
  expect(device.description).toMatch(/^simt \(2: .*\)$/);
});
