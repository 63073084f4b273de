// Machine code as check:cuda reads it, from code that is assembled here.
import { describe, expect, it } from 'vitest';
import { codeRow, figuresOf, judgeCode } from '../../../bench/cuda_static/code_limits.ts';
import type { CompiledKernel } from '../../../bench/cuda_static/compile.ts';
import { issueShare } from '../../../bench/cuda_static/pipeline.ts';
import { decode, loopsOf, mixtureOf, readCubin, reportLoops } from '../../../bench/cuda_static/sass.ts';
import { instructionsAnOutput, issueSharesOf, slidingKernel } from '../../../bench/cuda_static/sliding.ts';

const opcode = {
  fma: 0x223,
  fmaOfConstant: 0x623,
  load: 0x981,
  shared: 0x984,
  generic: 0x980,
  local: 0x983,
  mma: 0x23c,
};
const [branchOpcode, exitOpcode, addOpcode] = [0x947, 0x94d, 0x221];

/** Bits 73 to 75 say how wide a load is. */
const widthBits: Readonly<Record<number, bigint>> = { 2: 2n, 4: 4n, 8: 5n, 16: 6n };

interface Line {
  readonly code: number;
  readonly width?: number;
  readonly to?: number;
  readonly stall?: number;
  /** Scoreboard that is held until the result is there. */
  readonly write?: number;
  /** Scoreboards to wait for, a bit each. */
  readonly wait?: number;
}

/** `to` is the number of the instruction that a branch leads to. */
function assemble(lines: readonly Line[]): Buffer {
  return Buffer.concat(
    lines.map(({ code, width, to, stall = 1, write = 7, wait = 0 }, index) => {
      let bits =
        BigInt(code) | (BigInt(stall) << 105n) | (BigInt(write) << 110n) | (7n << 113n) | (BigInt(wait) << 116n);
      if (width !== undefined) bits |= widthBits[width] << 73n;
      if (to !== undefined) {
        const distance = BigInt.asUintN(56, BigInt((to - index - 1) * 4));
        bits |= ((distance & 0xffn) << 16n) | ((distance >> 8n) << 34n);
      }
      const bytes = Buffer.alloc(16);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, bits), 0);
      bytes.writeBigUInt64LE(bits >> 64n, 8);
      return bytes;
    }),
  );
}

const times = (count: number, line: Line): Line[] => Array.from({ length: count }, () => line);

/** A loop over rows, the last part of which every fourth row runs: a loop of its own among it. */
function slidingCode(
  inner: readonly Line[] = [...times(128, { code: opcode.fma }), ...times(12, { code: opcode.shared, width: 16 })],
) {
  const every: Line[] = [...times(6, { code: opcode.load, width: 8 }), ...times(80, { code: opcode.fma })];
  const begin = 2;
  const innerBegin = begin + every.length + 1 + 4;
  const innerEnd = innerBegin + inner.length;
  const end = innerEnd + 1 + 3;
  const lines: Line[] = [
    ...times(begin, { code: addOpcode }),
    ...every,
    { code: branchOpcode, to: end },
    ...times(4, { code: addOpcode }),
    ...inner,
    { code: branchOpcode, to: innerBegin },
    ...times(3, { code: addOpcode }),
    { code: branchOpcode, to: begin },
    { code: exitOpcode },
    // What was moved behind the end goes back into the loop: that is none.
    { code: addOpcode },
    { code: branchOpcode, to: begin + 1 },
  ];
  return decode(assemble(lines));
}

const compiled = (kernel: string, instructions = slidingCode()): CompiledKernel => ({
  kernel,
  symbol: kernel,
  architecture: '90',
  registers: 128,
  stackBytes: 0,
  spillStoreBytes: 0,
  spillLoadBytes: 0,
  staticSharedBytes: 0,
  barriers: 1,
  codeBytes: instructions.length * 16,
  loops: reportLoops(instructions),
});

describe('decode', () => {
  it('reads opcodes, widths and where branches lead', () => {
    const code = assemble([
      { code: opcode.load, width: 16 },
      { code: opcode.shared, width: 2 },
      { code: branchOpcode, to: 0 },
      { code: branchOpcode, to: 3 },
    ]);
    const control = { stall: 1, write: 7, read: 7, wait: 0 };
    expect(decode(code)).toEqual([
      { address: 0, opcode: opcode.load, width: 16, control },
      { address: 16, opcode: opcode.shared, width: 2, control },
      { address: 32, opcode: branchOpcode, width: 0, target: 0, control },
      { address: 48, opcode: branchOpcode, width: 0, target: 48, control },
    ]);
  });

  it('reads what ptxas decided for an instruction', () => {
    const [instruction] = decode(assemble([{ code: opcode.load, width: 8, stall: 11, write: 3, wait: 0b100001 }]));
    expect(instruction.control).toEqual({ stall: 11, write: 3, read: 7, wait: 0b100001 });
  });

  it('counts every form of a multiply-add, and loads by their memory', () => {
    const mixture = mixtureOf(
      decode(
        assemble([
          { code: opcode.fma },
          { code: opcode.fmaOfConstant },
          { code: opcode.mma },
          { code: opcode.generic, width: 4 },
          { code: opcode.local, width: 4 },
          { code: opcode.load, width: 8 },
          { code: 0x918 },
        ]),
      ),
    );
    expect(mixture).toMatchObject({
      instructions: 6,
      multiplyAdds: 2,
      tensorMultiplyAdds: 1,
      genericLoads: 1,
      local: 1,
    });
    expect(mixture.globalLoads).toEqual({ 8: 1 });
  });
});

