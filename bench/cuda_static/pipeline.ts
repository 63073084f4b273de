// How fast a scheduler issues a loop, by simulation of its machine code in order: stall counts and scoreboards as ptxas wrote
// them, pipes that take one or two cycles an instruction, the path on which shared memory and the first-level cache return one
// register of a warp a cycle and multiprocessor. Operands are not computed: how often parts of the loop run is given. No
// instruction is ever waited for. Latencies are public measurements of Hopper (arXiv:2402.13499), rounded.
import type { Instruction } from './sass.ts';

/** What an instruction occupies. */
type Pipe = 'fma' | 'half' | 'alu' | 'memory' | 'other';

/** Cycles until what a load asked for is there. */
export interface Latencies {
  readonly global: number;
  readonly shared: number;
  /** Of other instructions that a scoreboard is waited for: conversions, reciprocals, shuffles. */
  readonly other: number;
}

/** Of what lies in the second-level cache; from memory it takes about twice as long. */
export const secondLevel: Latencies = { global: 270, shared: 30, other: 24 };

/** Warps of a scheduler, and what they run. */
export interface Simulated {
  /** Instructions in the order in which a warp runs them. */
  readonly trace: readonly Instruction[];
  readonly warps: number;
  readonly latencies?: Latencies;
}

/** Of the schedulers of a multiprocessor: all four share the way back from memory. */
const schedulers = 4;
/** Loads and stores that may wait for the pipe before a warp does. */
const queued = 8;

/** Instructions that a scheduler issues a cycle, once every warp has run the trace. */
export function issueShare({ trace, warps, latencies = secondLevel }: Simulated): number {
  const states = Array.from({ length: warps }, (_, index) => ({
    // They do not stand at the same place.
    at: Math.floor((index * trace.length) / warps),
    left: trace.length,
    next: 0,
    /** By scoreboard, the cycle from which on it is free. */
    free: [0, 0, 0, 0, 0, 0],
  }));
  const busy: Record<Pipe, number> = { fma: 0, half: 0, alu: 0, memory: 0, other: 0 };
  let [cycle, issued, last] = [0, 0, 0];
  while (states.some(({ left }) => left > 0)) {
    // The one that issued last goes on while it can, else the next in turn.
    let chosen = -1;
    for (let i = 0; i < warps && chosen < 0; i++) {
      const index = (last + i) % warps;
      if (isReady(states[index], cycle)) chosen = index;
    }
    if (chosen >= 0) {
      const state = states[chosen];
      const instruction = trace[state.at];
      const { stall, write, read } = instruction.control;
      const pipe = pipeOf(instruction);
      const begin = Math.max(cycle, busy[pipe]);
      busy[pipe] = begin + occupation(instruction, pipe);
      if (write < 6) state.free[write] = Math.max(state.free[write], begin + latencyOf(instruction, latencies));
      if (read < 6) state.free[read] = Math.max(state.free[read], begin + latencies.other / 2);
      state.next = cycle + Math.max(1, stall);
      state.at = (state.at + 1) % trace.length;
      state.left--;
      issued++;
      last = chosen;
    }
    cycle++;
  }
  return issued / cycle;

  function isReady({ at, left, next, free }: (typeof states)[number], now: number): boolean {
    if (left <= 0 || next > now) return false;
    const { wait } = trace[at].control;
    for (let board = 0; board < 6; board++) if ((wait >> board) & 1 && free[board] > now) return false;
    const pipe = pipeOf(trace[at]);
    const behind = pipe === 'memory' ? queued * schedulers : 0;
    return busy[pipe] <= now + behind;
  }
}

/** Operations, by the low nine bits. */
const fma = new Set([0x20, 0x21, 0x23]);
const half = new Set([0x24, 0x25, 0x3c]);
const memory = new Set([0x181, 0x184, 0x180, 0x183, 0x186, 0x188, 0x185, 0x187, 0x3b]);
const alu = new Set([0x02, 0x04, 0x07, 0x08, 0x09, 0x0b, 0x0c, 0x10, 0x11, 0x12, 0x16, 0x17, 0x19, 0x1c]);

function pipeOf({ opcode }: Instruction): Pipe {
  const operation = opcode & 0x1ff;
  if (memory.has(operation)) return 'memory';
  if (fma.has(operation)) return 'fma';
  if (half.has(operation)) return 'half';
  return alu.has(operation) ? 'alu' : 'other';
}

/** Cycles of a scheduler's pipe: 32 lanes of multiply-adds, 16 of integers; memory returns a register a cycle to one of four. */
function occupation({ width, opcode }: Instruction, pipe: Pipe): number {
  if (pipe === 'memory') return schedulers * Math.max(1, (opcode === 0x83b ? 16 : width) / 4);
  return pipe === 'half' || pipe === 'alu' ? 2 : 1;
}

function latencyOf({ opcode }: Instruction, { global, shared, other }: Latencies): number {
  if (opcode === 0x981 || opcode === 0x980 || opcode === 0x983) return global;
  return opcode === 0x984 || opcode === 0x83b ? shared : other;
}
