// What this machine offers, for `dartsmith doctor`. Nothing here throws: what cannot be asked counts as not found.
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { arch, cpus, platform } from 'node:os';
import { promisify } from 'node:util';
import { allowedProcessors } from '../processors.ts';

/** Processor and runtime. */
export interface HostReport {
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  /** Those that this process may use. */
  readonly cores: number;
}

/** A program and the version it gives; absent when it is not on the PATH, or does not run. */
export interface ToolReport {
  readonly name: string;
  readonly version?: string;
}

/** NVIDIA GPUs, each as name, driver and memory, and what was looked at. */
export interface GpuReport {
  readonly found: readonly string[];
  /** Whether nvidia-smi answered. */
  readonly nvidiaSmi: boolean;
  /** Whether /dev/nvidia0 exists. */
  readonly deviceFile: boolean;
}

const run = promisify(execFile);
const millisToAnswer = 5000;
const deviceFile = '/dev/nvidia0';

const tools: Readonly<Record<string, RegExp>> = {
  'c++': /^.+$/m,
  'g++': /^.+$/m,
  'clang++': /^.+$/m,
  cmake: /^.+$/m,
  make: /^.+$/m,
  nvcc: /^.*release.*$/m,
};

export function describeHost(): HostReport {
  const [first] = cpus();
  return {
    node: process.version,
    platform: `${platform()} ${arch()}`,
    cpu: first?.model.trim() || 'unknown processor',
    cores: allowedProcessors(),
  };
}

/** The compilers and build tools that an installation from source looks for. */
export function findTools(): Promise<ToolReport[]> {
  return Promise.all(
    Object.entries(tools).map(async ([name, line]) => ({
      name,
      version: line.exec((await outputOf(name, ['--version'])) ?? '')?.[0].trim(),
    })),
  );
}

export async function findGpus(): Promise<GpuReport> {
  const [listing, hasDeviceFile] = await Promise.all([
    outputOf('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']),
    access(deviceFile).then(
      () => true,
      () => false,
    ),
  ]);
  const found = (listing ?? '').split('\n').filter((line) => line.trim() !== '');
  return { found, nvidiaSmi: listing !== undefined, deviceFile: hasDeviceFile };
}

async function outputOf(program: string, parameters: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(program, parameters, { timeout: millisToAnswer, windowsHide: true });
    return stdout;
  } catch {
    return undefined;
  }
}
