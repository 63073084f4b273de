import type { Device } from '../../src/backend/device.ts';
import { deviceTensors, expectedTensors, prepareGraph } from '../helpers/kernel_case.ts';
import { graphOf, networkCases, titleOf } from './networks.ts';
import type { Subject } from './subject.ts';
import { betweenTwo, networkDraws } from './tolerances.ts';

/** A training pass of each supernet: logits, loss, running statistics, the gradient of every parameter. */
export function supernetSubjects(): Subject[] {
  return networkCases.map((networkCase): Subject => {
    const graph = graphOf(networkCase);
    const prepare = (draw: number) => {
      const prepared = prepareGraph(graph, networkCase.batchSize, 'normal', 1000 * draw);
      return {
        run: (device: Device) => deviceTensors(device, prepared),
        allowed: betweenTwo(expectedTensors(prepared)),
      };
    };
    const row = titleOf(networkCase);
    return { part: 'supernets', row, name: row, draws: networkDraws, prepare };
  });
}
