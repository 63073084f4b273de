import type { Device } from '../../src/backend/device.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { directBatch, expectedTensors, type PreparedCase, prepareGraph, referenceOf } from '../helpers/kernel_case.ts';
import { moved, norm, ofRole, type ParameterVector, readGradients, writePoint } from '../helpers/parameter_space.ts';
import { graphOf, type NetworkCase, networkCases, titleOf } from './networks.ts';
import type { Subject, Tensors, Trial } from './subject.ts';
import { type Allowed, betweenTwo, networkDraws } from './tolerances.ts';

/** A large step, so that the second-order part is not small beside the first. */
const ahead = { learningRate: 0.2, momentum: 0.9, weightDecay: 3e-3 };
const radius = 0.01;

/** The hypergradient of each supernet and the loss at the unrolled weights; the weights must come back with their bits. */
export function hypergradientSubjects(): Subject[] {
  return networkCases.map((networkCase): Subject => {
    const row = titleOf(networkCase);
    const prepare = (draw: number) => prepareHypergradient(networkCase, draw);
    return { part: 'hypergradient', row, name: `hypergradient of ${row}`, draws: networkDraws, prepare };
  });
}

function prepareHypergradient(networkCase: NetworkCase, draw: number): Trial {
  const graph = graphOf(networkCase);
  const { batchSize } = networkCase;
  const train = prepareGraph(graph, batchSize, 'normal', 1000 * draw);
  const other = prepareGraph(graph, batchSize, 'normal', 1000 * draw + 500);
  const validation = { ...other, parameters: train.parameters };
  return { run: (device) => hypergradientOn(device, train, validation), allowed: allowedOf(graph, train, validation) };
}

async function hypergradientOn(device: Device, train: PreparedCase, validation: PreparedCase): Promise<Tensors> {
  const { graph, batchSize } = train;
  using parameters = await device.createParameters(graph, { seed: 0 });
  await writePoint(parameters, train.parameters);
  using program = device.compile(graph, { batchSize, parameters });
  const batches = { train: directBatch(train), validation: directBatch(validation) };
  const { loss } = await program.hypergradient({ ...batches, ...ahead, radius });
  const tensors = new Map<string, Float32Array>([['loss', Float32Array.of(loss ?? Number.NaN)]]);
  for (const [name, gradient] of await readGradients(parameters, 'alpha')) tensors.set(`gradient of ${name}`, gradient);
  for (const name of parameters.names('weight')) tensors.set(name, (await parameters.get(name)).data);
  return tensors;
}

/** By the float64 reference at w', w + εv and w - εv. Momentum is zero. */
function allowedOf(graph: Graph, train: PreparedCase, validation: PreparedCase): Map<string, Allowed> {
  const start = train.parameters;
  const gradient = ofRole(graph, referenceOf(train).gradients, 'weight');
  const decayed = moved(gradient, ofRole(graph, start, 'weight'), ahead.weightDecay);
  const atStep: PreparedCase = { ...validation, parameters: moved(start, decayed, -ahead.learningRate) };
  const v = ofRole(graph, referenceOf(atStep).gradients, 'weight');
  const epsilon = radius / norm(v);
  const factor = ahead.learningRate / (2 * epsilon);
  const at = (point: ParameterVector) => betweenTwo(expectedTensors({ ...train, parameters: point }));
  const [direct, plus, minus] = [
    betweenTwo(expectedTensors(atStep)),
    at(moved(start, v, epsilon)),
    at(moved(start, v, -epsilon)),
  ];

  const allowed = new Map([['loss', direct.get('loss')!]]);
  for (const { name, role, shape } of graph.parameters) {
    const of = (tensors: ReadonlyMap<string, Allowed>) => absolute(tensors.get(`gradient of ${name}`));
    if (role === 'weight') allowed.set(name, { shape, direction: 'forward', error: { absolute: 0 } });
    if (role !== 'alpha') continue;
    const error = of(direct) + factor * (of(plus) + of(minus));
    allowed.set(`gradient of ${name}`, { shape, direction: 'backward', error: { absolute: error } });
  }
  return allowed;
}

function absolute(allowed: Allowed | undefined): number {
  if (allowed === undefined || !('absolute' in allowed.error)) throw new Error('expected an absolute tolerance');
  return allowed.error.absolute;
}
