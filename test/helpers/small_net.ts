// A supernet of few kernels, and what trains it on a device: for tests that run many steps on the stand-in for CUDA.
import type {
  Command,
  Device,
  DeviceDataset,
  GatheredBatch,
  GradientTarget,
  Program,
} from '../../src/backend/device.ts';
import { type OpenDeviceOptions, openDevice } from '../../src/backend/open.ts';
import { type Arena, arenas } from '../../src/backend/parameter_map.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import { GraphBuilder } from '../../src/graph/builder.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { randomBlock } from '../../src/random/philox.ts';
import { depthwiseSeparable, identity, pooling } from './candidates.ts';

type ImageShape = readonly [number, number, number];
const netShape: ImageShape = [4, 4, 3];
const count = 12;

/** Images `[4, 4, 3]`, stem, one mixed edge of three candidates, three classes. */
export function smallNet(): Graph {
  const builder = new GraphBuilder();
  const alpha = builder.alpha('alphas', [3]);
  const stem = builder.conv2d('stem', builder.input('images', netShape), { channels: 4, kernel: 3, padding: 1 });
  const norm = builder.batchNorm('norm', stem, { affine: true });
  const edge = builder.mixed(norm, [identity, pooling('maxPool'), depthwiseSeparable(3)], { alpha, row: 0 });
  return builder.finish(builder.softmaxCrossEntropy(builder.linear('classifier', builder.globalAvgPool(edge), 3)));
}

/** Random images with labels, of {@link smallNet} or another shape. */
export function smallDataset(device: Device, seed = 1, shape: ImageShape = netShape): Promise<DeviceDataset> {
  const stream = { seed, purpose: 'split', epoch: 0, step: 0 } as const;
  const length = count * shape[0] * shape[1] * shape[2];
  const images = Uint8Array.from({ length }, (_, i) => randomBlock(stream, i)[0] & 255);
  return device.createDataset({ images, labels: Int32Array.from({ length: count }, (_, i) => (i + seed) % 3), shape });
}

/** A batch that differs with `step` in its images and in how they are augmented. */
export function smallBatch(dataset: DeviceDataset, batchSize: number, step: number): GatheredBatch {
  const normalisation = { mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.25] };
  return {
    dataset,
    indices: Uint32Array.from({ length: batchSize }, (_, i) => (i * 5 + 7 * step) % count),
    augmentation: {
      ...normalisation,
      ...{ pad: 1, flip: true, cutout: 1 },
      stream: { seed: 3, purpose: 'trainAugmentation', epoch: 0, step },
    },
  };
}

/** A device with the net on it; all of it freed with it. */
export interface SmallPlace extends Disposable {
  readonly device: Device;
  readonly parameters: Parameters;
  readonly program: Program;
  readonly dataset: DeviceDataset;
}

/** Opens one. */
export async function smallPlace(options: OpenDeviceOptions, batchSize = 4, seed = 2): Promise<SmallPlace> {
  const device = await openDevice(options);
  const graph = smallNet();
  const parameters = await device.createParameters(graph, { seed });
  const program = device.compile(graph, { batchSize, parameters });
  const dataset = await smallDataset(device);
  const dispose = () => {
    for (const each of [program, parameters, dataset, device]) each.dispose();
  };
  return { device, parameters, program, dataset, [Symbol.dispose]: dispose };
}

/** What decides one training step, beside the state. */
export interface StepChoice {
  /** Of the batches. */
  readonly step: number;
  readonly target?: GradientTarget;
  readonly unrolled?: boolean;
  readonly learningRate?: number;
  readonly adamStep?: number;
}

/** Alpha by its gradient or the hypergradient, then the weights; as a search does it. */
export function smallStep(program: Program, dataset: DeviceDataset, choice: StepChoice): Command[] {
  const { step, target = 'weights', unrolled = false, learningRate = 0.1, adamStep = 1 } = choice;
  const { parameters, batchSize } = program;
  const train = smallBatch(dataset, batchSize, step);
  const validation = smallBatch(dataset, batchSize, step + 100);
  const decay = { momentum: 0.9, weightDecay: 1e-3 };
  return [
    unrolled
      ? { kind: 'hypergradient', program, train, validation, learningRate, ...decay }
      : { kind: 'gradients', program, batch: validation, target: 'alpha' },
    {
      kind: 'adam',
      parameters,
      learningRate: 0.02,
      betas: [0.5, 0.999],
      epsilon: 1e-8,
      weightDecay: 0,
      step: adamStep,
    },
    { kind: 'gradients', program, batch: train, target },
    { kind: 'sgd', parameters, learningRate, ...decay, maxNorm: 5 },
  ];
}

/** Every arena of some parameters. */
export async function stateOf(parameters: Parameters): Promise<Map<Arena, Float32Array>> {
  const state = new Map<Arena, Float32Array>();
  for (const arena of arenas) state.set(arena, await parameters.store.read(arena));
  return state;
}

/** Writes what {@link stateOf} read. */
export async function setState(parameters: Parameters, state: ReadonlyMap<Arena, Float32Array>): Promise<void> {
  for (const [arena, values] of state) await parameters.store.write(arena, 0, values);
}
