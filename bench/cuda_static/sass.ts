// Machine code of compiled kernels, read without a disassembler: what the instructions of a cubin are, how wide its loads,
// which of them make its loops. The encoding is NVIDIA's, of compute capability 7.0 and later; it is not documented, and what
// is read here is what nvcc 13.0 was seen to write.

/** One instruction, 16 bytes. */
export interface Instruction {
  /** Of the code, in bytes. */
  readonly address: number;
  /** The low 12 bits. */
  readonly opcode: number;
  /** Of a load or store, in bytes; 0 for others. */
  readonly width: number;
  /** Of a branch, in bytes of the code. */
  readonly target?: number;
  readonly control: Control;
}

/** What ptxas decided for an instruction: none of it is found out while it runs. */
export interface Control {
  /** Cycles until the warp's next instruction. */
  readonly stall: number;
  /** Scoreboards that are held until a result is there, or operands were read; 7 for none. */
  readonly write: number;
  readonly read: number;
  /** Scoreboards that have to be free before, a bit each. */
  readonly wait: number;
}

/** A kernel's code. */
export interface KernelCode {
  /** Mangled. */
  readonly symbol: string;
  readonly instructions: readonly Instruction[];
}

const opcodes = {
  globalLoad: 0x981,
  sharedLoad: 0x984,
  genericLoad: 0x980,
  localLoad: 0x983,
  globalStore: 0x986,
  sharedStore: 0x988,
  genericStore: 0x985,
  localStore: 0x987,
  matrixLoad: 0x83b,
  branch: 0x947,
  barrier: 0xb1d,
  exit: 0x94d,
  noOperation: 0x918,
} as const;
/** Operands come in several forms, which bits 9 to 11 tell apart. */
const operations = { multiplyAdd: 0x23, tensorMultiplyAdd: 0x3c, doubleMultiplyAdd: 0x2b } as const;
const memoryOpcodes = new Set<number>([
  opcodes.globalLoad,
  opcodes.sharedLoad,
  opcodes.genericLoad,
  opcodes.localLoad,
  opcodes.globalStore,
  opcodes.sharedStore,
  opcodes.genericStore,
  opcodes.localStore,
]);

/** The code of every kernel in a cubin. Throws for what is no cubin. */
export function readCubin(cubin: Buffer): KernelCode[] {
  if (cubin.length < 64 || cubin.readUInt32BE(0) !== 0x7f454c46)
    throw new Error('expected a cubin but got no ELF file');
  const sections = Number(cubin.readBigUInt64LE(40));
  const size = cubin.readUInt16LE(58);
  const count = cubin.readUInt16LE(60);
  const section = (index: number) => {
    const at = sections + index * size;
    return {
      name: cubin.readUInt32LE(at),
      offset: Number(cubin.readBigUInt64LE(at + 24)),
      bytes: Number(cubin.readBigUInt64LE(at + 32)),
    };
  };
  const names = section(cubin.readUInt16LE(62));
  const nameOf = (offset: number) => {
    const start = names.offset + offset;
    return cubin.toString('latin1', start, cubin.indexOf(0, start));
  };
  return Array.from({ length: count }, (_, index) => section(index)).flatMap(({ name, offset, bytes }) => {
    const [, symbol] = /^\.text\.(.+)$/.exec(nameOf(name)) ?? [];
    if (symbol === undefined) return [];
    return [{ symbol, instructions: decode(cubin.subarray(offset, offset + bytes)) }];
  });
}

/** Instructions of a kernel's code. */
export function decode(code: Buffer): Instruction[] {
  return Array.from({ length: Math.floor(code.length / 16) }, (_, index) => {
    const address = index * 16;
    const low = code.readBigUInt64LE(address);
    const high = code.readBigUInt64LE(address + 8);
    const bits = low | (high << 64n);
    const opcode = Number(low & 0xfffn);
    const width = memoryOpcodes.has(opcode) ? widths[Number((bits >> 73n) & 7n)] : 0;
    const field = (first: number, count: number) => Number((bits >> BigInt(first)) & ((1n << BigInt(count)) - 1n));
    const control = { stall: field(105, 4), write: field(110, 3), read: field(113, 3), wait: field(116, 6) };
    if (opcode !== opcodes.branch) return { address, opcode, width, control };
    const distance = BigInt.asIntN(56, (((bits >> 34n) & 0xffffffffffffn) << 8n) | ((bits >> 16n) & 0xffn));
    return { address, opcode, width, control, target: address + 16 + Number(distance) * 4 };
  });
}

/** By the three bits that say so: signed and unsigned bytes, halves, then words. */
const widths = [1, 1, 2, 2, 4, 8, 16, 16] as const;

/** What a stretch of code is made of. */
export interface Mixture {
  readonly instructions: number;
  readonly bytes: number;
  readonly multiplyAdds: number;
  readonly tensorMultiplyAdds: number;
  /** By width in bytes. */
  readonly globalLoads: Readonly<Record<number, number>>;
  readonly sharedLoads: Readonly<Record<number, number>>;
  readonly matrixLoads: number;
  readonly genericLoads: number;
  /** Loads and stores: registers that were put aside. */
  readonly local: number;
  readonly barriers: number;
}

