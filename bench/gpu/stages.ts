// What the check consists of, in its order: what has to hold first, figures then.
import type { Context } from './context.ts';
import type { StageOutcome, StageResult } from './outcome.ts';
import { checkCases } from './stages/cases.ts';
import { measureFacts } from './stages/facts.ts';
import { checkGather } from './stages/gather.ts';
import { timeKernels } from './stages/kernel_times.ts';
import { checkKernels } from './stages/kernels.ts';
import { checkHypergradient, checkSupernet } from './stages/networks.ts';
import { profileKernels } from './stages/nsight.ts';
import { checkRepeatability } from './stages/repeatability.ts';
import { runSanitizers } from './stages/sanitizer.ts';
import { timeSteps } from './stages/step_times.ts';
import { checkTrajectory } from './stages/trajectory.ts';
import { timeWideSteps } from './stages/wide_steps.ts';

/** A part of the check. Each runs in a process of its own, so that one that dies takes no other along. */
export interface Stage extends Pick<StageResult, 'title' | 'kind'> {
  /** Longest that it may take. */
  readonly seconds: number;
  run(context: Context): Promise<StageOutcome>;
}

/** Every stage by name. */
export const stages = {
  cases: {
    title: 'Case tables against the float64 reference',
    kind: 'proof',
    seconds: 300,
    run: checkCases,
  },
  kernels: {
    title: 'Kernels of the catalogue against the float64 reference and the CPU engine',
    kind: 'proof',
    seconds: 300,
    run: checkKernels,
  },
  gather: {
    title: 'Gathered and augmented batches against the CPU engine, to the bit',
    kind: 'proof',
    seconds: 60,
    run: checkGather,
  },
  supernet: { title: 'Loss and gradients of supernets', kind: 'proof', seconds: 180, run: checkSupernet },
  hypergradient: { title: 'Hypergradient', kind: 'proof', seconds: 180, run: checkHypergradient },
  trajectory: {
    title: 'Search steps beside the CPU engine',
    kind: 'proof',
    seconds: 180,
    run: checkTrajectory,
  },
  repeatability: {
    title: 'A search step again and again, to the bit',
    kind: 'proof',
    seconds: 180,
    run: checkRepeatability,
  },
  sanitizer: { title: 'compute-sanitizer', kind: 'proof', seconds: 400, run: runSanitizers },
  'kernel-times': { title: 'Kernels, measured', kind: 'measurement', seconds: 300, run: timeKernels },
  'step-times': { title: 'Search steps, measured in turns', kind: 'measurement', seconds: 600, run: timeSteps },
  'wide-steps': {
    title: 'Larger batches and the evaluation network, measured',
    kind: 'measurement',
    seconds: 300,
    run: timeWideSteps,
  },
  facts: {
    title: 'What the design takes for granted, measured',
    kind: 'measurement',
    seconds: 120,
    run: measureFacts,
  },
  nsight: { title: 'Nsight Compute', kind: 'measurement', seconds: 180, run: profileKernels },
} as const satisfies Readonly<Record<string, Stage>>;

/** A name of {@link stages}. */
export type StageName = keyof typeof stages;

/** The names, in order. */
export const stageNames = Object.keys(stages) as StageName[];

/** Those of `gpu:check` where none are named; the others are of `gpu:lease`. */
export const checkedStages = stageNames.slice(0, 1 + stageNames.indexOf('step-times'));

/** A stage of a check, and how it is run there. */
export interface CheckPart {
  readonly stage: StageName;
  /** Its name in the report, where a stage is run several times. */
  readonly label?: string;
  /** At most; the stage's own limit when absent. */
  readonly seconds?: number;
  /** Of its process, beside those of this one. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether rivals are asked; they are when absent. */
  readonly rivals?: boolean;
}
