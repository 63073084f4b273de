// Which kernels a search step launches and what each moves and computes: the real engine with the real CUDA backend on the
// stand-in's device that counts launches and runs none of them.
import type { GatheredBatch, KernelProfile, Precision } from '../../src/backend/device.ts';
import { type Addon, loadAddon } from '../../src/backend/native/addon.ts';
import { openDevice } from '../../src/backend/open.ts';
import type { Parameters } from '../../src/backend/parameters.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { presets } from '../../src/methods/darts/settings.ts';
import { dartsStep } from '../../src/methods/darts/step.ts';
import { kernelsByPlace } from './names.ts';
import type { LaunchWork } from './roofline.ts';

/** Of the stand-in's devices: see native/simt/runtime.cc. */
const countingDevice = 5;

/** One kernel, or a clearing or copy of memory within the device. */
export interface Launch extends LaunchWork {
  /** Short name of the kernel; `clear` or `copy` for the others. */
  readonly kernel: string;
  /** What the engine ran it for, such as `separable backward`, or its own name where that is no op of the graph. */
  readonly part: string;
  /** Of its bytes, those that go to scratch memory and come back. */
  readonly scratchBytes: number;
  readonly dynamicSharedBytes: number;
  readonly cooperative: boolean;
}

/** A search step as one launch of a recorded graph. */
export interface StepTrace {
  /** Kernels among the graph's nodes, as the backend counts them. */
  readonly kernelNodes: number;
  /** In order, clears and copies among them. */
  readonly launches: readonly Launch[];
}

/** What is traced. */
export interface TraceOptions {
  /** With a loss at its end and one image input. */
  readonly graph: Graph;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
  readonly classes: number;
  readonly batchSize: number;
  readonly precision: Precision;
  /** Second order: with the hypergradient. */
  readonly unrolled: boolean;
}

interface Traced {
  readonly kind: 'kernel' | 'copy' | 'clear' | 'wait';
  readonly place: number;
  readonly blocks: number;
  readonly cooperative: boolean;
  readonly bytes: number;
}

/** What the stand-in's addon exports beside the others. */
interface SimtAddon extends Addon {
  takeTrace(device: number): Traced[];
}

/** Traces one step. Throws BackendError where the stand-in was not built, Error where the counts do not add up. */
export async function traceStep(options: TraceOptions): Promise<StepTrace> {
  const { graph, batchSize, precision, unrolled, shape, classes } = options;
  const { addon, path } = loadAddon('simt');
  const kernels = kernelsByPlace(path);
  const take = () => (addon as SimtAddon).takeTrace(countingDevice);

  using device = await openDevice({ backend: 'simt', index: countingDevice });
  const parameters = await device.createParameters(graph, { seed: 0 });
  const program = device.compile(graph, { batchSize, parameters, precision });
  const pixels = shape[0] * shape[1] * shape[2];
  const count = 2 * batchSize;
  const labels = Int32Array.from({ length: count }, (_, index) => index % classes);
  const dataset = await device.createDataset({ images: new Uint8Array(count * pixels), labels, shape });
  const batch = (first: number): GatheredBatch => ({
    dataset,
    indices: Uint32Array.from({ length: batchSize }, (_, index) => first + index),
    augmentation: { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25], pad: 4, flip: true, cutout: 0 },
  });
  const [train, validation] = [batch(0), batch(batchSize)];
  const settings = { ...presets.paper.settings, unrolled };
  const step = { program, train, validation, settings, learningRate: settings.learningRate, update: 0 };

  const sweeps = sweepWork(parameters, batchSize * pixels);
  const passes: Launch[][] = [];
  for (const target of ['alpha', 'weights', 'both'] as const) {
    await program.gradients({ batch: train, target });
    take();
    const { profile = [] } = await program.gradients({ batch: train, target, profile: true });
    passes.push(attributed(take(), profile, target !== 'alpha', (traced) => launchOf(traced, kernels, sweeps)));
  }
  // Made ready, recorded, replayed.
  for (let i = 0; i < 2; i++) await device.execute(dartsStep(step));
  take();
  await device.execute(dartsStep(step));
  const operations = take().filter(({ kind }) => kind !== 'wait');
  const launches = joined(
    operations.map((traced) => launchOf(traced, kernels, sweeps)),
    passes,
  );
  const kernelNodes = device.recordedKernels;
  const traced = operations.filter(({ kind }) => kind === 'kernel').length;
  if (kernelNodes !== traced) throw new Error(`expected ${kernelNodes} kernels in the trace but got ${traced}`);
  return { kernelNodes, launches };
}

type SweepWork = Readonly<Record<string, LaunchWork>>;

