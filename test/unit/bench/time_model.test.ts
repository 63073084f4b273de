// The model of time, on figures that are made up here.
import { describe, expect, it } from 'vitest';
import { gpus } from '../../../bench/cuda_static/hardware.ts';
import {
  calibrate,
  calibrationError,
  measuredTiles,
  type Pace,
  secondsOf,
  stepTimes,
} from '../../../bench/cuda_static/time_model.ts';
import type { Launch } from '../../../bench/cuda_static/trace.ts';

const [a100, h100, h200] = gpus;
const pace: Pace = { instructions: 5e9, issueShare: 0.65, multiplyAddShare: 0.2, executions: 1.7 };

describe('the calibration', () => {
  it('gives what was measured, and tells how far the other phase is off', () => {
    const paces = { 'separable forward': pace, 'separable backward': { ...pace, instructions: 1e10 } };
    const fetchCycles = calibrate(paces, h100);
    expect(fetchCycles).toBeGreaterThan(0);
    expect(secondsOf(pace, h100, fetchCycles)).toBeCloseTo(measuredTiles['separable forward'], 9);
    expect(calibrationError(paces, h100)).toBeCloseTo(
      (2 * measuredTiles['separable forward']) / measuredTiles['separable backward'],
      9,
    );
  });

  it('takes no time away where the simulation is too slow already', () => {
    const slow = { ...pace, issueShare: 0.01 };
    expect(calibrate({ 'separable forward': slow, 'separable backward': slow }, h100)).toBe(0);
  });
});

describe('instructions', () => {
  it('take as long as a scheduler issues them, or its lanes multiply', () => {
    const cycles = (one: Pace, gpu = h100) => secondsOf(one, gpu, 0) / secondsOf({ ...one, instructions: 1 }, gpu, 0);
    expect(cycles(pace)).toBeCloseTo(pace.instructions);
    const multiplying = { ...pace, issueShare: 1, multiplyAddShare: 0.9 };
    // An A100's schedulers have half as many lanes.
    const ratio = (gpu: typeof a100) =>
      secondsOf(multiplying, gpu, 0) / secondsOf({ ...multiplying, multiplyAddShare: 0 }, gpu, 0);
    expect(ratio(h100)).toBeCloseTo(1);
    expect(ratio(a100)).toBeCloseTo(1.8);
  });
});

describe('a step', () => {
  const launch = (part: string, kernel: string, bytes: number): Launch => ({
    ...{ part, kernel, bytes, scratchBytes: 0, dynamicSharedBytes: 0, cooperative: false },
    ...{ flops: 0, productFlops: 0 },
  });

  it('takes its bytes and its nodes, those of branches left out', () => {
    const launches = [
      launch('relu forward', 'relu_kernel<true>', 3e9),
      launch('conv2d backward', 'convolution_weights_kernel<16, fp32>', 0),
    ];
    const step = { launches, kernelNodes: 2, precision: 'fp32' } as const;
    const times = stepTimes(step, [], h100, 1);
    expect(times.rest).toBeCloseTo(3e9 / (3033e9 * 0.85), 6);
    expect(times.nodes).toBeCloseTo(1.3e-6, 12);
    expect(times.step).toBe(times.rest + times.nodes);
    expect(stepTimes(step, [], h200, 1).rest).toBeCloseTo((times.rest * 3350) / 4800, 9);
  });

  it('is refused where a kernel that it launches was not compiled', () => {
    const separable = { ...launch('separable forward', 'separable_forward_kernel<3, 16, fp32>', 1), productFlops: 32 };
    const step = { launches: [separable], kernelNodes: 1, precision: 'fp32' } as const;
    expect(() => stepTimes(step, [], h100, 1)).toThrow(/expected a compiled kernel .*"channels":16.* for sm_90/);
  });
});
