// A kernel within a recorded graph, where neither launches nor copies are waited for: a network that applies it many times
// minus one that applies it a few times.
import type { Device, Precision } from '../../src/backend/device.ts';
import type { ImageShape } from '../../src/kernels/arguments.ts';
import type { KernelDefinition } from '../../src/kernels/definition.ts';
import { buildGraph } from '../../src/kernels/source.ts';
import { median, spread } from '../../src/kernels/statistics.ts';
import { chainOf } from '../kernels/cases.ts';
import { timed } from '../support/measure.ts';
import { randomImages } from './search_steps.ts';
import type { Sizes } from './sizes.ts';

/** One application of a kernel, forward and backward for all gradients. */
export interface ChainedFigures {
  readonly medianSeconds: number;
  readonly interquartileSeconds: number;
  /** Kernels that the device recorded for it. */
  readonly kernels: number;
}

/** Options of {@link timeChained}. */
export interface ChainedOptions {
  readonly batchSize: number;
  readonly precision: Precision;
  readonly times: Sizes['chained'];
  readonly runs: number;
}

/** Whether a kernel can be applied to its own output. */
export function canChain(definition: KernelDefinition, shape: ImageShape): boolean {
  const { nodes, output } = buildGraph(definition);
  const shapes = [...nodes.filter(({ op }) => op === 'input'), nodes[output]].map((node) => node.shape);
  return shapes.length === 2 && shapes.every((one) => one.join() === shape.join());
}

/** Measures a kernel that {@link canChain} on images of `shape`. */
export async function timeChained(
  device: Device,
  definition: KernelDefinition,
  shape: ImageShape,
  options: ChainedOptions,
): Promise<ChainedFigures> {
  const { runs, times } = options;
  using few = await openChain(device, definition, shape, options, times[0]);
  using many = await openChain(device, definition, shape, options, times[1]);
  const [seconds, kernels]: [number[], number[]] = [[], []];
  // The first run of each goes kernel by kernel, the second is recorded.
  for (let run = -2; run < runs; run++) {
    const [short, shortKernels] = await few.time();
    const [long, longKernels] = await many.time();
    if (run < 0) continue;
    seconds.push((long - short) / (times[1] - times[0]));
    kernels.push((longKernels - shortKernels) / (times[1] - times[0]));
  }
  return { medianSeconds: median(seconds), interquartileSeconds: spread(seconds), kernels: median(kernels) };
}

async function openChain(
  device: Device,
  definition: KernelDefinition,
  shape: ImageShape,
  { batchSize, precision }: ChainedOptions,
  times: number,
) {
  const graph = chainOf(definition, shape, times);
  const parameters = await device.createParameters(graph, { seed: 0 });
  const program = device.compile(graph, { batchSize, parameters, precision });
  const dataset = await device.createDataset(randomImages(shape, batchSize));
  const channels = shape[2];
  const batch = {
    dataset,
    indices: Uint32Array.from({ length: batchSize }, (_, index) => index),
    augmentation: {
      mean: new Array<number>(channels).fill(0.5),
      deviation: new Array<number>(channels).fill(0.25),
      pad: 0,
      flip: false,
      cutout: 0,
    },
  };
  const time = async (): Promise<[seconds: number, kernels: number]> => {
    const seconds = await timed(() => program.gradients({ batch, target: 'both' }));
    return [seconds, device.recordedKernels];
  };
  const dispose = () => {
    program.dispose();
    dataset.dispose();
    parameters.dispose();
  };
  return { time, [Symbol.dispose]: dispose };
}
