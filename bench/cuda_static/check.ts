// Compiles native/cuda for every architecture with warnings as errors, and fails on a spill to local memory that
// scripts/cuda_spills.json does not list, and on machine code of sliding warps beyond the limits of code_limits.ts. Option: --jobs N.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allowedProcessors } from '../../src/processors.ts';
import { count } from '../support/arguments.ts';
import { judgeSpills, type Permitted, type Spill, type Verdict } from '../support/permitted.ts';
import { printTable } from '../support/report.ts';
import { codeRow, judgeCode, limitedArchitecture } from './code_limits.ts';
import { type CompiledKernel, compileKernels, cudaSources, findToolkit, root, type Toolkit } from './compile.ts';

/** Compiles all kernels, saying on stderr what takes long. */
export async function compileAll(toolkit: Toolkit, jobs: number): Promise<CompiledKernel[]> {
  return compileKernels(toolkit, {
    jobs,
    onCompiled: (file, architecture, seconds) =>
      process.stderr.write(`${file} for sm_${architecture}: ${seconds.toFixed(1)} s\n`),
  });
}

/** Prints the spills and what is wrong with them. */
export function reportSpills(kernels: readonly CompiledKernel[]): Verdict & { readonly found: readonly Spill[] } {
  const permitted: Permitted[] = JSON.parse(readFileSync(join(root, 'scripts/cuda_spills.json'), 'utf8'));
  const found = kernels
    .map(({ kernel, architecture, spillStoreBytes, spillLoadBytes }) => ({
      kernel,
      architecture: `sm_${architecture}`,
      amount: spillStoreBytes + spillLoadBytes,
    }))
    .filter(({ amount }) => amount > 0);
  const verdict = judgeSpills(found, permitted);
  if (found.length === 0) console.log('no kernel spills to local memory');
  else
    printTable(
      found.map((spill) => ({
        kernel: spill.kernel,
        architecture: spill.architecture,
        bytes: spill.amount,
        verdict: verdict.refused.includes(spill) ? 'REFUSED' : 'listed',
      })),
    );
  for (const { kernel, architecture } of verdict.idle) {
    console.log(`scripts/cuda_spills.json: no spill needs the entry of ${kernel} on ${architecture} any more`);
  }
  if (verdict.refused.length > 0) {
    console.log(`${verdict.refused.length} spills are not listed in scripts/cuda_spills.json with a reason`);
  }
  return { ...verdict, found };
}

/** Prints what the machine code of sliding warps is like and what is wrong with it; gives how much. */
export function reportCode(kernels: readonly CompiledKernel[]): number {
  console.log(
    `Machine code of sliding warps for sm_${limitedArchitecture}: the loop of stride 1 with fewest instructions an output.`,
  );
  printTable(
    kernels
      .filter(({ architecture }) => architecture === limitedArchitecture)
      .flatMap((kernel) => codeRow(kernel) ?? []),
  );
  const wrong = judgeCode(kernels);
  for (const line of wrong) console.log(line);
  return wrong.length;
}

/** Runs the check; gives the exit code. */
export async function checkCuda(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { jobs: { type: 'string' } } });
  const jobs = count('jobs', values.jobs, allowedProcessors());
  const toolkit = findToolkit();
  if (toolkit === undefined) {
    console.log('check:cuda skipped: no nvcc on the PATH');
    return 0;
  }
  try {
    const kernels = await compileAll(toolkit, jobs);
    const { architectures } = cudaSources();
    const names = architectures.map((architecture) => `sm_${architecture}`).join(', ');
    console.log(`nvcc ${toolkit.version}: ${kernels.length / architectures.length} kernels compile for ${names}`);
    const refused = reportSpills(kernels).refused.length;
    return refused + reportCode(kernels) > 0 ? 1 : 0;
  } catch (error) {
    console.log((error as Error).message);
    return 1;
  }
}

if (import.meta.filename === process.argv[1]) process.exitCode = await checkCuda(process.argv.slice(2));
