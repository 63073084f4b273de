// How long a step of first order takes by its machine code and its bytes, on GPUs that nobody had. Separables: instructions
// of their loops by the outputs that the engine counts, at what a scheduler issues by simulation (pipeline.ts) and what instructions
// cost to fetch, which is calibrated by the tiles that an H100 has measured. All else: bytes at the rate of the memory. Computed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Precision } from '../../src/backend/device.ts';
import { limitedArchitecture, plainLoop } from './code_limits.ts';
import { type CompiledKernel, cudaSources, root } from './compile.ts';
import type { Gpu } from './hardware.ts';
import { demangled, shortName } from './names.ts';
import { issueShare } from './pipeline.ts';
import { type LoopReport, mixtureOf, readCubin } from './sass.ts';
import { anyChannels, instructionsAnOutput, type SlidingKernel, slidingKernel, warpsOf } from './sliding.ts';
import type { Launch } from './trace.ts';

/** What an H100 took of a step of the published search in float32 for the phases of tiles, in seconds (bench/RESULTS.md). */
export const measuredTiles = { 'separable forward': 16.3e-3, 'separable backward': 27.3e-3 } as const;
export type TilePhase = keyof typeof measuredTiles;

/** A model whose error on what was measured is larger than this is not believed. */
export const believedFactor = 1.5;

/** Shares of the data sheets' rates: both as an H100 measured them, the memory's with what kernels reach of that. */
const sustained = { clock: 59.6 / 67, memory: (3033 / 3350) * 0.85 } as const;

/** Of a warp. */
const lanes = 32;

/**
 * How often an instruction that was fetched is executed: tiles, whose code runs once between two barriers, by a count of their machine code
 * (bench/RESULTS.md); sliding warps as often as the shortest strips but one have rows.
 */
const executions = { tiles: 1.7, sliding: 8 } as const;

/** From one kernel of a graph to the next that waits for it: an assumption that public measurements allow. */
export const secondsANode = 1.3e-6;

/** Multiply-adds that a scheduler's lanes begin in a cycle: A100s have half as many. */
function multiplyAddLanes({ architecture }: Gpu): number {
  return architecture === '80' ? lanes / 2 : lanes;
}

/** Cycles of all schedulers of a GPU in a second. */
function issueSlots(gpu: Gpu): number {
  return (gpu.flopsPerSecond * sustained.clock) / (2 * multiplyAddLanes(gpu));
}

/** What a warp runs, and how fast a scheduler issues it with all code at hand. */
export interface Pace {
  /** Instructions of warps. */
  readonly instructions: number;
  readonly issueShare: number;
  /** Of the instructions. */
  readonly multiplyAddShare: number;
  readonly executions: number;
}

/** Seconds of so many instructions where fetching one costs a scheduler `fetchCycles`. */
export function secondsOf(pace: Pace, gpu: Gpu, fetchCycles: number): number {
  const issue = Math.max(1 / pace.issueShare, (pace.multiplyAddShare * lanes) / multiplyAddLanes(gpu));
  return (pace.instructions * (issue + fetchCycles / pace.executions)) / issueSlots(gpu);
}

/** The phases of tiles as their machine code and the engine's counts have them. */
export type TilePaces = Readonly<Record<TilePhase, Pace>>;

/** Their kernels in float32, whose code a phase runs through, by the file of native/cuda. */
const tileKernels = {
  'separable forward': { separable_forward: ['tiles_forward'] },
  'separable backward': { separable_backward: ['tiles_product', 'tiles_data'], separable_weights: ['tiles_weights'] },
} as const satisfies Readonly<Record<TilePhase, Readonly<Record<string, readonly string[]>>>>;

