// The kernels of sliding warps (native/cuda/sliding) as their machine code shows them: which they are by their names, which of
// their loops slide, and how often the parts of those run.
import type { Precision } from '../../src/backend/device.ts';
import { precisions } from '../../src/backend/device.ts';
import { issueShare } from './pipeline.ts';
import { type Instruction, type LoopParts, type LoopReport, type Mixture, mixtureOf } from './sass.ts';

/** A kernel of sliding warps by its name. */
export interface SlidingKernel {
  /**
   * F of the study: forward; W: the output side of backward; G: without weight gradients; D: its input side. S: the window alone, whose
   * product is another kernel's.
   */
  readonly part: 'F' | 'W' | 'G' | 'D' | 'S';
  /** 3 or 5; undefined for those that serve both. */
  readonly window?: number;
  /** {@link anyChannels} of those that serve any. */
  readonly channels: number;
  readonly precision: Precision;
  /** D alone: whether the weights' gradient is computed beside. */
  readonly weights?: boolean;
}

/** What stands for channels that a kernel knows when it runs. */
export const anyChannels = 0;

/** Rows of outputs that a product takes at once: kBatchRows in native/cuda/sliding/lanes.cuh. */
const batchRows = 4;
/** Outputs of a lane in a row: four columns of two channels; of D, whose lanes have one channel: four. */
const rowOutputs = { F: 8, W: 8, G: 8, D: 4, S: 8 } as const;

/** Rows that a kernel goes through before it does what some rows have done. */
const rowsOf = ({ part }: SlidingKernel) => (part === 'D' || part === 'S' ? 1 : batchRows);

/** What a short name says; undefined for other kernels. */
export function slidingKernel(name: string): SlidingKernel | undefined {
  const product = /^separable_(forward|output)_kernel<(\d), (\d+), (\w+)>$/.exec(name);
  if (product !== null) {
    const window = Number(product[2]);
    const part = product[1] === 'forward' ? 'F' : window === 0 ? 'G' : 'W';
    const precision = precisions.find((known) => known === product[4]);
    if (precision === undefined) return undefined;
    return { part, ...(window > 0 && { window }), channels: Number(product[3]), precision };
  }
  const window = /^depthwise_kernel<(\d), (true|false)>$/.exec(name);
  if (window !== null) {
    return {
      part: 'S',
      window: Number(window[1]),
      channels: anyChannels,
      precision: window[2] === 'true' ? 'bf16' : 'fp32',
    };
  }
  const input = /^separable_input_kernel<(\d+), (true|false), (true|false)>$/.exec(name);
  if (input === null) return undefined;
  const precision = input[2] === 'true' ? 'bf16' : 'fp32';
  return { part: 'D', channels: Number(input[1]), precision, weights: input[3] === 'true' };
}

/** Multiply-adds of a lane in a product of a batch, [pixels, C] with [C, C], and as many in z^T dy; tensor cores have none. */
function productOf({ channels, precision }: SlidingKernel): number {
  const lanes = 32;
  const pixels = (64 / channels) * 4 * batchRows;
  return precision === 'fp32' ? (pixels * channels * channels) / lanes : 0;
}

/**
 * Turns of a loop within, of which one has so many multiply-adds. Tensor cores' loops, and those of packed multiply-adds, which only
 * newer architectures have, are taken once.
 */
function turnsOf(kernel: SlidingKernel, { multiplyAdds }: Mixture): number {
  return multiplyAdds === 0 ? 1 : Math.max(1, Math.round(productOf(kernel) / multiplyAdds));
}

/** Instructions of a lane for each of its outputs, where a strip is long; loops within run as often as their sums take. */
export function instructionsAnOutput(kernel: SlidingKernel, loop: LoopReport): number {
  const rows = rowsOf(kernel);
  const inner = loop.inner.reduce((sum, { every }) => sum + turnsOf(kernel, every) * every.instructions, 0);
  return (rows * loop.every.instructions + loop.some.instructions + inner) / (rows * rowOutputs[kernel.part]);
}

/** Warps of a scheduler that are tried: as many as blocks of four warps fit a multiprocessor. */
const triedWarps = [3, 4, 5] as const;

/** Instructions a cycle and scheduler of a loop: four rows, once what some run, with the loops within. */
export function issueSharesOf(kernel: SlidingKernel, { every, some, inner }: LoopParts): LoopReport['issueShares'] {
  const within = inner.flatMap((loop) =>
    Array.from({ length: turnsOf(kernel, mixtureOf(loop.every)) }, () => loop.every).flat(),
  );
  const begin = inner[0]?.every[0]?.address ?? 0;
  const before = (instruction: Instruction) => instruction.address < begin;
  const batch = [...some.filter(before), ...within, ...some.filter((instruction) => !before(instruction))];
  const rows = rowsOf(kernel);
  const trace = [...Array.from({ length: rows }, () => every).flat(), ...batch];
  return Object.fromEntries(triedWarps.map((warps) => [warps, issueShare({ trace, warps })]));
}

/** Multiply-adds of its own from which on a loop is one that slides; others go over members, with those within. */
const ownMultiplyAdds = 16;

/** The loops that slide. */
export function slidingLoops(loops: readonly LoopReport[]): LoopReport[] {
  return loops.flatMap((loop) =>
    loop.every.multiplyAdds + loop.some.multiplyAdds < ownMultiplyAdds ? slidingLoops(loop.inner) : [loop],
  );
}

/** Warps of a scheduler that so many registers leave, blocks having four warps. */
export function warpsOf(registers: number): number {
  return Math.min(triedWarps[2], Math.max(triedWarps[0], Math.floor(65_536 / (128 * 8 * Math.ceil(registers / 8)))));
}
