import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The GPU as nvidia-smi tells of it; null where that does not answer. */
export type GpuReport = Readonly<Record<string, string>> | null;

const fields = ['name', 'driver_version', 'memory.total', 'clocks.max.sm', 'clocks.max.mem', 'power.limit', 'pstate'];

/** Asks nvidia-smi for the first GPU. */
export async function describeGpu(): Promise<GpuReport> {
  try {
    const args = [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader'];
    const { stdout } = await promisify(execFile)('nvidia-smi', args, { timeout: 10_000 });
    const values = stdout.split('\n')[0].split(', ');
    return Object.fromEntries(fields.map((field, index) => [field, values[index] ?? '']));
  } catch {
    return null;
  }
}
