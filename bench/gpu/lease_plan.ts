// What a lease consists of, what was predicted of it, and how the two are compared.
import type { Precision } from '../../src/backend/device.ts';
import type { StageResult } from './outcome.ts';
import type { CheckPart } from './stages.ts';
import type { KernelTotal } from './step_work.ts';

/** What is compared with the kernels of sliding warps in branches of a graph, one after another, and the variables that choose it. */
const circumstances = {
  tiles: { DARTSMITH_CUDA_KERNELS: 'tiles' },
  'without branches': { DARTSMITH_CUDA_BRANCHES: 'off' },
  'early starts': { DARTSMITH_CUDA_EARLY: 'on' },
} as const;

/** Shares of the time; what a part leaves over is for those behind it, the last of which is not missed most. */
const plan: readonly (CheckPart & { readonly share: number })[] = [
  { stage: 'facts', share: 0.07 },
  { stage: 'repeatability', share: 0.05 },
  again('repeatability', 'early starts', 0.04),
  { stage: 'cases', share: 0.12 },
  { stage: 'supernet', share: 0.08 },
  { stage: 'step-times', share: 0.17 },
  again('step-times', 'tiles', 0.1),
  again('step-times', 'without branches', 0.06),
  again('step-times', 'early starts', 0.06),
  { stage: 'kernel-times', share: 0.1 },
  again('kernel-times', 'tiles', 0.08),
  { stage: 'nsight', share: 0.09 },
  { stage: 'wide-steps', share: 0.05 },
  { stage: 'trajectory', share: 0.06 },
  { stage: 'hypergradient', share: 0.06 },
];

/** A stage under other circumstances, beside which no rivals are asked again. */
function again(stage: CheckPart['stage'], circumstance: keyof typeof circumstances, share: number) {
  const label = `${stage}, ${circumstance}`;
  return { stage, share, label, environment: circumstances[circumstance], rivals: false } as const;
}

/** The parts of a lease of so many seconds. */
export function leaseParts(seconds: number): CheckPart[] {
  return plan.map(({ share, ...part }) => ({ ...part, seconds: Math.ceil(share * seconds) }));
}

/**
 * Milliseconds of a first-order step of the published search (C 16, 8 cells, batch 64) on an H100, written down on 2026-11-30 before any
 * GPU had run these kernels: separables and steps by the model of time (bench/RESULTS.md), the others by the study before it; and what
 * counts as a pass at the first try.
 */
export const predictions: readonly {
  readonly what: string;
  readonly precision: Precision;
  readonly predicted: number;
  readonly pass?: number;
  /** Kernels whose times make it up; absent for the step itself, as one recorded graph. */
  readonly kernels?: readonly string[];
}[] = [
  {
    what: 'separables forward',
    precision: 'fp32',
    predicted: 3.6,
    pass: 5,
    kernels: ['separable forward'],
  },
  {
    what: 'separables backward',
    precision: 'fp32',
    predicted: 8.3,
    pass: 10,
    kernels: ['separable backward'],
  },
  { what: 'separables forward', precision: 'tf32', predicted: 2.4, kernels: ['separable forward'] },
  { what: 'separables backward', precision: 'tf32', predicted: 6.2, kernels: ['separable backward'] },
  {
    what: 'sums of candidates',
    precision: 'fp32',
    predicted: 2.6,
    kernels: ['combine forward', 'combine backward'],
  },
  {
    what: 'poolings and their statistics',
    precision: 'fp32',
    predicted: 0.9,
    kernels: ['pooledMoments forward', 'pooledMoments backward'],
  },
  { what: 'step', precision: 'fp32', predicted: 18.2, pass: 25 },
  { what: 'step', precision: 'tf32', predicted: 14.9 },
  { what: 'step', precision: 'bf16', predicted: 12.4 },
];

/** Data of step-times, as far as it is read here. */
interface StepData {
  readonly measured: {
    readonly steps: readonly { readonly name: string; readonly order: string; readonly median: number }[];
    readonly kernelsOfPasses: Readonly<
      Partial<Record<Precision, Readonly<Record<'alpha' | 'weights', Readonly<Record<string, KernelTotal>>>>>>
    >;
  };
}

/** A line for each prediction: predicted, found by sliding warps, found under other circumstances; on a GPU, whether it passes. */
export function concludeLease(stages: readonly StageResult[], isGpu: boolean): string[] {
  const found = (stage: string) => stages.find((result) => result.stage === stage)?.data as StepData | undefined;
  const names = Object.keys(circumstances);
  return predictions.map((prediction) => {
    const { what, precision, predicted, pass } = prediction;
    const of = (stage: string) => {
      const data = found(stage);
      return data && milliseconds(data, prediction);
    };
    const ours = of('step-times');
    const verdict =
      pass === undefined || ours === undefined || !isGpu ? '' : ours <= pass ? ': PASS' : `: above ${pass} ms`;
    const text = (value: number | undefined) => (value === undefined ? 'not measured' : `${value.toFixed(2)} ms`);
    const others = names.map((name) => `${name} ${text(of(`step-times, ${name}`))}`).join(', ');
    return `${what}, ${precision}: predicted ${predicted} ms on an H100; sliding warps ${text(ours)}, ${others}${verdict}`;
  });
}

function milliseconds(
  { measured }: StepData,
  { precision, kernels }: (typeof predictions)[number],
): number | undefined {
  if (kernels === undefined) {
    const step = measured.steps.find(
      ({ name, order }) => name === `dartsmith, ${precision}` && order === 'first order',
    );
    return step && step.median * 1e3;
  }
  const passes = measured.kernelsOfPasses[precision];
  if (passes === undefined) return undefined;
  const seconds = [passes.alpha, passes.weights].flatMap((totals) =>
    kernels.map((kernel) => totals[kernel]?.seconds ?? 0),
  );
  return seconds.reduce((sum, one) => sum + one, 0) * 1e3;
}
