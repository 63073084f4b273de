// A method of one's own: random search (Li and Talwalkar, arXiv:1902.07638). The supernet's weights are trained, alpha stays as it is,
// and the genotype is drawn. Everything else, from the command line to the journal, follows from this description.
import type { Genotype, GenotypeCell } from '../../src/genotype/genotype.ts';
import { alternatingMeasures, alternatingSearch } from '../../src/methods/alternating_search.ts';
import { defineMethod } from '../../src/methods/method.ts';
import { cutoutRules, searchRules } from '../../src/methods/shared_rules.ts';
import type { AlphaTable, Supernet } from '../../src/network/supernet.ts';
import { randomBlock } from '../../src/random/philox.ts';
import { integer, presetsOf, type SettingTable } from '../../src/setting_rules.ts';

const settings = {
  ...searchRules({ batchSize: 64, learningRate: 0.025 }),
  ...cutoutRules(false),
  draw: integer(0, 0, 1e6, 'which of the genotypes of a seed'),
} satisfies SettingTable;

/** Draws a genotype. */
export const randomSearch = defineMethod({
  name: 'random',
  command: 'search',
  title: 'random search',
  paper: 'arXiv:1902.07638',
  description: 'Draws an architecture at random and trains its supernet beside it.',
  examples: ['--draw 3'],
  data: 'images',
  settings,
  presets: presetsOf(settings, {
    quick: { settings: { batchSize: 32, epochs: 2, initChannels: 4, layers: 3 }, limit: 500 },
  }),
  spaces: ['darts'],
  measures: alternatingMeasures,
  describe: (context) =>
    alternatingSearch(
      { ...context, settings: { ...context.settings, precision: 'fp32' } },
      { alpha: () => [], select: (supernet) => drawn(supernet, context.seed, context.settings.draw) },
    ),
});

function drawn({ tables, space }: Supernet, seed: number, draw: number): Genotype {
  let place = 0;
  const below = (count: number) => randomBlock({ seed, purpose: 'split', epoch: draw, step: 1 }, place++)[0] % count;
  const cell = ({ edges }: AlphaTable): GenotypeCell => {
    const nodes = Array.from({ length: space.nodes }, (_, node) => {
      const entering = edges.filter((edge) => edge.node === node);
      const first = below(entering.length);
      const second = (first + 1 + below(entering.length - 1)) % entering.length;
      return [first, second].map((index) => {
        const candidates = entering[index].candidates.filter(({ name }) => name !== 'none');
        return { operation: candidates[below(candidates.length)].name, input: entering[index].input };
      });
    });
    return { nodes, concat: nodes.map((_, node) => node + 2) };
  };
  return { normal: cell(tables.normal), reduce: cell(tables.reduce) };
}
