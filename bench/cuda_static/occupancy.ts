// How many blocks of a kernel a multiprocessor holds, by the calculator that comes with the CUDA toolkit.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CompiledKernel, cacheFolder, hashOf, root, type Toolkit } from './compile.ts';
import { multiprocessors } from './hardware.ts';

/** Of every block: kThreads in native/cuda/task.cuh. */
export const blockThreads = 256;

/** One kernel on one architecture. */
export interface Occupancy {
  /** Blocks that a multiprocessor holds; 0 where one does not fit. */
  readonly blocks: number;
  /** Share of the threads that a multiprocessor holds at most. */
  readonly share: number;
  /** Such as `registers` or `registers+shared`. */
  readonly limitedBy: string;
}

/** The occupancy of each kernel with so much dynamic shared memory, in the order given. */
export function occupancies(
  toolkit: Toolkit,
  launches: readonly { readonly kernel: CompiledKernel; readonly dynamicSharedBytes: number }[],
): Occupancy[] {
  const input = launches.map(({ kernel, dynamicSharedBytes }) => {
    const { threads, sharedBytes, blockSharedBytes } = multiprocessors[kernel.architecture];
    const [major, minor] = [kernel.architecture.slice(0, -1), kernel.architecture.slice(-1)];
    return [
      ...[major, minor, threads, sharedBytes, blockSharedBytes],
      ...[kernel.registers, kernel.staticSharedBytes, dynamicSharedBytes, kernel.barriers, blockThreads],
    ].join(' ');
  });
  const { stdout } = spawnSync(calculator(toolkit), { input: `${input.join('\n')}\n`, encoding: 'utf8' });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line, index) => {
      const [blocks, limitedBy] = line.split(' ');
      if (limitedBy.startsWith('error')) throw new Error(`cuda_occupancy.h refuses '${input[index]}': ${limitedBy}`);
      const share = (Number(blocks) * blockThreads) / multiprocessors[launches[index].kernel.architecture].threads;
      return { blocks: Number(blocks), share, limitedBy };
    });
}

/** The program of occupancy.cc, compiled where it was not yet. */
function calculator({ version, include }: Toolkit): string {
  const source = join(import.meta.dirname, 'occupancy.cc');
  const program = join(cacheFolder, `occupancy-${hashOf([version, readFileSync(source, 'utf8')])}`);
  if (existsSync(program)) return program;
  mkdirSync(cacheFolder, { recursive: true });
  const args = ['-std=c++20', '-O1', `-I${include}`, source, '-o', program];
  const { status, stderr } = spawnSync(process.env['CXX'] ?? 'c++', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`occupancy.cc does not compile:\n${stderr}`);
  return program;
}