/** Counts what a stretch of code is made of. */
export function mixtureOf(instructions: readonly Instruction[]): Mixture {
  const those = (...wanted: number[]) => instructions.filter(({ opcode }) => wanted.includes(opcode));
  const forms = (operation: number) => instructions.filter(({ opcode }) => (opcode & 0x1ff) === operation).length;
  const byWidth = (opcode: number) => {
    const result: Record<number, number> = {};
    for (const { width } of those(opcode)) result[width] = (result[width] ?? 0) + 1;
    return result;
  };
  return {
    instructions: instructions.filter(({ opcode }) => opcode !== opcodes.noOperation).length,
    bytes: instructions.length * 16,
    multiplyAdds: forms(operations.multiplyAdd),
    tensorMultiplyAdds: forms(operations.tensorMultiplyAdd),
    globalLoads: byWidth(opcodes.globalLoad),
    sharedLoads: byWidth(opcodes.sharedLoad),
    matrixLoads: those(opcodes.matrixLoad).length,
    genericLoads: those(opcodes.genericLoad, opcodes.genericStore).length,
    local: those(opcodes.localLoad, opcodes.localStore).length,
    barriers: those(opcodes.barrier).length,
  };
}

/** A loop: from the target of a branch back to the branch. */
export interface Loop {
  readonly start: number;
  /** Of the last instruction. */
  readonly end: number;
  /** Loops within. */
  readonly inner: readonly Loop[];
}

/** The loops of a kernel, outermost first; those with the same start are one. */
export function loopsOf(instructions: readonly Instruction[]): Loop[] {
  const exits = instructions.filter(({ opcode }) => opcode === opcodes.exit).map(({ address }) => address);
  const ends = new Map<number, number>();
  for (const { address, target } of instructions) {
    // A branch to itself is where unreachable code ends. One back over an exit comes from code that was moved behind the
    // kernel's end, such as what lanes do that meet at different times.
    if (target === undefined || target >= address || exits.some((exit) => target < exit && exit < address)) continue;
    ends.set(target, Math.max(ends.get(target) ?? 0, address));
  }
  const all = [...ends].map(([start, end]) => ({ start, end })).sort((a, b) => b.end - b.start - (a.end - a.start));
  const nest = (within: readonly { start: number; end: number }[]): Loop[] => {
    const outermost = within.filter((loop) => !within.some((other) => other !== loop && contains(other, loop)));
    return outermost
      .map((loop) => ({ ...loop, inner: nest(within.filter((other) => other !== loop && contains(loop, other))) }))
      .sort((a, b) => a.start - b.start);
  };
  return nest(all);
}

function contains(outer: { start: number; end: number }, inner: { start: number; end: number }): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/** What can be said of a loop that multiplies. */
export interface LoopReport {
  /** With the loops within. */
  readonly bytes: number;
  /** What every turn runs, the loops within and the part below left out. */
  readonly every: Mixture;
  /**
   * What some turns jump over: the stretch that holds the loops within or, without any, the tensor cores' instructions. Empty
   * where there is none.
   */
  readonly some: Mixture;
  readonly inner: readonly LoopReport[];
  /** Instructions a cycle and scheduler by simulation (pipeline.ts), by warps of a scheduler; absent where nobody knows the turns. */
  readonly issueShares?: Readonly<Record<number, number>>;
}

/** The instructions of a loop's parts. */
export interface LoopParts {
  readonly every: readonly Instruction[];
  readonly some: readonly Instruction[];
  readonly inner: readonly LoopParts[];
}

/** Multiply-adds from which on a loop is told of. */
const leastMultiplyAdds = 16;

/** The loops of a kernel that multiply, each with what is in it; `simulate` gives the shares of those that it knows. */
export function reportLoops(
  instructions: readonly Instruction[],
  simulate: (parts: LoopParts) => LoopReport['issueShares'] = () => undefined,
): LoopReport[] {
  const report = (loop: Loop): { report: LoopReport; parts: LoopParts }[] => {
    const whole = mixtureOf(bodyOf(instructions, loop, { whole: true }));
    if (whole.multiplyAdds + whole.tensorMultiplyAdds < leastMultiplyAdds) return [];
    const within = loop.inner.flatMap(report);
    const own = bodyOf(instructions, loop);
    // A loop that only goes through others is told by them.
    if (own.length < 8 && within.length === 1) return within;
    const [start, end] = jumpedOver(own, loop) ?? [0, 0];
    const some = own.filter(({ address }) => address >= start && address < end);
    const every = own.filter((instruction) => !some.includes(instruction));
    const parts = { every, some, inner: within.map((one) => one.parts) };
    const mixtures = { every: mixtureOf(every), some: mixtureOf(some), inner: within.map((one) => one.report) };
    return [{ parts, report: { bytes: loop.end - loop.start + 16, ...mixtures, issueShares: simulate(parts) } }];
  };
  return loopsOf(instructions)
    .flatMap(report)
    .map((one) => one.report);
}

/** The shortest stretch that a branch within the loop jumps over and that holds all its inner loops or tensor instructions. */
function jumpedOver(own: readonly Instruction[], loop: Loop): readonly [number, number] | undefined {
  const held = loop.inner.length > 0 ? loop.inner.map(({ start }) => start) : tensorPlaces(own);
  if (held.length === 0) return undefined;
  const [first, last] = [Math.min(...held), Math.max(...held)];
  return own
    .flatMap(({ address, target }) => (target === undefined ? [] : [[address + 16, target] as const]))
    .filter(([start, end]) => start <= first && last < end && end <= loop.end)
    .sort((a, b) => a[1] - a[0] - (b[1] - b[0]))[0];
}

function tensorPlaces(instructions: readonly Instruction[]): number[] {
  return instructions
    .filter(({ opcode }) => (opcode & 0x1ff) === operations.tensorMultiplyAdd)
    .map(({ address }) => address);
}

/** The instructions of a loop, those of loops within left out unless `whole`. */
export function bodyOf(instructions: readonly Instruction[], loop: Loop, { whole = false } = {}): Instruction[] {
  return instructions.filter(
    ({ address }) =>
      address >= loop.start &&
      address <= loop.end &&
      (whole || !loop.inner.some(({ start, end }) => address >= start && address <= end)),
  );
}
