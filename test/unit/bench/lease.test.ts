// What a lease of a GPU concludes, from results that are made up here.
import { describe, expect, it } from 'vitest';
import { concludeLease, leaseParts, predictions } from '../../../bench/gpu/lease_plan.ts';
import type { StageResult } from '../../../bench/gpu/outcome.ts';
import { rowOf } from '../../../bench/gpu/stages/nsight.ts';

const total = (seconds: number) => ({ calls: 1, seconds, flops: 0, bytes: 0 });

function stepTimes(stage: string, step: number, forward: number): StageResult {
  const pass = { 'separable forward': total(forward / 2), 'separable backward': total(forward) };
  return {
    stage,
    title: '',
    kind: 'measurement',
    status: 'passed',
    seconds: 1,
    data: {
      measured: {
        steps: [
          { name: 'dartsmith, fp32', order: 'second order', median: 1 },
          { name: 'dartsmith, fp32', order: 'first order', median: step },
        ],
        kernelsOfPasses: { fp32: { alpha: pass, weights: pass, both: pass } },
      },
    },
  };
}

describe('leaseParts', () => {
  it('share out the time, the tiles of a stage right behind its sliding warps', () => {
    const parts = leaseParts(600);
    const seconds = parts.reduce((sum, part) => sum + (part.seconds ?? 0), 0);
    expect(seconds).toBeGreaterThan(600);
    expect(seconds).toBeLessThan(720);
    const names = parts.map(({ stage, label }) => label ?? stage);
    expect(new Set(names).size).toBe(names.length);
    expect(names.indexOf('step-times, tiles')).toBe(names.indexOf('step-times') + 1);
    expect(parts.find(({ label }) => label === 'step-times, tiles')).toMatchObject({
      environment: { DARTSMITH_CUDA_KERNELS: 'tiles' },
      rivals: false,
    });
  });
});

describe('concludeLease', () => {
  it('compares what was found with what was predicted, and judges what a first try has to reach', () => {
    const lines = concludeLease(
      [
        stepTimes('step-times', 0.02, 0.004),
        stepTimes('step-times, tiles', 0.066, 0.016),
        stepTimes('step-times, without branches', 0.022, 0.005),
        stepTimes('step-times, early starts', 0.019, 0.004),
      ],
      true,
    );
    expect(lines).toHaveLength(predictions.length);
    expect(lines).toContain(
      'step, fp32: predicted 18.2 ms on an H100; sliding warps 20.00 ms, tiles 66.00 ms, without branches 22.00 ms, early starts 19.00 ms: PASS',
    );
    expect(lines).toContain(
      'separables forward, fp32: predicted 3.6 ms on an H100; sliding warps 4.00 ms, tiles 16.00 ms, without branches 5.00 ms, early starts 4.00 ms: PASS',
    );
    expect(concludeLease([stepTimes('step-times', 0.03, 0.004)], true)).toContain(
      'step, fp32: predicted 18.2 ms on an H100; sliding warps 30.00 ms, tiles not measured, without branches not measured, early starts not measured: above 25 ms',
    );
  });

  it('judges nothing off a GPU', () => {
    for (const line of concludeLease([stepTimes('step-times', 0.03, 0.004)], false))
      expect(line).not.toMatch(/PASS|above/);
  });

  it('says so where nothing was measured', () => {
    for (const line of concludeLease([], true))
      expect(line).toMatch(
        /sliding warps not measured, tiles not measured, without branches not measured, early starts not measured$/,
      );
  });
});

describe('rowOf', () => {
  it('takes the metrics out of what ncu prints', () => {
    const csv = `==PROF== Connected
"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","k(int)","gpu__time_duration.sum","us","12.5"
"0","k(int)","smsp__issue_active.avg.per_cycle_active","inst/cycle","0.71"
`;
    expect(rowOf('k', csv)).toMatchObject({
      kernel: 'k',
      us: '12.5 us',
      'issued a cycle': '0.71 inst/cycle',
      barrier: '-',
    });
  });
});
