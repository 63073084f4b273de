import type { Peak, Precision } from '../../src/backend/device.ts';
import type { PassWork } from '../../src/kernels/work.ts';
import type { DataSheet } from './data_sheets.ts';

/** Seconds that work takes at least where so many FLOPs and bytes go through in a second. */
export function rooflineSeconds({ flops, bytes }: PassWork, { flopsPerSecond, bytesPerSecond }: Peak): number {
  return Math.max(flops / flopsPerSecond, bytes / bytesPerSecond);
}

/** A data sheet's roof: in a reduced precision that of the tensor cores, under which not all of a kernel can run. */
export function roofOf({ flopsPerSecond, bytesPerSecond }: DataSheet, precision: Precision): Peak {
  return { flopsPerSecond: flopsPerSecond[precision], bytesPerSecond };
}

/** How near the roof work came that took so long, as 12.3%; a dash without a roof. */
export function shareText(leastSeconds: number | undefined, seconds: number): string {
  return leastSeconds === undefined || !(seconds > 0) ? '-' : `${((100 * leastSeconds) / seconds).toFixed(1)}%`;
}