/** Compiles the tiles and reads them. `launches` are those of a step in float32. Throws where nvcc fails. */
export function tilePaces(launches: readonly Launch[]): TilePaces {
  const folder = mkdtempSync(join(tmpdir(), 'dartsmith-tiles-'));
  const codesOf = (file: string) => {
    const output = join(folder, `${file}.cubin`);
    const args = [...cudaSources().flags, '-Inative', '-arch=sm_90', '-cubin', `native/cuda/${file}.cu`, '-o', output];
    const { status, stderr } = spawnSync('nvcc', args, { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${file}.cu does not compile:\n${stderr}`);
    const codes = readCubin(readFileSync(output));
    const names = demangled(codes.map(({ symbol }) => symbol)).map(shortName);
    return new Map(codes.map(({ instructions }, index) => [names[index], instructions]));
  };
  const pace = (part: TilePhase): Pace => {
    const code = Object.entries(tileKernels[part]).flatMap(([file, kernels]) => {
      const codes = codesOf(file);
      return kernels.flatMap((kernel: string) => {
        const found = codes.get(`${kernel}_kernel<fp32, floats>`) ?? codes.get(`${kernel}_kernel<floats>`);
        if (found === undefined) throw new Error(`expected the code of ${kernel} in ${file}.cu`);
        return found;
      });
    });
    const { instructions, multiplyAdds } = mixtureOf(code);
    const multiplyAddShare = multiplyAdds / instructions;
    const wanted = sum(launches, (launch) => (launch.part === part ? launch.flops + launch.productFlops : 0)) / 2;
    return {
      // The code runs straight through, so that its mixture is that of what is executed.
      instructions: wanted / lanes / multiplyAddShare,
      issueShare: issueShare({ trace: code, warps: 4 }),
      multiplyAddShare,
      executions: executions.tiles,
    };
  };
  try {
    return { 'separable forward': pace('separable forward'), 'separable backward': pace('separable backward') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What fetching an instruction costs, so that the model gives the tiles' forward time on an H100. */
export function calibrate(paces: TilePaces, h100: Gpu): number {
  const pace = paces['separable forward'];
  const cycles = (measuredTiles['separable forward'] * issueSlots(h100)) / pace.instructions;
  return Math.max(0, (cycles - 1 / pace.issueShare) * pace.executions);
}

/** Predicted by measured time of the tiles' phase that the calibration did not see. */
export function calibrationError(paces: TilePaces, h100: Gpu): number {
  const predicted = secondsOf(paces['separable backward'], h100, calibrate(paces, h100));
  return predicted / measuredTiles['separable backward'];
}

/** Seconds of a step's parts. */
export interface StepTimes {
  readonly separableForward: number;
  readonly separableBackward: number;
  readonly rest: number;
  readonly nodes: number;
  readonly step: number;
}

/** A step of first order as {@link StepTimes} has it. */
export interface ModelledStep {
  readonly launches: readonly Launch[];
  readonly kernelNodes: number;
  readonly precision: Precision;
}

/** The times of a step. Throws where a kernel that it launches was not compiled. */
export function stepTimes(
  { launches, kernelNodes, precision }: ModelledStep,
  kernels: readonly CompiledKernel[],
  gpu: Gpu,
  fetchCycles: number,
): StepTimes {
  const bandwidth = gpu.bytesPerSecond * sustained.memory;
  const bytesOf = (part: string) =>
    sum(launches, (launch) => (launch.part === part ? launch.bytes - launch.scratchBytes : 0));
  const issued = (parts: readonly SlidingKernel['part'][]) =>
    sum(separableWork(launches, precision), ({ wanted, outputs }) => {
      if (!parts.includes(wanted.part)) return 0;
      return secondsOf(paceOf(kernels, wanted, outputs), gpu, fetchCycles);
    });
  const separableForward = Math.max(issued(['F']), bytesOf('separable forward') / bandwidth);
  const separableBackward = Math.max(issued(['W', 'G', 'D']), bytesOf('separable backward') / bandwidth);
  const rest = sum(launches, ({ part, bytes }) => (part.startsWith('separable ') ? 0 : bytes / bandwidth));
  const nodes = (kernelNodes - besides(launches)) * secondsANode;
  return {
    ...{ separableForward, separableBackward, rest, nodes },
    step: separableForward + separableBackward + rest + nodes,
  };
}

/** Launches that run beside another one, in a branch of their own. */
function besides(launches: readonly Launch[]): number {
  return launches.filter(({ kernel }) => /^separable_\w+_kernel<5|^convolution_weights/.test(kernel)).length;
}

interface SeparableWork {
  readonly wanted: SlidingKernel;
  readonly outputs: number;
}

/**
 * Outputs of each kernel of separables. Both passes of a step go over the same ones, half of them with each kernel size; one pass wants
 * the gradients of weights.
 */
function separableWork(launches: readonly Launch[], precision: Precision): SeparableWork[] {
  const forward = new Map<number, number>();
  for (const { part, kernel, productFlops } of launches) {
    const sliding = slidingKernel(kernel);
    if (part !== 'separable forward' || sliding === undefined) continue;
    const { channels } = sliding;
    forward.set(channels, (forward.get(channels) ?? 0) + productFlops / (2 * channels));
  }
  const stored = precision === 'bf16' ? 'bf16' : 'fp32';
  return [...forward].flatMap(([channels, outputs]) => [
    ...[3, 5].flatMap((window): SeparableWork[] => [
      { wanted: { part: 'F', window, channels, precision }, outputs: outputs / 2 },
      { wanted: { part: 'W', window, channels, precision }, outputs: outputs / 4 },
      ...[true, false].map((weights) => ({
        wanted: { part: 'D', window, channels, precision: stored, weights } as const,
        outputs: outputs / 4,
      })),
    ]),
    { wanted: { part: 'G', channels, precision }, outputs: outputs / 2 },
  ]);
}

/** Of the loop of stride 1; the input side has both windows in one kernel. All GPUs run it as that of an H100 or H200 has it. */
function paceOf(kernels: readonly CompiledKernel[], wanted: SlidingKernel, outputs: number): Pace {
  const serving = (channels: number) =>
    kernels.find(({ kernel: name, architecture }) => {
      const found = slidingKernel(name);
      return (
        architecture === limitedArchitecture &&
        found?.part === wanted.part &&
        found.channels === channels &&
        found.precision === wanted.precision &&
        found.weights === wanted.weights &&
        (found.window === undefined || found.window === wanted.window)
      );
    });
  const kernel = serving(wanted.channels) ?? serving(anyChannels);
  if (kernel === undefined)
    throw new Error(`expected a compiled kernel ${JSON.stringify(wanted)} for sm_${limitedArchitecture}`);
  const loop = plainLoop(kernel.loops, wanted, wanted.window);
  const share = loop.issueShares?.[warpsOf(kernel.registers)];
  if (share === undefined) throw new Error(`expected a simulated loop of ${kernel.kernel}`);
  const parts = allParts(loop);
  return {
    instructions: (outputs / lanes) * instructionsAnOutput(wanted, loop),
    issueShare: share,
    multiplyAddShare: sum(parts, (part) => part.multiplyAdds) / sum(parts, (part) => part.instructions),
    executions: executions.sliding,
  };
}

function allParts(loop: LoopReport): LoopReport['every'][] {
  return [loop.every, loop.some, ...loop.inner.flatMap(allParts)];
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
