// Spills to local memory: those that were found against those that are permitted.

/** One entry of scripts/cuda_spills.json. */
export interface PermittedSpill {
  /** Short name of a kernel; `*` stands for any characters. */
  readonly kernel: string;
  /** Such as `sm_80` or `sm_*`. */
  readonly architecture: string;
  /** Stores plus loads at most, in bytes. */
  readonly bytes: number;
  readonly reason: string;
}

/** A kernel that spills. */
export interface Spill {
  readonly kernel: string;
  /** Such as `sm_80`. */
  readonly architecture: string;
  /** Stores plus loads in bytes. */
  readonly bytes: number;
}

/** What is wrong with the spills. */
export interface SpillVerdict {
  /** Not on the list, or larger than it allows. */
  readonly refused: readonly Spill[];
  /** Entries of the list that no spill needs. */
  readonly idle: readonly PermittedSpill[];
}

/** Judges the spills that were found. Throws where an entry gives no reason. */
export function judgeSpills(found: readonly Spill[], permitted: readonly PermittedSpill[]): SpillVerdict {
  for (const { kernel, architecture, reason } of permitted) {
    if (reason.trim() === '') throw new Error(`expected a reason for the spills of ${kernel} on ${architecture}`);
  }
  const spills = found.filter(({ bytes }) => bytes > 0);
  const covers = (entry: PermittedSpill, spill: Spill) =>
    matches(entry.kernel, spill.kernel) && matches(entry.architecture, spill.architecture);
  return {
    refused: spills.filter((spill) => !permitted.some((entry) => covers(entry, spill) && spill.bytes <= entry.bytes)),
    idle: permitted.filter((entry) => !spills.some((spill) => covers(entry, spill))),
  };
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(text);
}
