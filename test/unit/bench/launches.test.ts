// The trace that bench:cuda-static counts by: the real engine and CUDA backend on the stand-in's counting device.
import { describe, expect, it } from 'vitest';
import { type Launch, type TraceOptions, traceStep } from '../../../bench/cuda_static/trace.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { buildSupernet } from '../../../src/network/supernet.ts';
import { tinySupernet } from '../../helpers/tiny_supernet.ts';

const tiny: TraceOptions = {
  graph: tinySupernet(),
  shape: [8, 8, 3],
  classes: 5,
  batchSize: 4,
  precision: 'fp32',
  unrolled: false,
};

/** The kernels of a part of a step, without what they are compiled for. */
function kernelsOf(launches: readonly Launch[], part: string): Set<string> {
  return new Set(
    launches.filter((launch) => launch.part === part).map(({ kernel }) => kernel.replace(/_kernel.*/, '')),
  );
}

describe('traceStep', () => {
  it('names every kernel of a step', async () => {
    const { kernelNodes, launches } = await traceStep(tiny);
    const kernels = launches.filter(({ kernel }) => kernel !== 'clear' && kernel !== 'copy');
    expect(kernelNodes).toBeGreaterThan(20);
    for (const { kernel } of kernels) expect(kernel).toMatch(/^[a-z_0-9]+_kernel(<.*>)?$/);
    const once = ['adam_kernel', 'sgd_kernel', 'squared_norm_kernel', 'mixing_backward_kernel'];
    for (const name of once) expect(kernels.filter(({ kernel }) => kernel === name)).toHaveLength(1);
    expect(kernels.filter(({ kernel }) => kernel === 'gather_kernel')).toHaveLength(2);
  });

  it('gives every kernel of a pass the bytes and FLOPs that the engine counts', async () => {
    const { launches } = await traceStep(tiny);
    const separable = launches.filter(({ part }) => part === 'separable forward');
    expect(separable.length).toBeGreaterThan(0);
    for (const { bytes, flops, productFlops } of separable) {
      expect(Math.min(bytes, flops, productFlops)).toBeGreaterThan(0);
    }
    for (const { bytes, scratchBytes } of launches) expect(bytes).toBeGreaterThan(scratchBytes);
    expect(launches.some(({ scratchBytes }) => scratchBytes > 0)).toBe(true);
  });

  it('runs cells of the published channels by sliding warps alone', async () => {
    const { graph } = buildSupernet({ inputShape: [8, 8, 3], classes: 5, initChannels: 16, layers: 3 });
    const { launches } = await traceStep({ ...tiny, graph });
    const names = (part: string) => kernelsOf(launches, part);
    expect(names('separable forward')).toEqual(new Set(['separable_forward']));
    expect(names('separable backward')).toEqual(new Set(['separable_output', 'separable_input', 'weight_sums']));
    expect(names('combine forward')).toEqual(new Set(['combine_forward']));
    expect(names('combine backward')).toEqual(new Set(['combine_backward', 'combine_finish']));
    expect(names('pooledMoments forward')).toEqual(new Set(['pooled_moments']));
    expect(names('pooledMoments backward')).toEqual(new Set(['pool_backward']));
  });

  it('runs separables of evaluation channels by windows that slide, and their products apart', async () => {
    const { graph } = buildSupernet({ inputShape: [8, 8, 3], classes: 5, initChannels: 36, layers: 3 });
    const { launches } = await traceStep({ ...tiny, graph });
    const names = (part: string) => kernelsOf(launches, part);
    const [product, statistics] = ['conv2d_forward', ['moments_pieces', 'moments_join']];
    expect(names('separable forward')).toEqual(new Set(['depthwise', product, ...statistics]));
    expect(names('separable backward')).toEqual(
      new Set([
        ...['moments_backward', 'depthwise', 'conv2d_data', 'conv2d_weights', 'conv2d_join'],
        ...['separable_input', 'weight_sums'],
      ]),
    );
  });

  it('follows the hypergradient through its passes and perturbations', async () => {
    const { launches } = await traceStep({ ...tiny, unrolled: true });
    const count = (name: string) => launches.filter(({ kernel }) => kernel === name).length;
    expect(count('perturb_kernel')).toBe(2);
    expect(count('unrolled_step_kernel')).toBe(1);
    expect(count('gather_kernel')).toBe(5);
    expect(count('copy')).toBeGreaterThan(0);
  });

  it('stores less and multiplies in another kernel in bfloat16', async () => {
    const sum = (values: readonly { bytes: number }[]) => values.reduce((total, { bytes }) => total + bytes, 0);
    const [single, half] = [await traceStep(tiny), await traceStep({ ...tiny, precision: 'bf16' })];
    expect(sum(half.launches)).toBeLessThan(sum(single.launches));
    expect(half.launches.some(({ kernel }) => kernel.endsWith('<bf16>'))).toBe(true);
    expect(half.launches.some(({ kernel }) => kernel.endsWith('<fp32>'))).toBe(false);
  });

  it('runs nothing', async () => {
    using device = await openDevice({ backend: 'simt', index: 5 });
    expect(device.description).toContain('launches only');
  });
});
