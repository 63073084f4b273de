// Cells that do not share alpha, on every backend: each mixes by a table of its own, and gives that its gradient.
import { describe, expect, it } from 'vitest';
import type { Device } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { cellKey } from '../../src/genotype/genotype.ts';
import { buildSupernet, type Supernet } from '../../src/network/supernet.ts';
import { cellTypesOf } from '../../src/skeleton/cell_stack.ts';
import { type SearchSpace, spaces } from '../../src/space/space.ts';
import { allBackends } from '../helpers/backends.ts';
import { gaussian } from '../helpers/kernel_case.ts';

const drawn = (step: number, count: number) => Float32Array.from(gaussian(count, step));

const layers = 4;
const sizes = { inputShape: [8, 8, 3] as const, classes: 3, initChannels: 2, layers };
const space: SearchSpace = { ...spaces.stacnas, nodes: 1 };
const shared = buildSupernet({ ...sizes, space });
const own = buildSupernet({ ...sizes, space: { ...space, sharedAlpha: false } });
const batch = { inputs: { images: drawn(0, 4 * 192) }, labels: Int32Array.of(0, 1, 2, 1) };

/** Loss and the gradient of alpha by table, at alphas by table. */
async function pass(device: Device, { graph, tables }: Supernet, alpha: Readonly<Record<string, Float32Array>>) {
  using parameters = await device.createParameters(graph, { seed: 3 });
  using others = await device.createParameters(own.graph, { seed: 3 });
  // Those of a network follow from the order of all of its parameters.
  for (const name of parameters.names('weight')) await parameters.set(name, (await others.get(name)).data);
  for (const [key, { name }] of Object.entries(tables)) await parameters.set(name, alpha[key]);
  using program = device.compile(graph, { batchSize: 4, parameters });
  const { loss } = await program.gradients({ batch, target: 'both' });
  const entries = Object.entries(tables).map(async ([key, { name }]) => {
    return [key, (await parameters.gradient(name)).data] as const;
  });
  return { loss: loss!, gradients: Object.fromEntries(await Promise.all(entries)) };
}

describe.each(allBackends)('cells with alpha of their own on $name', ({ device: options }) => {
  it('compute what cells that share it do where it is the same, and share the gradient out', async () => {
    using device = await openDevice(options);
    const alpha = { normal: drawn(1, 10), reduce: drawn(2, 10) };
    const types = cellTypesOf(layers);
    const copies = Object.fromEntries(types.map((type, index) => [cellKey(index), alpha[type]]));
    const [together, apart] = [await pass(device, shared, alpha), await pass(device, own, copies)];
    expect(apart.loss).toBeCloseTo(together.loss, 5);
    for (const type of ['normal', 'reduce'] as const) {
      const sum = new Float32Array(10);
      for (const [index, found] of types.entries()) {
        if (found === type) for (const [i, value] of apart.gradients[cellKey(index)].entries()) sum[i] += value;
      }
      for (const [i, value] of sum.entries()) expect(value).toBeCloseTo(together.gradients[type][i], 5);
    }
  });

  it('mix by their own table alone', async () => {
    using device = await openDevice(options);
    const tables = Object.fromEntries(Object.keys(own.tables).map((key, index) => [key, drawn(index, 10)]));
    const base = await pass(device, own, tables);
    for (const key of Object.keys(tables)) {
      const moved = await pass(device, own, { ...tables, [key]: tables[key].map((value) => -value) });
      expect(Math.abs(moved.loss - base.loss), key).toBeGreaterThan(1e-5);
    }
  });
});
