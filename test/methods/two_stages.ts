// A method in two stages, each of the epochs of its settings: the second begins with parameters of its own.
import { defineMethod } from '../../src/methods/method.ts';
import { describeStages } from '../../src/methods/staged_run.ts';
import { randomSearch } from './random_search.ts';

/** Random search, twice. */
export const twoStages = defineMethod({
  ...randomSearch,
  name: 'two-stages',
  title: 'two stages',
  describe: (context) => {
    const part = (name: string) => ({
      name,
      describe: async (outcomes: readonly unknown[]) => {
        const description = await randomSearch.describe(context);
        return {
          ...description,
          open: async (device: Parameters<typeof description.open>[0]) =>
            Object.assign(await description.open(device), { outcome: async () => outcomes.length }),
        };
      },
    });
    return describeStages([part('first'), part('second')]);
  },
});
