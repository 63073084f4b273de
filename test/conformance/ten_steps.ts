import { type Order, openSearch, orders } from '../../bench/gpu/search_steps.ts';
import type { Device } from '../../src/backend/device.ts';
import type { Arena } from '../../src/backend/parameter_map.ts';
import { allowedError, errorGrowth } from '../../src/reference/tolerance.ts';
import { prepareGraph, referenceOf } from '../helpers/kernel_case.ts';
import { graphOf, searchedCase, titleOf } from './networks.ts';
import type { Subject, Tensors } from './subject.ts';
import { type Allowed, networkDraws, sides } from './tolerances.ts';

const steps = 10;
const arenas: readonly Arena[] = ['weights', 'momentum', 'alpha', 'alphaMean', 'buffers'];

/** Ten steps of a search of both orders: the losses on the way, and where weights, optimisers and alpha have got to. */
export function tenStepSubjects(): Subject[] {
  const { space, batchSize, image, channels, layers } = searchedCase;
  const size = { batch: batchSize, image, channels, layers, space: space === 'darts' ? undefined : space };
  return orders.map((order): Subject => {
    const prepare = (draw: number) => {
      const graph = graphOf(searchedCase);
      const growth = errorGrowth(graph, batchSize, referenceOf(prepareGraph(graph, batchSize)));
      const relative = steps * sides * allowedError(1, growth.backward, growth.cancellation);
      const allowed = (direction: Allowed['direction']): Allowed => ({ shape: [], direction, error: { relative } });
      return {
        run: (device: Device) => searchOn(device, size, order, draw),
        allowed: new Map([
          ['losses', allowed('forward')],
          ...arenas.map((arena) => [arena, allowed('backward')] as const),
        ]),
      };
    };
    const row = `${titleOf(searchedCase)}, ${order}`;
    return { part: 'ten steps', row, name: `ten steps of ${row}`, draws: networkDraws, prepare };
  });
}

async function searchOn(
  device: Device,
  size: Parameters<typeof openSearch>[1],
  order: Order,
  draw: number,
): Promise<Tensors> {
  using search = await openSearch(device, size);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) losses.push(await search.step(order, steps * draw + step));
  const tensors = new Map<string, Float32Array>([['losses', Float32Array.from(losses)]]);
  for (const arena of arenas) tensors.set(arena, await search.parameters.store.read(arena));
  return tensors;
}
