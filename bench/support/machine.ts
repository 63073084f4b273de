import { cpus } from 'node:os';
import { checkoutCommit } from '../../src/cli/checkout.ts';
import { allowedProcessors } from '../../src/processors.ts';

/** Where and from what a figure was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly platform: string;
  readonly node: string;
  /** `unknown` outside a git checkout; ends in `-dirty` when tracked files differ from it. */
  readonly commit: string;
  /** ISO 8601. */
  readonly date: string;
}

/** This machine, this checkout, now. */
export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: allowedProcessors(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    commit: checkoutCommit() ?? 'unknown',
    date: new Date().toISOString(),
  };
}
