// A search that goes on with another backend: it leads where the search of one backend gets, and the run tells of the switch.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BackendName } from '../../src/backend/device.ts';
import { AbortedError } from '../../src/errors.ts';
import type { StartEvent } from '../../src/run/events.ts';
import type { SearchOptions } from '../../src/search.ts';
import { search } from '../../src/search.ts';
import type { SearchSpace } from '../../src/space/space.ts';
import { scratch } from '../helpers/scratch.ts';
import { tinyDataset } from '../helpers/tiny_search.ts';

const space: SearchSpace = {
  name: 'small',
  nodes: 2,
  candidates: ['none', 'max_pool_3x3', 'skip_connect', 'sep_conv_3x3'],
};
// A high rate for alpha, so that the candidates of the genotype stand apart.
const settings = { batchSize: 8, epochs: 2, initChannels: 2, layers: 3, archLearningRate: 0.05 };
// Float32 sums in another order: 1e-6 of a loss of order 1 in a step, grown by the steps before it.
const lossTolerance = 1e-4;

interface Leg {
  readonly start: StartEvent;
  readonly losses: readonly number[];
}

/** Follows a search for so many steps, or to its end. */
async function follow(options: SearchOptions, stopAfter = Number.POSITIVE_INFINITY): Promise<Leg> {
  const controller = new AbortController();
  const run = search({ ...options, dataset: tinyDataset(), space, signal: controller.signal });
  const losses: number[] = [];
  let start: StartEvent | undefined;
  try {
    for await (const event of run) {
      if (event.type === 'start') start = event;
      if (event.type !== 'step') continue;
      losses.push(event.loss);
      if (losses.length === stopAfter) controller.abort();
    }
  } catch (error) {
    if (!(error instanceof AbortedError)) throw error;
  }
  return { start: start!, losses };
}

it('from backend to backend', { timeout: 120_000 }, async () => {
  const folder = scratch();
  const whole = join(folder, 'whole');
  const { losses: expected } = await follow({ settings, out: whole, backend: 'cpu' });
  const out = join(folder, 'switched');
  const legs = [await follow({ settings, out, backend: 'cpu' }, 1)];
  for (const backend of ['tfjs', 'simt'] satisfies BackendName[]) legs.push(await follow({ resume: out, backend }, 1));
  legs.push(await follow({ resume: out, backend: 'cpu' }));

  const devices = legs.map(({ start }) => start.device);
  expect(devices.map((device) => device.split(' ')[0])).toEqual(['cpu', 'tfjs', 'simt', 'cpu']);
  expect(legs.map(({ start }) => start.previousDevice)).toEqual([undefined, ...devices.slice(0, -1)]);
  const losses = legs.flatMap((leg) => leg.losses);
  // An abort comes between two steps, so that a step may follow the one that it was meant for.
  expect(losses.length).toBe(expected.length);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss - expected[i]), `loss ${i}: ${loss}, on one backend ${expected[i]}`).toBeLessThan(
      lossTolerance,
    );
  });
  const read = (run: string, file: string) => readFileSync(join(run, file), 'utf8');
  expect(read(out, 'genotype.json')).toBe(read(whole, 'genotype.json'));
  const { devices: recorded } = JSON.parse(read(out, 'config.json'));
  expect(recorded.map(({ device }: { device: string }) => device)).toEqual(devices);
  expect(recorded.map(({ epoch, step }: { epoch: number; step: number }) => 3 * epoch + step)).toEqual(
    legs.map((_, i) => legs.slice(0, i).reduce((sum, leg) => sum + leg.losses.length, 0)),
  );
});
