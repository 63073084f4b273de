// How long a launch takes at the least: all its bytes at the memory's rate, or all its arithmetic at the rate of the units
// that do it, whichever is longer. Nothing here was measured.
import type { Precision } from '../../src/backend/device.ts';
import type { Gpu } from './hardware.ts';

/** What a launch moves and computes. */
export interface LaunchWork {
  /** Read from and written to device memory, scratch included. */
  readonly bytes: number;
  /** On the float32 units. */
  readonly flops: number;
  /** In products of matrices, at the rate of the precision. */
  readonly productFlops: number;
}

/** The least time of a launch, and what sets it. */
export interface Roofline {
  readonly seconds: number;
  readonly memorySeconds: number;
  readonly arithmeticSeconds: number;
}

/** The two kinds of arithmetic follow each other: a block's products wait for what the float32 units make for them. */
export function rooflineOf(work: LaunchWork, gpu: Gpu, precision: Precision): Roofline {
  const memorySeconds = work.bytes / gpu.bytesPerSecond;
  const arithmeticSeconds = work.flops / gpu.flopsPerSecond + work.productFlops / gpu.productFlopsPerSecond[precision];
  return { seconds: Math.max(memorySeconds, arithmeticSeconds), memorySeconds, arithmeticSeconds };
}

/** Launches one after another. */
export function sumOf(parts: readonly Roofline[]): Roofline {
  const total = { seconds: 0, memorySeconds: 0, arithmeticSeconds: 0 };
  for (const part of parts) {
    total.seconds += part.seconds;
    total.memorySeconds += part.memorySeconds;
    total.arithmeticSeconds += part.arithmeticSeconds;
  }
  return total;
}

/** The sum of works. */
export function workOf(parts: readonly LaunchWork[]): LaunchWork {
  const total = { bytes: 0, flops: 0, productFlops: 0 };
  for (const part of parts) {
    total.bytes += part.bytes;
    total.flops += part.flops;
    total.productFlops += part.productFlops;
  }
  return total;
}
