// What a search step has to do, kernel by kernel: the work that its roofline is drawn from.
import type { GradientTarget, KernelProfile, Peak, Program } from '../../src/backend/device.ts';
import { batchOf } from './pass.ts';
import { rooflineSeconds } from './roofline.ts';
import type { Order } from './search_steps.ts';

/** Passes of a step, each with how often it is taken; the finite difference of second order takes two alpha passes. */
const passesOf: Readonly<Record<Order, readonly (readonly [GradientTarget, number])[]>> = {
  'first order': [
    ['alpha', 1],
    ['weights', 1],
  ],
  'second order': [
    ['weights', 2],
    ['both', 1],
    ['alpha', 2],
  ],
};

/** Kernels of one kind within a pass. */
export interface KernelTotal {
  readonly calls: number;
  readonly seconds: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Every kernel of every kind of pass, as the device measured it one by one. */
export type PassProfiles = Readonly<Record<GradientTarget, readonly KernelProfile[]>>;

/** Measures the passes of a program, each once after one that does not count. */
export async function profilePasses(program: Program): Promise<PassProfiles> {
  const batch = batchOf(program.graph, program.batchSize, 1);
  const profiles: Partial<Record<GradientTarget, readonly KernelProfile[]>> = {};
  for (const target of ['weights', 'alpha', 'both'] as const) {
    await program.gradients({ batch, target });
    profiles[target] = (await program.gradients({ batch, target, profile: true })).profile ?? [];
  }
  return profiles as PassProfiles;
}

/** FLOPs and bytes of a step, and its seconds at least, each kernel at the roof. Optimisers, a sweep or two, do not count. */
export function stepWork(order: Order, profiles: PassProfiles, peak: Peak) {
  const total = { flops: 0, bytes: 0, seconds: 0 };
  for (const [target, times] of passesOf[order]) {
    for (const kernel of profiles[target]) {
      total.flops += times * kernel.flops;
      total.bytes += times * kernel.bytes;
      total.seconds += times * rooflineSeconds(kernel, peak);
    }
  }
  return total;
}

/** A profile by kind of kernel, such as `separable backward`, the longest first. */
export function totalsOf(profile: readonly KernelProfile[]): Record<string, KernelTotal> {
  const totals = new Map<string, KernelTotal>();
  for (const { kernel, seconds, flops, bytes } of profile) {
    const known = totals.get(kernel) ?? { calls: 0, seconds: 0, flops: 0, bytes: 0 };
    totals.set(kernel, {
      calls: known.calls + 1,
      seconds: known.seconds + seconds,
      flops: known.flops + flops,
      bytes: known.bytes + bytes,
    });
  }
  return Object.fromEntries([...totals].sort(([, a], [, b]) => b.seconds - a.seconds));
}