describe('loops', () => {
  it('are found with those within; branches back from behind the end are none', () => {
    const [outer, ...others] = loopsOf(slidingCode());
    expect(others).toEqual([]);
    expect(outer.inner).toHaveLength(1);
  });

  it('say what every turn runs and what some jump over', () => {
    const [loop] = reportLoops(slidingCode());
    expect(loop.every).toMatchObject({ instructions: 6 + 80 + 2, multiplyAdds: 80 });
    expect(loop.some).toMatchObject({ instructions: 4 + 3, multiplyAdds: 0 });
    expect(loop.inner.map(({ every }) => every.multiplyAdds)).toEqual([128]);
  });
});

describe('readCubin', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['no ELF file', Buffer.alloc(100)],
  ])('refuses %s', (_, bytes) => {
    expect(() => readCubin(bytes)).toThrow('expected a cubin');
  });
});

describe('slidingKernel', () => {
  it.each([
    ['separable_forward_kernel<3, 16, fp32>', { part: 'F', window: 3, channels: 16, precision: 'fp32' }],
    ['separable_output_kernel<5, 64, bf16>', { part: 'W', window: 5, channels: 64, precision: 'bf16' }],
    ['separable_output_kernel<0, 32, tf32>', { part: 'G', channels: 32, precision: 'tf32' }],
    ['separable_input_kernel<32, true, false>', { part: 'D', channels: 32, precision: 'bf16', weights: false }],
    ['separable_input_kernel<0, false, true>', { part: 'D', channels: 0, precision: 'fp32', weights: true }],
    ['depthwise_kernel<5, true>', { part: 'S', window: 5, channels: 0, precision: 'bf16' }],
    ['combine_forward_kernel<16, false>', undefined],
  ])('%s', (name, expected) => {
    expect(slidingKernel(name)).toEqual(expected);
  });
});

describe('issueShare', () => {
  const share = (lines: readonly Line[], warps: number) => issueShare({ trace: decode(assemble(lines)), warps });

  it('is 1 for multiply-adds that nothing waits for, and half for integers', () => {
    expect(share(times(100, { code: opcode.fma }), 1)).toBeCloseTo(1, 2);
    expect(share(times(100, { code: 0x210 }), 4)).toBeCloseTo(0.5, 1);
  });

  it('follows stall counts, which other warps fill', () => {
    const stalled = times(50, { code: opcode.fma, stall: 4 });
    expect(share(stalled, 1)).toBeCloseTo(0.25, 1);
    expect(share(stalled, 4)).toBeGreaterThan(0.95);
  });

  it('waits for scoreboards as long as a load takes', () => {
    const waiting: Line[] = [
      { code: opcode.load, width: 4, write: 0 },
      { code: opcode.fma, wait: 1 },
    ];
    // Two instructions in about 270 cycles.
    expect(share(Array.from({ length: 20 }, () => waiting).flat(), 1)).toBeCloseTo(2 / 272, 3);
  });

  it('is held up by the way back from shared memory: a register a cycle for all four schedulers', () => {
    const loads = times(200, { code: opcode.shared, width: 16, write: 1 });
    expect(share(loads, 4)).toBeCloseTo(1 / 16, 2);
  });

  it('tells of a kernel by the warps that its registers leave', () => {
    const parts = { every: decode(assemble(times(40, { code: opcode.fma, stall: 4 }))), some: [], inner: [] };
    const shares = issueSharesOf(slidingKernel('separable_input_kernel<16, false, true>')!, parts)!;
    expect(shares[3]).toBeCloseTo(0.75, 1);
    expect(shares[4]).toBeGreaterThan(0.9);
  });
});

describe('limits of machine code', () => {
  const forward = 'separable_forward_kernel<3, 16, fp32>';

  it('count instructions an output by how often the parts of a loop run', () => {
    const [loop] = reportLoops(slidingCode());
    // Four rows, once what some run, and as many turns as 64 x 16 x 16 multiply-adds of 32 lanes take.
    const turns = (64 * 16 * 16) / 32 / 128;
    const inner = 128 + 12 + 1;
    expect(instructionsAnOutput(slidingKernel(forward)!, loop)).toBeCloseTo((4 * 88 + 7 + turns * inner) / 32, 10);
  });

  it('pass good code', () => {
    expect(judgeCode([compiled(forward)])).toEqual([]);
    expect(codeRow(compiled(forward))?.[0]).toMatchObject({ kernel: forward, 'load B': 8, 'local in loop': 0 });
    expect(codeRow(compiled('relu_kernel'))).toBeUndefined();
  });

  it.each([
    ['loads that do not know their memory', { code: opcode.generic, width: 8 }, 1, /do not know their memory/],
    ['narrow loads', { code: opcode.load, width: 4 }, 1, /loads of less than 8 bytes/],
    ['registers put aside', { code: opcode.local, width: 4 }, 9, /9 registers put aside/],
    ['few multiply-adds', { code: addOpcode }, 300, /fewer than/],
    ['long loops', { code: opcode.fma }, 700, /a loop of \d+ bytes, more than/],
  ])('refuse %s', (_, line, count, message) => {
    const instructions = slidingCode([...times(128, { code: opcode.fma }), ...times(count, line)]);
    expect(judgeCode([compiled(forward, instructions)]).join('\n')).toMatch(message);
  });

  it('refuse kernels without a loop', () => {
    expect(judgeCode([compiled(forward, [])])).toEqual([
      `${forward} on sm_90: expected loops that multiply but found none`,
    ]);
  });

  it('count a share over the loops within', () => {
    const [loop] = reportLoops(slidingCode());
    expect(figuresOf(loop).multiplyAddShare).toBeCloseTo((80 + 128) / (88 + 7 + 141), 10);
  });
});
