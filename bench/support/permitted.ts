// What compiled kernels put aside to memory: what was found against what a list permits, with a reason for each.

/** One entry of a list such as scripts/cuda_spills.json. */
export interface Permitted {
  /** Short name of a kernel; `*` stands for any characters. */
  readonly kernel: string;
  /** Such as `sm_80`, `avx2` or `sm_*`. */
  readonly architecture: string;
  /** At most, in the unit of the list. */
  readonly most: number;
  readonly reason: string;
}

/** A kernel that puts registers aside. */
export interface Spill {
  readonly kernel: string;
  /** Such as `sm_80` or `avx2`. */
  readonly architecture: string;
  /** In the unit of the list: bytes stored and loaded by a GPU's kernel, accesses in a CPU's inner loop. */
  readonly amount: number;
}

/** What is wrong with the spills. */
export interface Verdict {
  /** Not on the list, or larger than it allows. */
  readonly refused: readonly Spill[];
  /** Entries of the list that no spill needs. */
  readonly idle: readonly Permitted[];
}

/** Judges the spills that were found. Throws where an entry gives no reason. */
export function judgeSpills(found: readonly Spill[], permitted: readonly Permitted[]): Verdict {
  for (const { kernel, architecture, reason } of permitted) {
    if (reason.trim() === '') throw new Error(`expected a reason for the spills of ${kernel} on ${architecture}`);
  }
  const spills = found.filter(({ amount }) => amount > 0);
  const covers = (entry: Permitted, spill: Spill) =>
    matches(entry.kernel, spill.kernel) && matches(entry.architecture, spill.architecture);
  return {
    refused: spills.filter((spill) => !permitted.some((entry) => covers(entry, spill) && spill.amount <= entry.most)),
    idle: permitted.filter((entry) => !spills.some((spill) => covers(entry, spill))),
  };
}

function matches(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(text);
}
