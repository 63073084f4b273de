// What this machine is, for whoever builds or chooses an addon.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** Whether a program of that name runs. */
export function answers(program, ...args) {
  return spawnSync(program, args.length > 0 ? args : ['--version']).status === 0;
}

/** What the processor says that it can do, as /proc/cpuinfo or sysctl spell it. */
function processorFlags() {
  try {
    if (process.platform === 'linux') return /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    const names = ['machdep.cpu.features', 'machdep.cpu.leaf7_features'];
    return spawnSync('sysctl', ['-n', ...names], { encoding: 'utf8' }).stdout.toLowerCase();
  } catch {
    return '';
  }
}

/** The best of the instruction sets in native/sources.json that this machine runs. */
export function bestInstructionSet() {
  if (process.arch === 'arm64') return 'neon';
  const flags = new Set(processorFlags().trim().split(/\s+/));
  const has = (...names) => process.arch === 'x64' && names.every((name) => flags.has(name));
  if (has('avx2', 'fma', 'avx512f', 'avx512vl', 'avx512dq', 'avx512bw')) return 'avx512';
  return has('avx2', 'fma') ? 'avx2' : 'baseline';
}

/** Whether there is an NVIDIA GPU with a driver. */
export function hasGpu() {
  return answers('nvidia-smi', '-L');
}

/** How the platform's package is called, such as dartsmith-linux-x64-glibc; src/backend/native/addon.ts looks for it. */
export function platformPackage() {
  const libc = process.platform === 'linux' ? `-${isGlibc() ? 'glibc' : 'musl'}` : '';
  return `dartsmith-${process.platform}-${process.arch}${libc}`;
}

function isGlibc() {
  process.report.excludeNetwork = true; // else it may ask for names for seconds
  return process.report.getReport().header.glibcVersionRuntime !== undefined;
}
