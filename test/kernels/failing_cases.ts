import { afterEach, describe, expect, it } from 'vitest';
import type { DeviceDataset, Program } from '../../src/backend/device.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { BackendError } from '../../src/errors.ts';
import { type FailingDevice, openFailing } from '../helpers/failing.ts';
import { setState, smallBatch, smallDataset, smallNet, smallStep, stateOf } from '../helpers/small_net.ts';

type Backend = 'cpu' | 'simt';

/** More calls than any of the work below makes. */
const forever = 1e9;

interface Place extends FailingDevice {
  readonly program: Program;
  readonly dataset: DeviceDataset;
  readonly parameters: Parameters;
}

const opened: FailingDevice[] = [];
afterEach(() => {
  for (const { device } of opened.splice(0)) device.dispose();
});

async function openPlace(backend: Backend): Promise<Place> {
  const failing = openFailing(backend);
  opened.push(failing);
  return { ...failing, ...(await fill(failing)) };
}

/** All that a search makes on a device. */
async function fill({ device }: FailingDevice): Promise<Omit<Place, keyof FailingDevice>> {
  const graph = smallNet();
  const parameters = await device.createParameters(graph, { seed: 2 });
  const program = device.compile(graph, { batchSize: 4, parameters });
  return { parameters, program, dataset: await smallDataset(device) };
}

const images = new Float32Array(4 * 48).map((_, i) => Math.sin(i));
const direct = { inputs: { images }, labels: Int32Array.of(0, 1, 2, 0) };

/** Images given directly, so that no backend records it: each is queued call by call. */
function hypergradient({ device, program }: Place): Promise<unknown> {
  const decay = { learningRate: 0.1, momentum: 0.9, weightDecay: 1e-3 };
  return device.execute([{ kind: 'hypergradient', program, train: direct, validation: direct, ...decay }]);
}

/** Calls into the backend that some work makes. */
async function callsOf({ failAt }: FailingDevice, work: () => Promise<unknown>): Promise<number> {
  failAt(0);
  await work();
  return failAt(0);
}

/** A step of each order three times, so that a backend that records them replays them; what is read; images given directly. */
async function work({ device, program, dataset }: Place): Promise<unknown> {
  for (let i = 0; i < 3; i++) {
    for (const unrolled of [false, true]) await device.execute(smallStep(program, dataset, { step: 0, unrolled }));
  }
  const { outputs } = await program.evaluate({ batch: smallBatch(dataset, 4, 0), statistics: 'running', read: [2] });
  const { inputGradients } = await program.vjp({ batch: direct, outputGradient: new Float32Array() });
  return [outputs, inputGradients];
}

/** Each call into a backend fails once, at every place; `tries` of those of a search. */
export function describeFailing(backend: Backend, tries: number): void {
  describe(`a backend that fails: ${backend}`, () => {
    it('at any call of a hypergradient leaves the weights as they were, and later ones are right', async () => {
      const place = await openPlace(backend);
      const { parameters, failAt } = place;
      const before = await stateOf(parameters);
      await hypergradient(place);
      const expected = await stateOf(parameters);
      await setState(parameters, before);
      const calls = await callsOf(place, () => hypergradient(place));
      expect(calls).toBeGreaterThan(50);
      for (let call = 1; call <= calls; call++) {
        await setState(parameters, before);
        failAt(call);
        await expect(hypergradient(place), `call ${call}`).rejects.toThrow(/planted/);
        failAt(0);
        const after = await stateOf(parameters);
        for (const arena of ['weights', 'momentum', 'alpha'] as const)
          expect(after.get(arena)).toEqual(before.get(arena));
        await setState(parameters, before);
        await hypergradient(place);
        expect(await stateOf(parameters)).toEqual(expected);
      }
    });

    it('at any call of a search rejects it, and the same work is right after', async () => {
      const place = await openPlace(backend);
      const before = await stateOf(place.parameters);
      let outcome: unknown;
      const calls = await callsOf(place, async () => {
        outcome = await work(place);
      });
      const expected = await stateOf(place.parameters);
      // Spread over all of them.
      for (let i = 0; i < tries; i++) {
        const fresh = await openPlace(backend);
        const call = 1 + Math.floor((i * calls) / tries);
        fresh.failAt(call);
        await expect(work(fresh), `call ${call}`).rejects.toThrow(BackendError);
        fresh.failAt(0);
        await setState(fresh.parameters, before);
        expect(await work(fresh)).toEqual(outcome);
        expect(await stateOf(fresh.parameters)).toEqual(expected);
        fresh.device.dispose();
      }
    });

    it('at any call while parameters, programs and datasets are made refuses them, and later ones are sound', async () => {
      const failing = openFailing(backend);
      opened.push(failing);
      const calls = await callsOf(failing, () => fill(failing));
      expect(calls).toBeGreaterThan(20);
      for (let call = 1; call <= calls; call++) {
        failing.failAt(call);
        await expect(fill(failing), `call ${call}`).rejects.toThrow(/planted/);
      }
      failing.failAt(0);
      await work({ ...failing, ...(await fill(failing)) });
    });

    it('for good loses weights that were moved, and says so until they are written anew', async () => {
      const place = await openPlace(backend);
      const { parameters, failAt } = place;
      const before = await stateOf(parameters);
      await hypergradient(place); // makes its memory, which stays
      const calls = await callsOf(place, () => hypergradient(place));
      let lost = 0;
      for (let call = 1; call <= calls; call += 3) {
        await setState(parameters, before);
        failAt(call, forever);
        await expect(hypergradient(place), `call ${call}`).rejects.toThrow(/planted/);
        failAt(0);
        const trouble = await hypergradient(place).then(
          () => '',
          ({ message }: Error) => message,
        );
        if (trouble !== '') {
          expect(trouble).toContain('the weights were lost when the device failed: load or write them anew');
          lost++;
        } else {
          expect((await stateOf(parameters)).get('weights')).toEqual(before.get('weights'));
        }
      }
      expect(lost).toBeGreaterThan(20);
      await setState(parameters, before);
      await hypergradient(place);
    });
  });
}
