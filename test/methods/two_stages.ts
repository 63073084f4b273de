// A method in two stages, each of the epochs of its settings: the second begins with parameters of its own.
import type { Device } from '../../src/backend/device.ts';
import { defineMethod, type MethodDescription, type MethodRun } from '../../src/methods/method.ts';
import { randomSearch } from './random_search.ts';

const names = ['first', 'second'];

/** Random search, twice. */
export const twoStages = defineMethod({
  ...randomSearch,
  name: 'two-stages',
  title: 'two stages',
  describe: async (context) => {
    const description = await randomSearch.describe(context);
    return { ...description, open: (device) => openTwoStages(device, description) };
  },
});

async function openTwoStages(device: Device, description: MethodDescription): Promise<MethodRun> {
  const runs = [await description.open(device)];
  const current = () => runs[runs.length - 1];
  const begin = async (index: number) => {
    if (index < runs.length) return;
    const next = await description.open(device);
    Object.assign(next.state.values, current().state.values);
    runs.push(next);
  };
  return {
    state: {
      get parameters() {
        return current().state.parameters;
      },
      get values() {
        return current().state.values;
      },
    },
    stage: async (index) => {
      if (index >= names.length) return undefined;
      await begin(index);
      const only = await runs[index].stage(0);
      return only && { ...only, name: names[index] };
    },
    step: (at) => current().step(at),
    endEpoch: (at, signal) => current().endEpoch(at, signal),
    result: () => current().result(),
    architecture: () => current().architecture!(),
    [Symbol.dispose]: () => {
      for (const run of runs) run[Symbol.dispose]();
    },
  };
}
