import type { BackendName } from '../../src/backend/device.ts';
import type { ImageShape } from '../../src/kernels/arguments.ts';
import type { SearchSpace } from '../../src/space/space.ts';

/** Batch, height, width, channels. */
export type BatchShape = readonly [batch: number, height: number, width: number, channels: number];

/** A supernet and its batch. */
export interface NetworkSize {
  readonly batch: number;
  readonly image: ImageShape;
  readonly channels: number;
  readonly layers: number;
  /** That of DARTS when absent. */
  readonly space?: SearchSpace;
}

/** How much is checked and measured. */
export interface Sizes {
  /** Cases taken of each table of test/kernels/cases.ts. */
  readonly casesPerTable: number;
  /** Kernels of the catalogue on these against the float64 reference, which is slow: small ones, odd ones. */
  readonly referenceShapes: readonly BatchShape[];
  /** And on these against the CPU engine. */
  readonly comparedShapes: readonly BatchShape[];
  /** Supernets whose loss, gradients and hypergradient are compared with the CPU engine's. */
  readonly network: NetworkSize;
  /** The supernet that is searched beside the CPU engine, for so many steps. */
  readonly trajectory: NetworkSize;
  readonly trajectorySteps: number;
  /** Whose step is taken so often from the same state. */
  readonly repeated: NetworkSize;
  readonly repetitions: number;
  /** Kernels are timed on these. */
  readonly timedShapes: readonly BatchShape[];
  readonly kernelRuns: number;
  /** Times that a kernel stands in a recorded graph, and stands in it more often. */
  readonly chained: readonly [few: number, many: number];
  /** Whole search steps are timed on this one. */
  readonly step: NetworkSize;
  readonly stepRounds: number;
  /** Search steps of these batches are timed beside, and the training step of DARTS_V2 (32 x 32 pixels). */
  readonly wideBatches: readonly number[];
  readonly evaluation: Pick<NetworkSize, 'batch' | 'channels' | 'layers'>;
  readonly wideRounds: number;
  /** Whether rivals that take minutes to compile are asked too. */
  readonly compiledRivals: boolean;
}

const published: NetworkSize = { batch: 64, image: [32, 32, 3], channels: 16, layers: 8 };
const small: NetworkSize = { batch: 16, image: [16, 16, 3], channels: 8, layers: 5 };
/** One candidate of every kind of fused kernel, one node a cell; a single cell, which reduces. */
const tinySpace: SearchSpace = {
  name: 'tiny',
  nodes: 1,
  candidates: ['max_pool_3x3', 'skip_connect', 'dil_conv_3x3'],
};
const tiny: NetworkSize = { batch: 2, image: [8, 8, 3], channels: 2, layers: 1, space: tinySpace };

const full: Sizes = {
  casesPerTable: Number.POSITIVE_INFINITY,
  referenceShapes: [
    [4, 8, 8, 16],
    [3, 7, 9, 17],
    [2, 6, 6, 64],
    [1, 5, 3, 33],
  ],
  comparedShapes: [
    [64, 32, 32, 16],
    [64, 16, 16, 32],
    [64, 8, 8, 64],
    [37, 31, 29, 20],
  ],
  network: { ...published, batch: 16 },
  trajectory: small,
  trajectorySteps: 10,
  repeated: published,
  repetitions: 10,
  timedShapes: [
    [64, 32, 32, 16],
    [64, 16, 16, 32],
    [64, 8, 8, 64],
  ],
  kernelRuns: 20,
  chained: [2, 10],
  step: published,
  stepRounds: 20,
  wideBatches: [256, 1024],
  evaluation: { batch: 96, channels: 36, layers: 20 },
  wideRounds: 8,
  compiledRivals: true,
};

const quick: Sizes = {
  ...full,
  casesPerTable: 12,
  referenceShapes: full.referenceShapes.slice(0, 2),
  comparedShapes: [full.comparedShapes[0], full.comparedShapes[3]],
  network: small,
  timedShapes: full.timedShapes.slice(0, 1),
  kernelRuns: 10,
  stepRounds: 8,
  wideRounds: 4,
  compiledRivals: false,
};

/** For devices that are thousands of times as slow, where only the check itself is tried. */
const least: Sizes = {
  casesPerTable: 1,
  referenceShapes: [
    [2, 4, 4, 4],
    [2, 3, 5, 3],
  ],
  comparedShapes: [[3, 4, 5, 6]],
  network: tiny,
  trajectory: tiny,
  trajectorySteps: 2,
  repeated: tiny,
  repetitions: 3,
  timedShapes: [[2, 4, 4, 4]],
  kernelRuns: 1,
  chained: [1, 2],
  // So many channels are what sliding warps take.
  step: { ...tiny, channels: 16 },
  stepRounds: 1,
  wideBatches: [3],
  evaluation: { batch: 2, channels: 2, layers: 3 },
  wideRounds: 1,
  compiledRivals: true,
};

/** The sizes for a backend. */
export function sizesFor(backend: BackendName, isQuick: boolean): Sizes {
  if (backend !== 'cuda') return least;
  return isQuick ? quick : full;
}

/** Such as `64x32x32x16`. */
export function shapeName(shape: readonly number[]): string {
  return shape.join('x');
}
