import type { KernelProfile, Program } from '../../src/backend/device.ts';
import { figure, printTable } from '../support/report.ts';

interface Total {
  calls: number;
  seconds: number;
  flops: number;
  bytes: number;
}

/** Prints, by kernel, where the time of an alpha pass and of a weight pass goes. */
export async function profilePasses(program: Program): Promise<void> {
  const { batchSize, graph } = program;
  const inputs = Object.fromEntries(
    graph.nodes.flatMap((node) => {
      if (node.op !== 'input') return [];
      const elements = batchSize * node.shape.reduce((product, size) => product * size, 1);
      return [[node.name, Float32Array.from({ length: elements }, (_, i) => Math.sin(i))]];
    }),
  );
  const batch = { inputs, labels: new Int32Array(batchSize) };
  for (const target of ['alpha', 'weights'] as const) {
    if (target === 'alpha' && !graph.parameters.some(({ role }) => role === 'alpha')) continue;
    await program.gradients({ batch, target });
    const { profile = [] } = await program.gradients({ batch, target, profile: true });
    printProfile(`pass for ${target}`, profile);
  }
}

/** Prints where the time of a pass goes, by kernel. */
export function printProfile(title: string, profile: readonly KernelProfile[]): void {
  const totals = new Map<string, Total>();
  for (const { kernel, seconds, flops, bytes } of profile) {
    const total = totals.get(kernel) ?? { calls: 0, seconds: 0, flops: 0, bytes: 0 };
    totals.set(kernel, total);
    total.calls++;
    total.seconds += seconds;
    total.flops += flops;
    total.bytes += bytes;
  }
  const sum = profile.reduce((seconds, kernel) => seconds + kernel.seconds, 0);
  console.log(`\n${title}: ${figure(sum * 1e3)} ms in ${profile.length} kernels`);
  const rows = [...totals].sort(([, a], [, b]) => b.seconds - a.seconds);
  printTable(rows.map(([kernel, total]) => row(kernel, total, sum)));
}

function row(kernel: string, { calls, seconds, flops, bytes }: Total, sum: number) {
  return {
    kernel,
    calls,
    ms: figure(seconds * 1e3),
    share: `${((100 * seconds) / sum).toFixed(1)}%`,
    'GFLOP/s': figure(flops / seconds / 1e9),
    'GB/s': figure(bytes / seconds / 1e9),
  };
}
