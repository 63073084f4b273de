import type { Batch, Command, DeviceDataset, Precision, Program } from '../../src/backend/device.ts';
import { openDevice } from '../../src/backend/open.ts';
import { buildSupernet } from '../../src/network/supernet.ts';
import { uniform } from '../../src/random/philox.ts';
import { costOf } from '../../src/report/cost.ts';
import { presets } from '../../src/search/settings.ts';
import { timed } from '../support/measure.ts';
import { peakMemory, resetPeakMemory } from '../support/memory.ts';

/** 1 for first order, 2 for the unrolled hypergradient. */
export type Order = 1 | 2;

/** Sizes of the measured step; images are 32x32x3 of 10 classes. */
export interface StepOptions {
  readonly batch: number;
  readonly channels: number;
  readonly layers: number;
  readonly threads: number;
  /** `fp32` when absent. */
  readonly precision?: Precision;
}

/** Our side of the comparison. */
export interface OurStep {
  readonly description: string;
  readonly program: Program;
  /** Multiply-accumulates of one image's forward pass. */
  readonly macs: number;
  /** Takes one search step and gives its seconds. */
  time(order: Order): Promise<number>;
  /** Resident memory in bytes at its largest in the first step of that order, Node included. */
  peakBytes(order: Order): number;
  close(): void;
}

const shape = [32, 32, 3] as const;
const classes = 10;
const seed = 0;

/** Opens the CPU device with a supernet and random images. */
export async function openOurStep({ batch, channels, layers, threads, precision }: StepOptions): Promise<OurStep> {
  const device = await openDevice({ backend: 'cpu', threads });
  const supernet = buildSupernet({ inputShape: shape, classes, initChannels: channels, layers });
  const parameters = await device.createParameters(supernet.graph, { seed });
  const program = device.compile(supernet.graph, { batchSize: batch, parameters, precision });
  const dataset = device.createDataset(randomImages(2 * batch));
  const peaks = new Map<Order, number>();
  let step = 0;
  return {
    description: device.description,
    program,
    macs: costOf(supernet.graph).multiplyAccumulates,
    time: async (order) => {
      const first = !peaks.has(order);
      if (first) resetPeakMemory();
      const seconds = await timed(() => device.execute(searchStep(program, dataset, order, ++step)));
      if (first) peaks.set(order, peakMemory());
      return seconds;
    },
    peakBytes: (order) => peaks.get(order) ?? 0,
    close: () => device.dispose(),
  };
}

function randomImages(count: number) {
  const stream = { seed, purpose: 'split', epoch: 0, step: 0 } as const;
  const values = uniform(stream, count * shape[0] * shape[1] * shape[2]);
  return {
    images: Uint8Array.from(values, (value) => value * 256),
    labels: Int32Array.from({ length: count }, (_, index) => index % classes),
    shape,
  };
}

/** An alpha step on the second half of the images, then a weight step on the first, augmented as in a search. */
function searchStep(program: Program, dataset: DeviceDataset, order: Order, step: number): Command[] {
  const { parameters, batchSize } = program;
  const { learningRate, momentum, weightDecay, gradClip, archLearningRate, archWeightDecay } = presets.paper.settings;
  const batch = (offset: number, purpose: 'trainAugmentation' | 'validationAugmentation'): Batch => ({
    dataset,
    indices: Uint32Array.from({ length: batchSize }, (_, index) => offset + index),
    augmentation: {
      mean: [0.5, 0.5, 0.5],
      deviation: [0.25, 0.25, 0.25],
      pad: 4,
      flip: true,
      cutout: 0,
      stream: { seed, purpose, epoch: 0, step },
    },
  });
  const train = batch(0, 'trainAugmentation');
  const validation = batch(batchSize, 'validationAugmentation');
  return [
    order === 1
      ? { kind: 'gradients', program, batch: validation, target: 'alpha' }
      : { kind: 'hypergradient', program, train, validation, learningRate, momentum, weightDecay },
    {
      kind: 'adam',
      parameters,
      learningRate: archLearningRate,
      betas: [0.5, 0.999],
      epsilon: 1e-8,
      weightDecay: archWeightDecay,
      step,
    },
    { kind: 'gradients', program, batch: train, target: 'weights' },
    { kind: 'sgd', parameters, learningRate, momentum, weightDecay, maxNorm: gradClip },
  ];
}
