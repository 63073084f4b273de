import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../src/backend/device.ts';
import { openDevice } from '../../../src/backend/open.ts';
import { AbortedError, BackendError } from '../../../src/errors.ts';
import { measureKernel } from '../../../src/kernels/measure.ts';
import { kernels } from '../../../src/kernels.ts';
import { wrapDevice } from '../../helpers/wrapped_device.ts';

const relu = kernels.relu({ shape: [2, 2, 4] });
const peak = { flopsPerSecond: 1e3, bytesPerSecond: 1e4 };

let device: Device;
beforeAll(async () => {
  device = await openDevice({ threads: 1 });
});
afterAll(() => device.dispose());

/** A device whose backward takes as long as its list says, run by run, and whose forward takes a second in two kernels. */
function paced(name: string, seconds: number[], log: string[] = []): Device {
  const counts = { flops: 0, productFlops: 0, bytes: 0, workspaceBytes: 0 };
  const entry = (kernel: string, taken: number) => ({ kernel, seconds: taken, ...counts });
  return wrapDevice(device, (outcome) => {
    log.push(name);
    const forward = [entry('moments forward', 0.25), entry('combine forward', 0.75)];
    return { ...outcome, profile: [...forward, entry('relu backward', seconds.shift()!)] };
  });
}

describe('measureKernel', () => {
  it('takes turns after two warm-ups and compares within each round', async () => {
    const log: string[] = [];
    const contestants = [
      { name: 'a', device: paced('a', [100, 100, 1, 2, 4], log), peak },
      { name: 'b', device: paced('b', [100, 100, 3, 4, 20], log), peak },
    ];
    const rounds: number[] = [];
    const onRound = (round: number) => rounds.push(round);
    const [forward, backward] = await measureKernel(relu, contestants, { batchSize: 1, runs: 3, onRound });
    expect(log.join('')).toBe('ababababab');
    expect(rounds).toEqual([1, 2, 3]);
    expect(forward).toMatchObject({ pass: 'forward', flops: 16, bytes: 128 });
    expect(forward.figures[0]).toEqual({
      seconds: [1, 1, 1],
      medianSeconds: 1,
      interquartileSeconds: 0,
      flopsPerSecond: 16,
      bytesPerSecond: 128,
      // 16 of 1e3 FLOP/s, which is more than 128 of 1e4 bytes/s.
      shareOfPeak: 0.016,
      ratio: 1,
      ran: ['moments', 'combine'],
    });
    expect(backward).toMatchObject({ pass: 'backward', flops: 16, bytes: 192 });
    expect(backward.figures[0]).toMatchObject({ medianSeconds: 2, interquartileSeconds: 1.5, shareOfPeak: 0.0096 });
    // Ratios 3, 2 and 5.
    expect(backward.figures[1]).toMatchObject({ seconds: [3, 4, 20], ratio: 3, ran: ['relu'] });
  });

  it('measures what the engine runs', async () => {
    const [forward, backward] = await measureKernel(relu, [{ name: 'cpu', device, peak }], { batchSize: 2, runs: 2 });
    for (const { figures } of [forward, backward]) {
      expect(figures[0].ran).toEqual(['relu']);
      expect(figures[0].medianSeconds).toBeGreaterThan(0);
      expect(figures[0].medianSeconds).toBeLessThan(0.1);
    }
  });

  it('stops through its signal, and says when a backend measures nothing', async () => {
    const run = (opened: Device, signal?: AbortSignal) =>
      measureKernel(relu, [{ name: 'cpu', device: opened, peak }], { batchSize: 1, runs: 1, signal });
    await expect(run(device, AbortSignal.abort())).rejects.toThrow(AbortedError);
    const silent = wrapDevice(device, (outcome) => ({ ...outcome, profile: undefined }));
    await expect(run(silent)).rejects.toThrow(BackendError);
  });
});
