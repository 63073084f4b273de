// What `ptxas -v` says of kernels.

/** A kernel compiled for one architecture; bytes are those of one thread, shared memory of a block. */
export interface KernelResources {
  /** Mangled. */
  readonly symbol: string;
  /** Such as `80` for sm_80. */
  readonly architecture: string;
  readonly registers: number;
  readonly stackBytes: number;
  readonly spillStoreBytes: number;
  readonly spillLoadBytes: number;
  /** Beside what a launch asks for. */
  readonly staticSharedBytes: number;
  readonly barriers: number;
}

/**
 * Reads the report of one or more compilations. Functions that a kernel calls add to its spills; those that stand before any
 * kernel do not count.
 */
export function parsePtxas(report: string): KernelResources[] {
  const kernels: { -readonly [K in keyof KernelResources]: KernelResources[K] }[] = [];
  let inside = false;
  for (const line of report.split('\n')) {
    const entry = /Compiling entry function '(\S+)' for 'sm_(\w+)'/.exec(line);
    if (entry !== null) {
      const [, symbol, architecture] = entry;
      kernels.push({
        symbol,
        architecture,
        registers: 0,
        stackBytes: 0,
        ...noSpills,
        staticSharedBytes: 0,
        barriers: 0,
      });
      inside = false;
      continue;
    }
    const kernel = kernels.at(-1);
    if (kernel === undefined) continue;
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (frame !== null) {
      kernel.stackBytes += Number(frame[1]);
      kernel.spillStoreBytes += Number(frame[2]);
      kernel.spillLoadBytes += Number(frame[3]);
    }
    const used = /Used (\d+) registers(.*)/.exec(line);
    if (used === null || inside) continue;
    inside = true;
    kernel.registers = Number(used[1]);
    kernel.barriers = Number(/used (\d+) barriers/.exec(used[2])?.[1] ?? 0);
    kernel.staticSharedBytes = Number(/(\d+) bytes smem/.exec(used[2])?.[1] ?? 0);
  }
  return kernels;
}

const noSpills = { spillStoreBytes: 0, spillLoadBytes: 0 } as const;
