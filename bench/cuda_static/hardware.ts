// Figures of NVIDIA's own documents: the yardstick of all that is computed here.
import type { Precision } from '../../src/backend/device.ts';

/** What a multiprocessor of a compute capability has. */
export interface Multiprocessor {
  readonly threads: number;
  readonly sharedBytes: number;
  /** Of one block, when it asks for it. */
  readonly blockSharedBytes: number;
}

const kibi = 1024;

/**
 * By architecture. CUDA C++ Programming Guide 13.0, table "Technical specifications per compute capability"; every one has
 * 65,536 registers, for a block and for a multiprocessor, and 1 KiB of shared memory a block is the driver's.
 */
export const multiprocessors: Readonly<Record<string, Multiprocessor>> = {
  80: { threads: 2048, sharedBytes: 164 * kibi, blockSharedBytes: 163 * kibi },
  86: { threads: 1536, sharedBytes: 100 * kibi, blockSharedBytes: 99 * kibi },
  89: { threads: 1536, sharedBytes: 100 * kibi, blockSharedBytes: 99 * kibi },
  90: { threads: 2048, sharedBytes: 228 * kibi, blockSharedBytes: 227 * kibi },
  100: { threads: 2048, sharedBytes: 228 * kibi, blockSharedBytes: 227 * kibi },
  120: { threads: 1536, sharedBytes: 100 * kibi, blockSharedBytes: 99 * kibi },
};

/** What a GPU's data sheet promises. */
export interface Gpu {
  readonly name: string;
  readonly architecture: string;
  readonly multiprocessors: number;
  readonly bytesPerSecond: number;
  /** Float32 outside the tensor cores; a multiply-add counts twice, here as in the next. */
  readonly flopsPerSecond: number;
  /** Products of matrices with float32 sums, no sparsity. */
  readonly productFlopsPerSecond: Readonly<Record<Precision, number>>;
  readonly source: string;
}

const tera = 1e12;
const giga = 1e9;

/** The GPUs that the issue names. */
export const gpus: readonly Gpu[] = [
  {
    name: 'A100',
    architecture: '80',
    multiprocessors: 108,
    bytesPerSecond: 2039 * giga,
    flopsPerSecond: 19.5 * tera,
    productFlopsPerSecond: { fp32: 19.5 * tera, tf32: 156 * tera, bf16: 312 * tera },
    source: 'NVIDIA A100 Tensor Core GPU data sheet, June 2021: A100 80GB SXM',
  },
  {
    name: 'H100',
    architecture: '90',
    multiprocessors: 132,
    bytesPerSecond: 3350 * giga,
    flopsPerSecond: 67 * tera,
    // The data sheet's 989 and 1,979 are those with sparsity.
    productFlopsPerSecond: { fp32: 67 * tera, tf32: 494.5 * tera, bf16: 989.5 * tera },
    source: 'NVIDIA H100 Tensor Core GPU data sheet, 2023: H100 SXM',
  },
  {
    name: 'H200',
    architecture: '90',
    multiprocessors: 132,
    bytesPerSecond: 4800 * giga,
    flopsPerSecond: 67 * tera,
    productFlopsPerSecond: { fp32: 67 * tera, tf32: 494.5 * tera, bf16: 989.5 * tera },
    source: 'NVIDIA H200 Tensor Core GPU data sheet, 2024: H200 SXM',
  },
  {
    name: 'RTX 4090',
    architecture: '89',
    multiprocessors: 128,
    bytesPerSecond: 1008 * giga,
    flopsPerSecond: 82.6 * tera,
    productFlopsPerSecond: { fp32: 82.6 * tera, tf32: 82.6 * tera, bf16: 165.2 * tera },
    source: 'NVIDIA Ada GPU Architecture white paper 2.02, appendix A: GeForce RTX 4090',
  },
];
