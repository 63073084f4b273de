// A method in two stages, each of the epochs of its settings: what comes after the first begins where that one ended.
import { defineMethod, type MethodRun } from '../../src/methods/method.ts';
import { randomSearch } from './random_search.ts';

const names = ['first', 'second'];

/** Random search, twice. */
export const twoStages = defineMethod({
  ...randomSearch,
  name: 'two-stages',
  title: 'two stages',
  describe: async (context) => {
    const description = await randomSearch.describe(context);
    return { ...description, open: async (device) => inTwoStages(await description.open(device)) };
  },
});

function inTwoStages(run: MethodRun): MethodRun {
  return {
    state: run.state,
    stage: async (index) => {
      const only = await run.stage(0);
      return only && index < names.length ? { ...only, name: names[index] } : undefined;
    },
    step: (at) => run.step(at),
    endEpoch: (at, signal) => run.endEpoch(at, signal),
    result: () => run.result(),
    [Symbol.dispose]: () => run[Symbol.dispose](),
  };
}
