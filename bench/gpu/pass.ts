// One pass of a network on a device, in a form that can be compared.
import type { CompileOptions, Device, DirectBatch, Program } from '../../src/backend/device.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { drawBatch } from '../../src/kernels/draw.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import type { NetworkSize } from './sizes.ts';

/** What a pass left, by what it is: `loss`, `weight gradients` and so on; parameters one after another. */
export type PassTensors = Readonly<Record<string, Float32Array>>;

/** How a network is compiled. */
export type PassOptions = Pick<CompileOptions, 'fusion' | 'precision'>;

/** The step that hypergradients look ahead: so large that the second-order part is not small beside the first. */
const ahead = { learningRate: 0.2, momentum: 0.9, weightDecay: 3e-3 };

/** The search network of a size, with ten classes. */
export function supernetOf({ image, channels, layers, space }: NetworkSize): Graph {
  return buildSupernet({ inputShape: image, classes: 10, initChannels: channels, layers, space }).graph;
}

/** A batch of standard normal images with labels. */
export function batchOf(graph: Graph, batchSize: number, seed: number): DirectBatch {
  const { inputs, labels } = drawBatch(graph, batchSize, seed);
  return { inputs, labels };
}

/** Loss, all gradients and running statistics of a training pass, from parameters that are the same on every device. */
export async function gradientsOf(
  device: Device,
  graph: Graph,
  batchSize: number,
  options: PassOptions = {},
): Promise<PassTensors> {
  using network = await openNetwork(device, graph, batchSize, options);
  const { program, parameters } = network;
  const { loss } = await program.gradients({ batch: batchOf(graph, batchSize, 1), target: 'both' });
  return {
    loss: lossOf(loss),
    'weight gradients': await parameters.store.read('weightGradients'),
    'alpha gradients': await parameters.store.read('alphaGradients'),
    'running statistics': await parameters.store.read('buffers'),
  };
}

/** The validation loss at the unrolled weights, the hypergradient, and the weights, which have to be left as they are. */
export async function hypergradientOf(
  device: Device,
  graph: Graph,
  batchSize: number,
  options: PassOptions = {},
): Promise<PassTensors> {
  using network = await openNetwork(device, graph, batchSize, options);
  const { program, parameters } = network;
  const [train, validation] = [batchOf(graph, batchSize, 1), batchOf(graph, batchSize, 2)];
  const { loss } = await program.hypergradient({ train, validation, ...ahead });
  const { store } = parameters;
  return {
    loss: lossOf(loss),
    hypergradient: await store.read('alphaGradients'),
    weights: await store.read('weights'),
  };
}

interface OpenNetwork extends Disposable {
  readonly program: Program;
  readonly parameters: Parameters;
}

async function openNetwork(
  device: Device,
  graph: Graph,
  batchSize: number,
  options: PassOptions,
): Promise<OpenNetwork> {
  const parameters = await device.createParameters(graph, { seed: 3 });
  const program = device.compile(graph, { batchSize, parameters, ...options });
  const dispose = () => {
    program.dispose();
    parameters.dispose();
  };
  return { program, parameters, [Symbol.dispose]: dispose };
}

function lossOf(loss: number | undefined): Float32Array {
  return Float32Array.of(loss ?? Number.NaN);
}
