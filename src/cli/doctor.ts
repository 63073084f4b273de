import type { Command } from 'commander';
import { type BackendReport, describeBackends } from '../backend/open.ts';
import { BackendError } from '../errors.ts';
import { type Bf16Cost, measureBf16 } from './bf16_cost.ts';
import { formatTable } from './format.ts';
import { describeHost, findGpus, findTools, type GpuReport, type HostReport, type ToolReport } from './machine.ts';
import { version } from './version.ts';

/** What `dartsmith doctor --json` prints. */
interface Diagnosis {
  readonly version: string;
  readonly host: HostReport;
  readonly backends: readonly BackendReport[];
  /** The backend that `--backend auto` takes; null when none can be used. */
  readonly used: string | null;
  /** Measured where the CPU engine is there and has the memory; null elsewhere. */
  readonly bf16: Bf16Cost | null;
  readonly gpus: GpuReport;
  readonly tools: readonly ToolReport[];
}

/** Adds `dartsmith doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .summary('what was found on this machine, and what will be used')
    .description(
      'Reports backends, instruction sets, GPUs and compilers: what was found, what is used, why not the rest.',
    )
    .option('--json', 'print one JSON object')
    .action(doctor);
}

async function doctor({ json }: { json?: boolean }): Promise<void> {
  const diagnosis = await diagnose();
  process.stdout.write(`${json ? JSON.stringify(diagnosis) : diagnosisReport(diagnosis).join('\n')}\n`);
  if (diagnosis.used === null) {
    throw new BackendError('no backend can be used: with a C++ compiler on the PATH, run npm rebuild dartsmith');
  }
}

async function diagnose(): Promise<Diagnosis> {
  const [gpus, tools] = await Promise.all([findGpus(), findTools()]);
  const backends = await describeBackends();
  const used = backends.find((backend) => backend.usable)?.name ?? null;
  const hasCpu = backends.some(({ name, usable }) => name === 'cpu' && usable);
  return {
    version,
    host: describeHost(),
    backends,
    used,
    bf16: hasCpu ? await measureBf16().catch(() => null) : null,
    gpus,
    tools,
  };
}

function diagnosisReport({ host, backends, used, bf16, gpus, tools }: Diagnosis): string[] {
  return [
    ...formatTable([
      ['dartsmith', version],
      ['node', `${host.node} (${host.platform})`],
      ['processor', `${host.cpu}, ${host.cores} ${host.cores === 1 ? 'core' : 'cores'}`],
    ]),
    ...section(
      'backends',
      backends.flatMap((backend) => backendRows(backend, used)),
    ),
    ...(bf16 === null ? [] : section('--precision bf16, on the CPU', [[bf16Line(bf16)]])),
    ...section('gpus', gpuRows(gpus)),
    ...section(
      'compilers and build tools',
      tools.map((tool) => [tool.name, tool.version ?? 'not found']),
    ),
  ];
}

function section(title: string, rows: readonly (readonly string[])[]): string[] {
  return ['', title, ...formatTable(rows).map((line) => `  ${line}`)];
}

function backendRows(backend: BackendReport, used: string | null): string[][] {
  const state = backend.name === used ? 'used' : backend.usable ? 'usable' : 'not usable';
  return [
    [backend.name, state, backend.reason],
    ...Object.entries(backend.details).map(([name, detail]) => ['', '', `${name}: ${detail}`]),
  ];
}

function bf16Line({ time, memory }: Bf16Cost): string {
  return `a supernet's pass takes ${time.toFixed(2)} of the time and ${memory.toFixed(2)} of the memory that it takes in fp32`;
}

function gpuRows({ found, nvidiaSmi, deviceFile }: GpuReport): string[][] {
  if (found.length > 0) return found.map((gpu) => [gpu]);
  const looked = [
    nvidiaSmi ? 'nvidia-smi lists none' : 'nvidia-smi is not on the PATH or does not answer',
    deviceFile ? '/dev/nvidia0 exists' : 'there is no /dev/nvidia0',
  ];
  return [[`none: ${looked.join(', ')}`]];
}
