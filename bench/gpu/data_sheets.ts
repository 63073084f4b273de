// What GPUs do at best by NVIDIA's data sheets: dense rates, no sparsity. `tf32` and `bf16` are those of the tensor cores with
// float32 sums.
import type { Precision } from '../../src/backend/device.ts';

/** The best of a GPU, as printed. */
export interface DataSheet {
  readonly name: string;
  readonly flopsPerSecond: Readonly<Record<Precision, number>>;
  readonly bytesPerSecond: number;
}

const tera = 1e12;

function sheet(name: string, fp32: number, tf32: number, bf16: number, terabytesPerSecond: number): DataSheet {
  const flopsPerSecond = { fp32: fp32 * tera, tf32: tf32 * tera, bf16: bf16 * tera };
  return { name, flopsPerSecond, bytesPerSecond: terabytesPerSecond * tera };
}

/** By what the driver calls them; the first that matches. */
const sheets: readonly (readonly [RegExp, DataSheet])[] = [
  [/A100.*PCI.*80GB|A100 80GB PCI/i, sheet('A100 80 GB PCIe', 19.5, 156, 312, 1.935)],
  [/A100.*80GB/i, sheet('A100 80 GB SXM', 19.5, 156, 312, 2.039)],
  [/A100/i, sheet('A100 40 GB', 19.5, 156, 312, 1.555)],
  [/H100 PCIe/i, sheet('H100 PCIe', 51.2, 378, 756, 2.0)],
  [/H100.*HBM3/i, sheet('H100 SXM', 66.9, 494.7, 989.4, 3.35)],
  [/H200/i, sheet('H200 SXM', 66.9, 494.7, 989.4, 4.8)],
  [/RTX 4090(?! D)/i, sheet('GeForce RTX 4090', 82.6, 82.6, 165.2, 1.008)],
];

/** The data sheet of the GPU that a device's description names; undefined for one that is not in the table. */
export function dataSheetOf(description: string): DataSheet | undefined {
  return sheets.find(([pattern]) => pattern.test(description))?.[1];
}
