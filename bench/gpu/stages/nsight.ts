// Nsight Compute on the kernels that the design stands on: what warps wait for, bytes from memory, instructions issued.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Context } from '../context.ts';
import type { StageOutcome, TableRow } from '../outcome.ts';
import { stepsOnce } from '../steps_once.ts';

/** Kernels by their names in tables of the machine code, one launch of each in a step. */
const profiled = [
  'separable_forward_kernel<5, 16',
  'separable_output_kernel<5, 16',
  'separable_output_kernel<3, 64',
  'separable_input_kernel<16',
  'combine_forward_kernel<16',
  'combine_backward_kernel<16',
  'pool_backward_kernel<16',
] as const;

/** Columns of the table and Nsight's names for them. */
const metrics = {
  us: 'gpu__time_duration.sum',
  'issued a cycle': 'smsp__issue_active.avg.per_cycle_active',
  'MB from memory': 'dram__bytes.sum',
  'warps %': 'sm__warps_active.avg.pct_of_peak_sustained_active',
  'no instruction': 'smsp__average_warps_issue_stalled_no_instruction_per_issue_active.ratio',
  memory: 'smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio',
  shared: 'smsp__average_warps_issue_stalled_mio_throttle_per_issue_active.ratio',
  barrier: 'smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio',
} as const;

const metricNames: ReadonlySet<string> = new Set(Object.values(metrics));

const script = fileURLToPath(new URL(`../steps_once${import.meta.url.slice(-3)}`, import.meta.url));

/** Profiles one step's launches in a process of its own. Skipped where there is no `ncu`, or it may not count. */
export async function profileKernels({ backend, progress, secondsLeft }: Context): Promise<StageOutcome> {
  if (backend !== 'cuda') {
    await stepsOnce(backend);
    return { skipped: 'the step that is profiled runs; Nsight Compute needs a GPU' };
  }
  const rows: TableRow[] = [];
  const leftOut: Record<string, string> = {};
  for (const kernel of profiled) {
    if (secondsLeft() < secondsOfOne) {
      leftOut[kernel] = 'there was no time left';
      continue;
    }
    progress(kernel);
    const [name] = kernel.split('<');
    const found = spawnSync(
      'ncu',
      [
        ...['--csv', '--target-processes', 'all', '--kernel-name-base', 'demangled', '--launch-count', '1'],
        ...['--kernel-name', `regex:${name}.*${kernel.slice(name.length + 1).replaceAll(/[(), ]/g, '.*')}`],
        ...['--metrics', Object.values(metrics).join(',')],
        ...[process.execPath, ...process.execArgv, script, backend],
      ],
      { encoding: 'utf8', timeout: 1000 * Math.min(secondsLeft(), secondsOfOne * 8), maxBuffer: 1 << 26 },
    );
    if (found.error !== undefined || found.status !== 0) {
      leftOut[kernel] = (found.error?.message ?? found.stderr).trim().slice(-300) || `exit code ${found.status}`;
      if (found.error !== undefined && 'code' in found.error && found.error.code === 'ENOENT')
        return { skipped: 'there is no ncu on the PATH' };
      continue;
    }
    rows.push(rowOf(kernel, found.stdout));
  }
  return { rows, leftOut, data: { measured: rows } };
}

/** A process under Nsight takes this long to begin with. */
const secondsOfOne = 8;

/** The metrics among what ncu prints: CSV whose lines end in name, unit and value. */
export function rowOf(kernel: string, csv: string): TableRow {
  const values = new Map<string, string>();
  for (const line of csv.split('\n')) {
    const cells = [...line.matchAll(/"([^"]*)"/g)].map(([, cell]) => cell);
    const at = cells.findIndex((cell) => metricNames.has(cell));
    if (at >= 0) values.set(cells[at], `${cells[at + 2]} ${cells[at + 1]}`.trim());
  }
  return {
    kernel,
    ...Object.fromEntries(Object.entries(metrics).map(([column, metric]) => [column, values.get(metric) ?? '-'])),
  };
}
