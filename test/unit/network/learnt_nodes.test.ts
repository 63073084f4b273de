// Nodes that learn how much each of their edges counts: use_beta of CDARTS' authors (arXiv:2006.10724).
import { describe, expect, it } from 'vitest';
import { openDevice } from '../../../src/backend/open.ts';
import { stepUncut } from '../../../src/methods/cdarts/cut_step.ts';
import { buildCyclicNetworks } from '../../../src/network/cyclic.ts';
import { mixingWeights } from '../../../src/network/mixing.ts';
import { normal, uniform } from '../../../src/random/philox.ts';
import { runReference } from '../../../src/reference/interpreter.ts';
import { readAlpha } from '../../../src/select/alpha.ts';
import { isLayout, layoutOf, mixingOf } from '../../../src/select/layout.ts';
import { selectGenotype } from '../../../src/select/rules.ts';
import { expectClose } from '../../helpers/compare.ts';

const tiny = { inputShape: [12, 12, 3], classes: 3, initChannels: 2, layers: 3, evaluationLayers: 3 } as const;
const { search, layout } = buildCyclicNetworks({ ...tiny, nodes: 'learnt' });
const stream = (part: number) => ({ seed: 4, purpose: 'weights', epoch: 0, step: 0, part }) as const;
const images = Float32Array.from(uniform(stream(1), 4 * 12 * 12 * 3));
const batch = { inputs: { images }, labels: Int32Array.of(0, 1, 2, 0) };

/** Its networks, with other tables than all alike. */
async function opened() {
  const device = await openDevice({ backend: 'cpu', threads: 1 });
  const parameters = await device.createParameters([search.graph, layout], { seed: 3, secondMoments: true });
  for (const [part, name] of ['alphas_normal', 'betas_normal', 'alphas_reduce', 'betas_reduce'].entries()) {
    const { size } = parameters.map.places.get(name)!;
    await parameters.set(name, Float32Array.from(normal(stream(2 + part), size)));
  }
  return { device, parameters };
}

describe('nodes that learn how much their edges count', () => {
  it('have a row of betas each, which begin alike', async () => {
    const tables = layout.parameters.filter(({ role }) => role === 'alpha');
    expect(tables.map(({ name, rowLengths }) => [name, rowLengths?.length])).toEqual([
      ['alphas_normal', 14],
      ['betas_normal', 4],
      ['alphas_reduce', 14],
      ['betas_reduce', 4],
    ]);
    expect(tables[1].rowLengths).toEqual([2, 3, 4, 5]);
    const { device } = await opened();
    using fresh = await device.createParameters(search.graph, { seed: 3 });
    expect(new Set((await fresh.get('betas_reduce')).data)).toEqual(new Set([0]));
    device.dispose();
  });

  it('begin as their means', async () => {
    const mean = buildCyclicNetworks({ ...tiny, nodes: 'mean' });
    using device = await openDevice({ backend: 'cpu', threads: 1 });
    using parameters = await device.createParameters(search.graph, { seed: 3 });
    using others = await device.createParameters(mean.search.graph, { seed: 3 });
    await device.execute([{ kind: 'copy', parameters, target: others, tensors: others.names() }]);
    const losses = [];
    for (const [{ graph }, of] of [[search, parameters] as const, [mean.search, others] as const]) {
      using program = await device.compile(graph, { parameters: of, batchSize: 4 });
      const [{ loss }] = await device.execute([{ kind: 'gradients', program, batch, target: 'both' }]);
      losses.push(loss!);
    }
    expect(losses[0]).toBeCloseTo(losses[1], 5);
  });

  it('have the gradient that small changes of betas tell', async () => {
    const { device, parameters } = await opened();
    using program = await device.compile(search.graph, { parameters, batchSize: 4 });
    const names = search.graph.parameters.map(({ name }) => name);
    const values = new Map<string, Float64Array>();
    for (const name of names) values.set(name, Float64Array.from((await parameters.get(name)).data));
    const given = { batchSize: 4, inputs: { images: Float64Array.from(images) }, labels: batch.labels, training: true };
    const at = (betas: Float64Array) =>
      runReference(search.graph, { ...given, parameters: new Map(values).set('betas_normal', betas) });
    const betas = values.get('betas_normal')!;
    const { gradients } = at(betas);
    const exact = gradients.get('betas_normal')!;
    const radius = 1e-6;
    const moved = (index: number, by: number) => at(betas.with(index, betas[index] + by)).loss!;
    for (const index of [0, 4, 13]) {
      expect(exact[index]).toBeCloseTo((moved(index, radius) - moved(index, -radius)) / (2 * radius), 7);
    }
    await device.execute([{ kind: 'gradients', program, batch, target: 'both' }]);
    const { data } = await parameters.gradient('betas_normal');
    expect(Math.max(...data.map(Math.abs))).toBeGreaterThan(1e-3);
    // Of float32 in a network of three cells.
    expectClose(data, exact, { name: 'gradient of betas', tolerance: 1e-5 });
    device.dispose();
  });

  it('tell decisions, and those that are taken afterwards, what an edge counts', async () => {
    const { device, parameters } = await opened();
    const { alpha, mixing } = await readAlpha(search, parameters);
    const softmaxes = mixingWeights(Float32Array.from(alpha['alphas_normal'].flat()), Array(14).fill(8), 'softmax');
    const shares = alpha['betas_normal'].flatMap(
      (row) => mixingWeights(Float32Array.from(row), [row.length], 'softmax')[0],
    );
    for (const [row, weights] of mixing['alphas_normal'].entries()) {
      for (const [candidate, weight] of weights.entries()) {
        expect(weight).toBeCloseTo(shares[row] * softmaxes[row][candidate], 12);
      }
    }
    const recorded = layoutOf(search);
    expect(isLayout(recorded)).toBe(true);
    expect(mixingOf(recorded, 'softmax', alpha)).toEqual(mixing);
    expect(mixingOf(recorded, 'softmax', { ...alpha, betas_normal: undefined })).toBeUndefined();
    // An edge that counts for nothing is dropped, whatever its candidates.
    const [, , [, ...others]] = alpha['betas_normal'];
    await parameters.set('betas_normal', Float32Array.from(alpha['betas_normal'].with(2, [-50, ...others]).flat()));
    const changed = await readAlpha(search, parameters);
    const { normal: cell } = selectGenotype(search, changed.mixing, { by: 'darts', threshold: 0 });
    expect(cell!.nodes[2].map(({ input }) => input)).not.toContain(0);
    device.dispose();
  });

  it('take no steps of cut choices', async () => {
    const { device, parameters } = await opened();
    const step = {} as never;
    await expect(stepUncut(device, search, parameters, step)).rejects.toThrow(/does not learn how much edges count/);
    device.dispose();
  });
});
