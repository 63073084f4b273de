// What check:cpu is made of.
import { describe, expect, it } from 'vitest';
import { type Block, naturalLoops } from '../../../bench/cpu_static/flow.ts';
import { innerLoops, shortFunction } from '../../../bench/cpu_static/loops.ts';

/** As objdump prints a function of these lines, four bytes each; `@n` stands for the address of line n. */
function disassembly(format: string, name: string, lines: readonly string[]): string {
  const address = (line: number) => (0x40 + 4 * line).toString(16);
  const body = lines.map((line, i) => `  ${address(i)}:\t${line.replace(/@(\d+)/, (_, n) => address(Number(n)))}`);
  return [`kernel.o:     file format ${format}`, '', `0000000000000040 <${name}>:`, ...body, ''].join('\n');
}

const fma = 'vfmadd231ps %ymm0,%ymm1,%ymm2';

describe('innerLoops', () => {
  const name = 'void dartsmith::cpu::avx2::(anonymous namespace)::slide<5, true>(float const*, long)';
  const looped = (...inner: string[]) =>
    disassembly('elf64-x86-64', name, ['push %rbp', ...inner, 'dec %rax', 'jne @1 <slide+0x4>', 'ret']);

  it('counts what goes by the stack', () => {
    const [loop] = innerLoops(looped(fma, fma, fma, fma, 'vmovaps 0x20(%rsp),%ymm3', 'mov %rax,-0x8(%rsp)'));
    expect(loop).toEqual({ kernel: 'slide<5, true>', multiplyAdds: 4, instructions: 8, stackAccesses: 2 });
  });

  it('but no address, no call, and the frame pointer only where it is one', () => {
    const inner = [fma, fma, fma, fma, 'lea 0x8(%rsp),%rax', 'mov (%rbp),%rcx', 'call 0 <f>'];
    expect(innerLoops(looped(...inner))[0].stackAccesses).toBe(0);
    expect(innerLoops(looped(...inner).replace('push %rbp', 'mov %rsp,%rbp'))[0].stackAccesses).toBe(1);
  });

  it('passes over loops of little arithmetic', () => {
    expect(innerLoops(looped(fma, fma, fma))).toEqual([]);
  });

  it('takes the innermost, past one that only fetches ahead', () => {
    const lines = [
      ...['mov (%rsp),%rax', fma, fma, fma, fma, 'prefetcht0 (%rcx)', 'jne @5 <slide>', 'jne @1 <slide>'],
      ...[fma, 'mov (%rsp),%rdx', 'jne @0 <slide>', 'ret'],
    ];
    const loops = innerLoops(disassembly('elf64-x86-64', name, lines));
    expect(loops).toMatchObject([{ multiplyAdds: 4, instructions: 7, stackAccesses: 0 }]);
  });

  it('follows a loop whose end lies before its beginning', () => {
    const lines = ['jmp @6 <slide>', fma, fma, 'mov (%rsp),%rdx', 'jne @6 <slide>', 'ret', fma, fma, 'jmp @1 <slide>'];
    const loops = innerLoops(disassembly('elf64-x86-64', name, lines));
    expect(loops).toMatchObject([{ multiplyAdds: 4, instructions: 7, stackAccesses: 1 }]);
  });

  it('reads Arm', () => {
    const inner = ['fmla v0.4s, v1.4s, v2.4s', 'fmls v0.4s, v1.4s, v2.s[0]'];
    const lines = [
      'mov x29, sp',
      ...inner,
      ...inner,
      'ldr q3, [sp, #16]',
      'str x1, [x29, #8]',
      'cbnz x0, @1 <f>',
      'ret',
    ];
    const loops = innerLoops(disassembly('elf64-littleaarch64', 'f(int)', lines));
    expect(loops).toEqual([{ kernel: 'f', multiplyAdds: 4, instructions: 7, stackAccesses: 2 }]);
  });
});

describe('naturalLoops', () => {
  const graph = (...next: number[][]): Block[] => next.map((targets, i) => ({ first: i, end: i + 1, next: targets }));
  const loopsOf = (blocks: Block[]) => naturalLoops(blocks).map((loop) => loop.map(({ first }) => first));

  it('finds loops within loops', () => {
    expect(loopsOf(graph([1], [2], [2, 3], [1, 4], []))).toEqual([[2], [1, 2, 3]]);
  });

  it('joins those of one header', () => {
    expect(loopsOf(graph([1], [2, 3], [1], [1, 4], []))).toEqual([[1, 2, 3]]);
  });

  it('takes no jump into the middle for one', () => {
    expect(loopsOf(graph([1, 2], [2], [1, 3], []))).toEqual([]);
  });

  it('enters where nobody is seen to jump to, and what only leads to itself', () => {
    expect(loopsOf(graph([], [2], [1]))).toEqual([[1, 2]]);
    expect(loopsOf(graph([], [2], [2]))).toEqual([[2]]);
  });
});

it.each([
  ['void dartsmith::cpu::avx2::(anonymous namespace)::tile<8, true>(float const*)', 'tile<8, true>'],
  [
    'dartsmith::cpu::neon::parallel<dartsmith::cpu::neon::row(dartsmith::Stream&, int)::{lambda(long, int)#1}>(dartsmith::Stream&, long)::{lambda(void const*, long, int)#1}::_FUN(void const*, long, int)',
    'parallel<row::{lambda#1}>::{lambda#1}::_FUN',
  ],
  ['dartsmith::cpu::avx512::multiply(dartsmith::cpu::avx512::Rows&) [clone .constprop.0]', 'multiply'],
])('short for %s', (long, short) => {
  expect(shortFunction(long)).toBe(short);
});
