// Kernels by the short names that all tables use: `separable_backward_kernel<bf16>`.
import { spawnSync } from 'node:child_process';
import { precisions } from '../../src/backend/device.ts';

/** What `c++filt` makes of mangled names, in their order. Throws where it is missing. */
export function demangled(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const { status, stdout, error } = spawnSync('c++filt', { input: `${names.join('\n')}\n`, encoding: 'utf8' });
  if (status !== 0) throw new Error(`c++filt does not run: ${error?.message ?? status}`);
  return stdout.trimEnd().split('\n');
}

/** A demangled kernel function without namespaces and parameters; undefined for anything else. */
export function shortName(demangledName: string): string | undefined {
  const plain = demangledName.replaceAll('(anonymous namespace)::', '').replaceAll(/\b\w+::/g, '');
  const match = /^(?:void )?(\w+_kernel)(?:<((?:[^<>]|<[^<>]*>)*)>)?\([^[]*$/.exec(plain);
  if (match === null) return undefined;
  const [, name, parameters] = match;
  if (parameters === undefined) return name;
  const named = parameters
    .trimEnd()
    .replaceAll(/\(Precision\)(\d)/g, (_, index) => precisions[Number(index)])
    .replaceAll(/\(Layout\)(\d)/g, (_, index) => layouts[Number(index)]);
  return `${name}<${named}>`;
}

/** As native/cuda/task.cuh numbers them: how the channels of tensors lie that a kernel is compiled for. */
const layouts = ['floats', 'halves', 'any'] as const;

/** Kernel functions of a shared library by their place in its file, found by `nm`. */
export function kernelsByPlace(library: string): Map<number, string> {
  const { status, stdout, error } = spawnSync('nm', ['--defined-only', library], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`nm does not run: ${error?.message ?? status}`);
  const symbols = stdout
    .split('\n')
    .map((line) => /^([0-9a-f]+) [tTwW] (\S+_kernel\S*)$/.exec(line))
    .filter((match) => match !== null);
  const names = demangled(symbols.map(([, , symbol]) => symbol));
  const result = new Map<number, string>();
  for (const [index, [, place]] of symbols.entries()) {
    const name = shortName(names[index]);
    if (name !== undefined) result.set(Number.parseInt(place, 16), name);
  }
  return result;
}
