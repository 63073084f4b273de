import type { Device } from '../../src/backend/device.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { deviceTensors, expectedTensors, prepareGraph } from '../helpers/kernel_case.ts';
import { derivedCases, derivedGraphOf, graphOf, networkCases, titleOf } from './networks.ts';
import type { Subject } from './subject.ts';
import { betweenTwo, networkDraws } from './tolerances.ts';

/** A training pass of each supernet and derived network: logits, loss, running statistics, the gradient of every parameter. */
export function networkSubjects(): Subject[] {
  return [
    ...networkCases.map((one) => passOf('supernets', titleOf(one), graphOf(one), one.batchSize)),
    ...derivedCases.map((one) => passOf('derived networks', titleOf(one), derivedGraphOf(one), one.batchSize)),
  ];
}

function passOf(part: Subject['part'], row: string, graph: Graph, batchSize: number): Subject {
  const prepare = (draw: number) => {
    const dropout = { seed: 7, epoch: 0, step: draw };
    const prepared = { ...prepareGraph(graph, batchSize, 'normal', 1000 * draw), dropout };
    return {
      run: (device: Device) => deviceTensors(device, prepared),
      allowed: betweenTwo(expectedTensors(prepared)),
    };
  };
  return { part, row, name: row, draws: networkDraws, prepare };
}