/** Work of kernels that belong to no node of the graph: arrays read and written, operations an element. */
function sweepWork({ map }: Parameters, imageElements: number): SweepWork {
  const { weight, alpha } = map.totals;
  const sweep = (elements: number, bytes: number, flops: number) => ({
    bytes: elements * bytes,
    flops: elements * flops,
    productFlops: 0,
  });
  return {
    squared_norm_kernel: sweep(weight, 4, 2),
    sgd_kernel: sweep(weight, 5 * 4, 7),
    unrolled_step_kernel: sweep(weight, 4 * 4, 6),
    perturb_kernel: sweep(weight, 3 * 4, 2),
    adam_kernel: sweep(alpha, 7 * 4, 20),
    combine_hypergradient_kernel: sweep(alpha, 4 * 4, 3),
    mixing_forward_kernel: sweep(alpha, 2 * 4, 4),
    mixing_backward_kernel: sweep(alpha, 4 + 8 + 4, 4),
    gather_kernel: sweep(imageElements, 1 + 4, 0),
  };
}

function launchOf(
  { kind, place, cooperative, bytes }: Traced,
  kernels: Map<number, string>,
  sweeps: SweepWork,
): Launch {
  const none = { bytes: 0, flops: 0, productFlops: 0 };
  if (kind !== 'kernel') {
    const moved = { ...none, bytes: kind === 'copy' ? 2 * bytes : bytes };
    return { ...moved, kernel: kind, part: kind, scratchBytes: 0, dynamicSharedBytes: 0, cooperative: false };
  }
  const kernel = kernels.get(place);
  if (kernel === undefined) throw new Error(`expected a kernel at ${place.toString(16)} of the simt addon`);
  return { ...(sweeps[kernel] ?? none), kernel, part: kernel, scratchBytes: 0, dynamicSharedBytes: bytes, cooperative };
}

/**
 * The launches of a pass that was profiled, with the engine's counts. The engine waits for the upload of what a run takes, then
 * before and after each step that it profiles, so that the k-th step's launches lie between waits 2k + 1 and 2k + 2; a step's
 * counts are shared out equally among its launches. Scratch memory is written once and read once.
 */
function attributed(
  trace: readonly Traced[],
  profile: readonly KernelProfile[],
  wantsWeights: boolean,
  launch: (traced: Traced) => Launch,
): Launch[] {
  const between: Traced[][] = [[]];
  for (const traced of trace.slice(1 + trace.findIndex(({ kind }) => kind === 'wait'))) {
    if (traced.kind === 'wait') between.push([]);
    else between[between.length - 1].push(traced);
  }
  if (between.length < 2 * profile.length + 1) throw new Error('expected a wait before and after every step');
  return between.flatMap((part, index) => {
    const entry = index % 2 === 1 ? profile[(index - 1) / 2] : undefined;
    if (entry === undefined) return part.map(launch);
    const { kernel, flops, productFlops, bytes, workspaceBytes } = entry;
    // The depthwise outputs are computed again for the weights' gradients, beside two counted passes over them.
    const again = wantsWeights && kernel === 'separable backward' ? 1.5 : 1;
    const share = {
      bytes: (bytes + 2 * workspaceBytes) / part.length,
      scratchBytes: (2 * workspaceBytes) / part.length,
      flops: ((flops - productFlops) * again) / part.length,
      productFlops: productFlops / part.length,
    };
    return part.map((traced) => ({ ...launch(traced), ...share, part: kernel }));
  });
}

/** Whether a pass begins at that launch of a step. */
function begins(pass: readonly Launch[], step: readonly Launch[], first: number): boolean {
  return pass.every(({ kernel, cooperative, dynamicSharedBytes }, index) => {
    const launch = step[first + index];
    return (
      launch?.kernel === kernel &&
      launch.cooperative === cooperative &&
      launch.dynamicSharedBytes === dynamicSharedBytes
    );
  });
}

/** The launches of a step, those of its passes with the passes' counts. Throws where a kernel belongs to neither. */
function joined(step: readonly Launch[], passes: readonly (readonly Launch[])[]): Launch[] {
  const longestFirst = passes.filter(({ length }) => length > 0).sort((a, b) => b.length - a.length);
  const result: Launch[] = [];
  while (result.length < step.length) {
    const at = result.length;
    const pass = longestFirst.find((candidate) => begins(candidate, step, at));
    if (pass !== undefined) {
      result.push(...pass);
      continue;
    }
    const launch = step[at];
    if (launch.bytes === 0)
      throw new Error(`expected ${launch.kernel}, number ${at} of a step, to be part of a pass or a known sweep`);
    result.push(launch);
  }
  return result;
}
