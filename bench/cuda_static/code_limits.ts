// What the machine code of sliding warps is held to: loops that stay in the instruction cache, wide loads, no loads whose address says
// nothing of its memory, and a share of multiply-adds.
import type { Precision } from '../../src/backend/device.ts';
import type { CompiledKernel } from './compile.ts';
import type { LoopReport, Mixture } from './sass.ts';
import {
  anyChannels,
  instructionsAnOutput,
  type SlidingKernel,
  slidingKernel,
  slidingLoops,
  warpsOf,
} from './sliding.ts';

/** The parts of a loop and of those within. */
function mixtures(loop: LoopReport): Mixture[] {
  return [loop.every, loop.some, ...loop.inner.flatMap(mixtures)];
}

/** Figures of a loop that limits are set for. */
export interface LoopFigures {
  readonly bytes: number;
  /** Of the instructions, counted once each. */
  readonly multiplyAddShare: number;
  readonly local: number;
  readonly generic: number;
  /** Of loads from device memory, in bytes. */
  readonly narrowestLoad: number;
}

/** The figures of a loop with those within. */
export function figuresOf(loop: LoopReport): LoopFigures {
  const parts = mixtures(loop);
  const sum = (of: (part: Mixture) => number) => parts.reduce((total, part) => total + of(part), 0);
  const widths = parts.flatMap(({ globalLoads }) => Object.keys(globalLoads).map(Number));
  return {
    bytes: loop.bytes,
    multiplyAddShare:
      sum(({ multiplyAdds, tensorMultiplyAdds }) => multiplyAdds + tensorMultiplyAdds) /
      sum(({ instructions }) => instructions),
    local: sum(({ local }) => local),
    generic: sum(({ genericLoads }) => genericLoads),
    narrowestLoad: widths.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...widths),
  };
}

/** What a kernel's loops are held to. */
export interface CodeLimit {
  readonly part: SlidingKernel['part'];
  /** Any where absent. */
  readonly window?: number;
  readonly channels?: number;
  readonly precision?: Precision;
  readonly loopBytes: number;
  /** Of the loop that has most. */
  readonly multiplyAddShare: number;
  /** Instructions that put registers aside or fetch them, in a loop. */
  readonly local: number;
}

/** The first that fits counts. The study asked for 14 KB and none put aside; where more is allowed it was tried. */
export const codeLimits: readonly CodeLimit[] = [
  { part: 'F', window: 3, precision: 'fp32', loopBytes: 12_000, multiplyAddShare: 0.41, local: 6 },
  { part: 'F', window: 5, precision: 'fp32', loopBytes: 15_500, multiplyAddShare: 0.49, local: 10 },
  { part: 'F', window: 3, loopBytes: 14_000, multiplyAddShare: 0.2, local: 4 },
  { part: 'F', window: 5, loopBytes: 18_000, multiplyAddShare: 0.3, local: 18 },
  { part: 'W', window: 3, precision: 'fp32', loopBytes: 14_000, multiplyAddShare: 0.44, local: 14 },
  { part: 'W', window: 5, precision: 'fp32', loopBytes: 17_500, multiplyAddShare: 0.46, local: 12 },
  { part: 'W', window: 3, loopBytes: 12_500, multiplyAddShare: 0.2, local: 2 },
  { part: 'W', window: 5, loopBytes: 17_000, multiplyAddShare: 0.3, local: 110 },
  { part: 'G', precision: 'fp32', loopBytes: 5_000, multiplyAddShare: 0.44, local: 8 },
  { part: 'G', loopBytes: 5_000, multiplyAddShare: 0.1, local: 0 },
  // Columns lie as far apart as there are channels: an address each.
  { part: 'D', channels: anyChannels, loopBytes: 10_500, multiplyAddShare: 0.23, local: 8 },
  { part: 'D', loopBytes: 10_500, multiplyAddShare: 0.25, local: 8 },
  { part: 'S', window: 3, loopBytes: 8_000, multiplyAddShare: 0.3, local: 3 },
  { part: 'S', window: 5, loopBytes: 12_500, multiplyAddShare: 0.43, local: 0 },
];

