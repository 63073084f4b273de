// Decisions of CDARTS that are drawn.
import { expect, it, vi } from 'vitest';
import { drawnDecision } from '../../../src/methods/cdarts/drawn_decision.ts';
import { cdartsPresets } from '../../../src/methods/cdarts/settings.ts';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';
import { startMethod } from '../../../src/run/start.ts';
import { mixingOfRows } from '../../../src/select/alpha.ts';
import { createFakeDevice } from '../../helpers/fake_device.ts';
import { tinyDataset } from '../../helpers/tiny_search.ts';

vi.mock('../../../src/report/draw.ts', () => ({ drawGenotype: async () => '' }));

const tiny = { inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 } as const;
const { search, choices } = buildCyclicNetworks(tiny);
const zeros = () => Array.from({ length: 14 }, () => new Array<number>(8).fill(0));
const mixing = (normal = zeros()) => mixingOfRows(search, { alphas_normal: normal, alphas_reduce: zeros() });
const draws = Array.from({ length: 2000 }, (_, epoch) => drawnDecision(search, mixing(), { seed: 5, epoch }));

it('are decisions: two edges a node, each with a candidate that there is', () => {
  for (const decision of draws.slice(0, 50)) {
    // Refuses an edge that comes twice, and none.
    expect(choices(decision)).toHaveLength(16);
    for (const { nodes } of [decision.normal!, decision.reduce!]) {
      expect(nodes.map((edges) => new Set(edges.map(({ input }) => input)).size)).toEqual([2, 2, 2, 2]);
    }
  }
  expect(new Set(draws.map((decision) => JSON.stringify(decision))).size).toBe(draws.length);
  expect(drawnDecision(search, mixing(), { seed: 5, epoch: 7 })).toEqual(draws[7]);
});

it('come as often as mixing weights say', () => {
  // Alike: of the third node's four edges each is among both in half of all draws, each candidate alike.
  const share = (wanted: (entry: { operation: string; input: number }) => boolean) =>
    draws.filter(({ normal }) => normal!.nodes[2].some(wanted)).length / draws.length;
  for (const input of [0, 1, 2, 3]) expect(share((entry) => entry.input === input)).toBeCloseTo(0.5, 1);
  const first = draws.map(({ normal }) => normal!.nodes[2][0]);
  const third = first.filter(({ operation }) => operation === 'sep_conv_3x3').length / draws.length;
  // Of 2000 draws of 1/7, four standard deviations.
  expect(Math.abs(third - 1 / 7)).toBeLessThan(0.032);

  // Three times as heavy as each of the 13 others of the first node, none aside: 3/16 of first draws.
  const heavy = zeros();
  heavy[0][3] = Math.log(3);
  // A softmax of its own: its other candidates are lighter than those of the second edge.
  const weights = mixing(heavy)['alphas_normal'];
  const total = [...weights[0].slice(0, 7), ...weights[1].slice(0, 7)].reduce((sum, weight) => sum + weight, 0);
  const expected = weights[0][3] / total;
  const often = draws.filter((_, epoch) => {
    const [entry] = drawnDecision(search, mixing(heavy), { seed: 6, epoch }).normal!.nodes[0];
    return entry.input === 0 && entry.operation === 'sep_conv_3x3';
  });
  expect(Math.abs(often.length / draws.length - expected)).toBeLessThan(4 * Math.sqrt(expected / draws.length));
});

it('never take what weighs nothing', () => {
  const only = zeros().map((row) => row.map((_, index) => (index === 4 ? 0 : -200)));
  const { normal } = drawnDecision(search, mixing(only), { seed: 5, epoch: 1 });
  expect(normal!.nodes.flat().every(({ operation }) => operation === 'sep_conv_5x5')).toBe(true);
});

it('are refused of cells whose nodes keep all edges', async () => {
  const settings = {
    ...cdartsPresets['cdarts-nasbench201'].settings,
    gumbelSample: true,
    layers: 3,
    evaluationLayers: 3,
  };
  const run = startMethod('search', {
    ...{ method: 'cdarts', space: 'nasbench201', settings, dataset: tinyDataset(1, 16), device: createFakeDevice() },
  });
  await expect(run.result).rejects.toThrow(/gumbelSample draws two edges a node.*--no-gumbel-sample/);
});
