// What bench:cuda-static and check:cuda are made of, without nvcc.
import { describe, expect, it } from 'vitest';
import { cudaSources, hashOf } from '../../../bench/cuda_static/compile.ts';
import { gpus, multiprocessors } from '../../../bench/cuda_static/hardware.ts';
import { shortName } from '../../../bench/cuda_static/names.ts';
import { parsePtxas } from '../../../bench/cuda_static/ptxas.ts';
import { rooflineOf, sumOf, workOf } from '../../../bench/cuda_static/roofline.ts';

describe('parsePtxas', () => {
  const report = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z1a' for 'sm_80'
ptxas info    : Function properties for _Z1a
    16 bytes stack frame, 24 bytes spill stores, 32 bytes spill loads
ptxas info    : Used 48 registers, used 1 barriers, 16 bytes cumulative stack size, 128 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 12.3 ms
ptxas info    : Compiling entry function '_Z1b' for 'sm_120'
ptxas info    : Function properties for _Z1b
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 58 registers, used 0 barriers, 400 bytes cmem[0], 176 bytes cmem[2]
ptxas info    : Function properties for __internal_accurate_pow
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
`;

  it('reads registers, spills, shared memory and barriers of every kernel', () => {
    const [a] = parsePtxas(report);
    expect(a).toEqual({
      symbol: '_Z1a',
      architecture: '80',
      registers: 48,
      stackBytes: 16,
      spillStoreBytes: 24,
      spillLoadBytes: 32,
      staticSharedBytes: 128,
      barriers: 1,
    });
  });

  it('adds what the functions of a kernel spill', () => {
    const [, b, ...others] = parsePtxas(report);
    expect(others).toEqual([]);
    expect(b).toMatchObject({
      architecture: '120',
      registers: 58,
      spillStoreBytes: 4,
      spillLoadBytes: 12,
      barriers: 0,
    });
  });
});

describe('shortName', () => {
  it.each([
    ['dartsmith::cuda::(anonymous namespace)::relu_kernel(dartsmith::cuda::View, long)', 'relu_kernel'],
    [
      'void dartsmith::cuda::(anonymous namespace)::product_kernel<(dartsmith::Precision)2>(dartsmith::cuda::View)',
      'product_kernel<bf16>',
    ],
    ['void dartsmith::cuda::walk_kernel<(dartsmith::Precision)0, true>(int)', 'walk_kernel<fp32, true>'],
    [
      'void dartsmith::cuda::pair_kernel<dartsmith::cuda::(anonymous namespace)::Sample<dartsmith::SmoothL1> >(dartsmith::cuda::(anonymous namespace)::Sample<dartsmith::SmoothL1>::Own, double)',
      'pair_kernel<Sample<SmoothL1>>',
    ],
    ['dartsmith::cuda::relu_kernel(dartsmith::cuda::View) [clone .cold]', undefined],
    ['dartsmith::cuda::relu_forward(dartsmith::Stream&)', undefined],
  ])('%s', (long, short) => {
    expect(shortName(long)).toBe(short);
  });
});

describe('rooflineOf', () => {
  const gpu = {
    ...gpus[0],
    bytesPerSecond: 100,
    flopsPerSecond: 10,
    productFlopsPerSecond: { fp32: 10, tf32: 40, bf16: 80 },
  };

  it('takes the longer of memory and arithmetic, each product at the rate of its precision', () => {
    const work = { bytes: 200, flops: 5, productFlops: 80 };
    expect(rooflineOf(work, gpu, 'fp32')).toEqual({ seconds: 8.5, memorySeconds: 2, arithmeticSeconds: 8.5 });
    expect(rooflineOf(work, gpu, 'tf32').seconds).toBe(2.5);
    expect(rooflineOf(work, gpu, 'bf16').seconds).toBe(2);
  });

  it('adds launch by launch: what one waits for, another does not make up for', () => {
    const moves = { bytes: 200, flops: 0, productFlops: 0 };
    const computes = { bytes: 0, flops: 10, productFlops: 0 };
    const apart = sumOf([moves, computes].map((work) => rooflineOf(work, gpu, 'fp32')));
    expect(apart).toEqual({ seconds: 3, memorySeconds: 2, arithmeticSeconds: 1 });
    expect(rooflineOf(workOf([moves, computes]), gpu, 'fp32').seconds).toBe(2);
  });
});

describe('sources', () => {
  it('know every architecture that is compiled for', () => {
    const { files, architectures } = cudaSources();
    expect(files.length).toBeGreaterThan(0);
    expect(architectures).toEqual(['80', '86', '89', '90', '100', '120']);
    expect(architectures.filter((architecture) => !(architecture in multiprocessors))).toEqual([]);
    expect(gpus.filter(({ architecture }) => !architectures.includes(architecture))).toEqual([]);
  });

  it('hash apart what joins alike', () => {
    expect(hashOf(['ab', 'c'])).not.toBe(hashOf(['a', 'bc']));
  });
});
