// Inner loops in the machine code of the CPU kernels, as objdump prints it: what of their arithmetic goes by the stack.
import { type Block, naturalLoops } from './flow.ts';

/** What differs between processors. */
interface Dialect {
  /** A multiply-add of vectors, or half of one where there is none. */
  readonly arithmetic: RegExp;
  /** A jump and its target. */
  readonly jump: RegExp;
  /** What is never followed by the next instruction. */
  readonly end: RegExp;
  /** What makes the frame pointer one. */
  readonly framing: RegExp;
  /** Memory at the stack pointer, and at the frame pointer. */
  readonly stack: RegExp;
  readonly frame: RegExp;
}

const x86: Dialect = {
  arithmetic: /^(vfn?m(add|sub)\d+ps|mulps)\b/,
  jump: /^j[a-z]+\s+([0-9a-f]+)/,
  end: /^(jmp|ret|notrack jmp|ud2|hlt)/,
  framing: /^mov\s+%rsp,%rbp$/,
  stack: /^(?!lea|push|pop|call).*\(%rsp/,
  frame: /^(?!lea).*\(%rbp/,
};
const aarch64: Dialect = {
  arithmetic: /^fml[as]\s+v\d+\.4s/,
  jump: /^(?:b(?:\.[a-z]+)?\s+|cbn?z\s+\w+, |tbn?z\s+\w+, #\d+, )([0-9a-f]+)/,
  end: /^(b\s|br\s|ret|brk|udf)/,
  framing: /^(mov\s+x29, sp|add\s+x29, sp, #)/,
  stack: /\[sp\b/,
  frame: /\[x29\b/,
};

/** An innermost loop of arithmetic. */
export interface InnerLoop {
  /** The function it is in, short. */
  readonly kernel: string;
  /** Multiply-adds of vectors a turn, of all ways through it together. */
  readonly multiplyAdds: number;
  readonly instructions: number;
  /** Of the stack, likewise. */
  readonly stackAccesses: number;
}

interface Instruction {
  readonly address: number;
  readonly text: string;
}

/** Loops with less are not where time is spent. */
const leastArithmetic = 4;

/** The innermost loops of arithmetic in what `objdump -d -C --no-show-raw-insn` prints of an object file. */
export function innerLoops(disassembly: string): InnerLoop[] {
  const dialect = /file format elf64-littleaarch64/.test(disassembly) ? aarch64 : x86;
  return functionsOf(disassembly).flatMap(({ name, body }) => loopsOf(shortFunction(name), body, dialect));
}

function functionsOf(disassembly: string): { name: string; body: Instruction[] }[] {
  const functions: { name: string; body: Instruction[] }[] = [];
  for (const line of disassembly.split('\n')) {
    const name = /^[0-9a-f]+ <(.*)>:$/.exec(line)?.[1];
    if (name !== undefined) functions.push({ name, body: [] });
    const [, address, text] = /^\s+([0-9a-f]+):\s+(.*?)\s*$/.exec(line) ?? [];
    if (text !== undefined) functions.at(-1)?.body.push({ address: Number.parseInt(address, 16), text });
  }
  return functions;
}

function loopsOf(kernel: string, body: readonly Instruction[], dialect: Dialect): InnerLoop[] {
  const texts = body.map(({ text }) => text);
  const framed = texts.some((text) => dialect.framing.test(text));
  const onStack = (text: string) => dialect.stack.test(text) || (framed && dialect.frame.test(text));
  const loops = naturalLoops(blocksOf(body, dialect)).map((blocks) => {
    const lines = blocks.flatMap(({ first, end }) => texts.slice(first, end));
    return {
      blocks: new Set(blocks),
      kernel,
      multiplyAdds: lines.filter((text) => dialect.arithmetic.test(text)).length,
      instructions: lines.length,
      stackAccesses: lines.filter(onStack).length,
    };
  });
  // What only fetches ahead within a loop does not make that an outer one.
  const arithmetic = loops.filter(({ multiplyAdds }) => multiplyAdds > 0);
  const holds = (outer: ReadonlySet<Block>, inner: ReadonlySet<Block>) => [...inner].every((block) => outer.has(block));
  return arithmetic
    .filter((loop) => !arithmetic.some((other) => other !== loop && holds(loop.blocks, other.blocks)))
    .filter(({ multiplyAdds }) => multiplyAdds >= leastArithmetic)
    .map(({ blocks, ...loop }) => loop);
}

/** A function's instructions cut where a jump leads to or comes from. */
function blocksOf(body: readonly Instruction[], { jump, end }: Dialect): Block[] {
  const places = new Map(body.map(({ address }, place) => [address, place]));
  const targets = body.map(({ text }) => places.get(Number.parseInt(jump.exec(text)?.[1] ?? '', 16)));
  const starts = new Set([0]);
  for (const [place, target] of targets.entries()) {
    if (target !== undefined) starts.add(target);
    if (target !== undefined || end.test(body[place].text)) starts.add(place + 1);
  }
  const cuts = [...starts].filter((place) => place < body.length).sort((a, b) => a - b);
  const indices = new Map(cuts.map((place, index) => [place, index]));
  return cuts.map((first, index) => {
    const after = cuts[index + 1] ?? body.length;
    const target = targets[after - 1];
    const goesOn = !end.test(body[after - 1].text) && after < body.length;
    return {
      first,
      end: after,
      next: [...(target === undefined ? [] : [indices.get(target)!]), ...(goesOn ? [index + 1] : [])],
    };
  });
}

/** A demangled name without its namespaces, arguments and what it returns. */
export function shortFunction(name: string): string {
  let short = name.replaceAll(/\(anonymous namespace\)::|dartsmith::(cpu::(\w+::)?)?| const\b/g, '');
  for (let longer = ''; longer !== short; ) {
    longer = short;
    short = short.replaceAll(/\([^()]*\)/g, '');
  }
  return short.replace(/^\w+ (?=[\w:]+<)/, '').replaceAll(/ \[clone [^\]]*\]/g, '');
}