/** The architecture that the limits were read from. */
export const limitedArchitecture = '90';

/** What is wrong with the loops of the kernels, a line each. */
export function judgeCode(kernels: readonly CompiledKernel[]): string[] {
  return kernels.flatMap(({ kernel, architecture, loops }) => {
    const sliding = slidingKernel(kernel);
    if (sliding === undefined) return [];
    const name = `${kernel} on sm_${architecture}`;
    const all = slidingLoops(loops).map(figuresOf);
    const wrong: string[] = [];
    if (all.some(({ generic }) => generic > 0)) wrong.push(`${name}: loads or stores that do not know their memory`);
    if (architecture !== limitedArchitecture) return wrong;
    if (all.length === 0) return [`${name}: expected loops that multiply but found none`];
    const narrow = (sliding.precision === 'bf16' ? 2 : 4) * (sliding.part === 'D' ? 1 : 2);
    if (all.some(({ narrowestLoad }) => narrowestLoad < narrow))
      wrong.push(`${name}: loads of less than ${narrow} bytes`);
    const { part, window, channels, precision } = sliding;
    const limit = codeLimits.find(
      (known) =>
        known.part === part &&
        (known.window ?? window) === window &&
        (known.channels ?? channels) === channels &&
        (known.precision ?? precision) === precision,
    );
    if (limit === undefined) return [...wrong, `${name}: expected a limit for it`];
    const [bytes, share, local] = [
      Math.max(...all.map((loop) => loop.bytes)),
      Math.max(...all.map((loop) => loop.multiplyAddShare)),
      Math.max(...all.map((loop) => loop.local)),
    ];
    if (bytes > limit.loopBytes) wrong.push(`${name}: a loop of ${bytes} bytes, more than ${limit.loopBytes}`);
    if (share < limit.multiplyAddShare)
      wrong.push(`${name}: ${percent(share)} multiply-adds, fewer than ${percent(limit.multiplyAddShare)}`);
    if (local > limit.local)
      wrong.push(`${name}: ${local} registers put aside or fetched in a loop, more than ${limit.local}`);
    return wrong;
  });
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/**
 * Of the loops that slide, that of stride 1: it runs fewest instructions an output. The loops of D serve both windows; one of 5 x 5 has
 * more than twice the multiply-adds.
 */
export function plainLoop(loops: readonly LoopReport[], sliding: SlidingKernel, window?: number): LoopReport {
  const isWanted = (loop: LoopReport) =>
    sliding.part !== 'D' || loop.every.multiplyAdds > (sliding.weights ? 120 : 60) === (window === 5);
  return slidingLoops(loops)
    .filter(isWanted)
    .sort((a, b) => instructionsAnOutput(sliding, a) - instructionsAnOutput(sliding, b))[0];
}

/** A row of the table of machine code: of the loops of a kernel that which runs fewest instructions, the one of stride 1. */
export function codeRow({ kernel, registers, spillStoreBytes, spillLoadBytes, codeBytes, loops }: CompiledKernel) {
  const sliding = slidingKernel(kernel);
  if (sliding === undefined) return undefined;
  const windows = sliding.part === 'D' ? [3, 5] : [undefined];
  return windows.map((window) => {
    const loop = plainLoop(loops, sliding, window);
    const figures = figuresOf(loop);
    return {
      kernel: window === undefined ? kernel : `${kernel} ${window}x${window}`,
      registers,
      'spilled B': spillStoreBytes + spillLoadBytes,
      'code KB': Math.round(codeBytes / 1024),
      'loop KB': (figures.bytes / 1024).toFixed(1),
      'an output': instructionsAnOutput(sliding, loop).toFixed(0),
      'multiply-adds': percent(figures.multiplyAddShare),
      'issued a cycle': loop.issueShares?.[warpsOf(registers)]?.toFixed(2) ?? '-',
      'load B': figures.narrowestLoad,
      'local in loop': figures.local,
    };
  });
}
