import type { Device, KernelProfile, Peak, Precision } from '../backend/device.ts';
import { throwIfAborted } from '../errors.ts';
import type { KernelDefinition } from './definition.ts';
import { drawBatch, type KernelBatch } from './draw.ts';
import { type Kernel, openKernel } from './open.ts';
import { median, spread } from './statistics.ts';
import type { PassWork } from './work.ts';

/** A device that takes part in a comparison, with its peak as measured in the same process. */
export interface Contestant {
  /** Such as the backend's. */
  readonly name: string;
  readonly device: Device;
  readonly peak: Peak;
  /** What the device computes in; `fp32` when absent. */
  readonly precision?: Precision;
}

/** The passes of a kernel that are measured. */
export const passes = ['forward', 'backward'] as const;

/** One of {@link passes}. */
export type Pass = (typeof passes)[number];

/** One pass of one kernel on one device. */
export interface PassFigures {
  /** Of each run, in order. */
  readonly seconds: readonly number[];
  readonly medianSeconds: number;
  /** Between the first and the third quartile. */
  readonly interquartileSeconds: number;
  /** The pass's FLOPs and bytes over the median. */
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** The larger share of what the device does at best: of its FLOP/s or of its bytes/s. Above 1 where caches serve. */
  readonly shareOfPeak: number;
  /** Median over the rounds of this device's seconds divided by the first device's. */
  readonly ratio: number;
  /** What the device ran, such as `separable` and `combine`; each once, in order. */
  readonly ran: readonly string[];
}

/** One pass of one kernel on every device. */
export interface PassComparison extends PassWork {
  readonly pass: Pass;
  /** In the order of the contestants. */
  readonly figures: readonly PassFigures[];
}

/** Options of {@link measureKernel}. */
export interface MeasureOptions {
  readonly batchSize: number;
  /** Rounds that count. */
  readonly runs: number;
  readonly signal?: AbortSignal;
  /** Called before each round that counts, from 1. */
  readonly onRound?: (round: number) => void;
}

/** Rounds before those that count: the first plans the pass and touches its memory. */
const warmUps = 2;

/**
 * Measures a kernel on devices in turns (A B A B), so that a slow spell of the machine falls on all alike. Only kernels count,
 * as the backend measures them, not the copies of inputs and gradients. Throws AbortedError through the signal.
 */
export async function measureKernel(
  definition: KernelDefinition,
  contestants: readonly Contestant[],
  options: MeasureOptions,
): Promise<PassComparison[]> {
  const { batchSize } = options;
  const opened: Kernel<string>[] = [];
  try {
    for (const { device, precision } of contestants) {
      opened.push(await openKernel(device, { ...definition, batchSize, precision }));
    }
    const rounds = await runRounds(opened, drawBatch(opened[0].graph, opened[0].samples, 0), options);
    const work = definition.work(batchSize);
    return passes.map((pass) => ({
      pass,
      ...work[pass],
      figures: contestants.map(({ peak }, index) =>
        figuresOf(
          rounds.map((round) => round[index][pass]),
          rounds.map((round) => secondsOf(round[0][pass])),
          work[pass],
          peak,
        ),
      ),
    }));
  } finally {
    for (const kernel of opened) kernel.dispose();
  }
}

type Round = readonly Readonly<Record<Pass, readonly KernelProfile[]>>[];

async function runRounds(kernels: readonly Kernel<string>[], batch: KernelBatch, options: MeasureOptions) {
  const { runs, signal, onRound } = options;
  const { inputs, outputGradient, labels, dropout } = batch;
  const rounds: Round[] = [];
  for (let count = 1 - warmUps; count <= runs; count++) {
    throwIfAborted(signal);
    if (count >= 1) onRound?.(count);
    const round = [];
    for (const kernel of kernels) round.push(await kernel.measure(inputs, outputGradient, { labels, dropout, signal }));
    if (count >= 1) rounds.push(round);
  }
  return rounds;
}

function figuresOf(
  runs: readonly (readonly KernelProfile[])[],
  firstSeconds: readonly number[],
  { flops, bytes }: PassWork,
  peak: Peak,
): PassFigures {
  const seconds = runs.map(secondsOf);
  const medianSeconds = median(seconds);
  const rate = (amount: number) => (medianSeconds > 0 ? amount / medianSeconds : 0);
  const [flopsPerSecond, bytesPerSecond] = [rate(flops), rate(bytes)];
  return {
    seconds,
    medianSeconds,
    interquartileSeconds: spread(seconds),
    flopsPerSecond,
    bytesPerSecond,
    shareOfPeak: Math.max(flopsPerSecond / peak.flopsPerSecond, bytesPerSecond / peak.bytesPerSecond),
    ratio: median(seconds.map((value, round) => (firstSeconds[round] > 0 ? value / firstSeconds[round] : 1))),
    ran: [...new Set(runs[0].map(({ kernel }) => kernel.replace(/ (forward|backward)$/, '')))],
  };
}

function secondsOf(profile: readonly KernelProfile[]): number {
  return profile.reduce((sum, kernel) => sum + kernel.seconds, 0);
}
