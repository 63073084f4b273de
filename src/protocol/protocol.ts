// The honest protocol: searches with several seeds, each result trained from scratch, beside as many random architectures of the same space.
import { join } from 'node:path';
import { FileError } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { exists, fileError } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import { makeFolders, runFiles } from '../run/directory.ts';
import { takeLock } from '../run/lock.ts';
import { checkFollowing } from '../run/open.ts';
import { type Run, startRun } from '../run/run.ts';
import { architectureOf } from './architectures.ts';
import { askedAgain, protocolFile, recordAsked } from './asked.ts';
import { openCells } from './cells.ts';
import type { FailedOutcome, ProtocolEvent, ProtocolResult } from './events.ts';
import { type Failure, isFailure } from './failures.ts';
import { checkProtocolOptions, type ProtocolOptions } from './options.ts';
import { type PlannedArm, type ProtocolPlan, planProtocol } from './plan.ts';
import { ProtocolRuns } from './runs.ts';
import type { Scored, Scorer } from './scorer.ts';
import { type MeasuredArm, type ProtocolMeasure, type ProtocolTable, protocolTable } from './table.ts';
import { trainedScorer } from './trained.ts';

/** A protocol that goes on. */
export type ProtocolRun = Run<ProtocolEvent, ProtocolResult>;

/**
 * Runs a protocol: every arm with every seed, its architecture trained from scratch as all others are or looked up in a benchmark, and as
 * many random ones of the same space; gives means, deviations, 95% intervals and paired tests. All it keeps are run directories, so that it
 * goes on after a kill, in the same folder, and nothing is run twice. Starts at once, off the event loop, and throws nothing itself: every
 * error comes through the run. A search that diverges is none: it is counted and told.
 */
export function runProtocol(options: ProtocolOptions): ProtocolRun {
  return startProtocol(options);
}

/** The same with methods of one's own. */
export function startProtocol(options: ProtocolOptions, methods: readonly Method[] = builtIn): ProtocolRun {
  return startRun((emit) => protocolOf(options, methods, emit));
}

async function protocolOf(given: ProtocolOptions, methods: readonly Method[], emit: Emit): Promise<ProtocolResult> {
  checkProtocolOptions(given);
  const options = given.resume === undefined ? given : await askedAgain(given.resume, given);
  const plan = await planProtocol(options, methods);
  const { directory } = plan;
  const cells = options.benchmark && (await openCells(options.benchmark, plan));
  if (!(await exists(protocolFile(directory)))) {
    if (await exists(runFiles(directory).config)) {
      throw new FileError(`${directory} is the directory of a run: choose another folder for the protocol (--out)`);
    }
    // What the trainings cannot do is told before hours of searches.
    await checkFollowing(plan.first, methods);
  }
  await makeFolders(directory).catch((error: unknown) => {
    throw fileError('write', directory, error);
  });
  const lock = await takeLock(directory);
  try {
    await recordAsked(directory, options);
    using runs = new ProtocolRuns(directory, options, methods, countRuns(plan), emit);
    const result = await finishProtocol(plan, options, runs, cells ?? trainedScorer(plan, options, runs), emit);
    await writeFileAtomic(join(directory, 'table.json'), `${JSON.stringify(result, null, 2)}\n`);
    return result;
  } finally {
    await lock.release();
  }
}

type Emit = (event: ProtocolEvent) => void;

/** All runs of a plan. */
function countRuns({ arms, seeds, trainings }: ProtocolPlan): number {
  return seeds.length * arms.reduce((sum, { kind }) => sum + trainings + (kind === 'random' ? 0 : 1), 0);
}

/** Seed by seed, so that a protocol that is stopped has whole pairs. */
async function finishProtocol(
  plan: ProtocolPlan,
  options: ProtocolOptions,
  runs: ProtocolRuns,
  scorer: Scorer,
  emit: Emit,
): Promise<ProtocolResult> {
  const failures: FailedOutcome[] = [];
  const scored = new Map<string, (Scored | undefined)[]>(plan.arms.map(({ name }) => [name, []]));
  for (const seed of plan.seeds) {
    for (const arm of plan.arms) {
      const outcome = await outcomeOf(arm, seed, options, runs, scorer);
      const place = { arm: arm.name, seed };
      const failure = isFailure(outcome) ? outcome : outcome.briefFailure;
      if (failure !== undefined) {
        failures.push({ ...place, ...failure });
        emit({ type: 'failed', ...place, ...failure });
      }
      if (!isFailure(outcome)) emit({ type: 'score', ...place, scores: outcome.scores });
      scored.get(arm.name)!.push(isFailure(outcome) ? undefined : outcome);
    }
  }
  const { directory, seeds } = plan;
  const tables: ProtocolTable[] = [];
  for (const measure of scorer.measures) {
    const arms: MeasuredArm[] = [];
    for (const arm of plan.arms) arms.push(await measuredArm(arm, measure, scored.get(arm.name)!, plan, runs, scorer));
    tables.push(protocolTable(measure, arms, seeds, plan.among));
  }
  return { directory, seeds, tables, failures, ...(scorer.cells && { cells: scorer.cells }) };
}

async function outcomeOf(
  arm: PlannedArm,
  seed: number,
  options: ProtocolOptions,
  runs: ProtocolRuns,
  scorer: Scorer,
): Promise<Scored | Failure> {
  const found = await architectureOf(arm, seed, options, runs);
  if (isFailure(found)) {
    runs.pass(scorer.trainings);
    return found;
  }
  return scorer.score({ arm: arm.name, seed }, found);
}

/** An arm with its scores in one measure, seed by seed. */
async function measuredArm(
  arm: PlannedArm,
  { name: measure }: ProtocolMeasure,
  scored: readonly (Scored | undefined)[],
  { seeds }: ProtocolPlan,
  runs: ProtocolRuns,
  scorer: Scorer,
): Promise<MeasuredArm> {
  const { name, kind, baseline } = arm;
  const whole =
    arm.kind === 'random' ? await scorer.whole?.(runs.folder(arm.like, seeds[0], 'search'), measure) : undefined;
  return {
    ...{ name, kind, ...(baseline !== undefined && { baseline }), ...(whole && { whole }) },
    scores: scored.map((one) => one?.scores[measure] ?? null),
    briefs: scored.map((one) => one?.briefs?.[measure] ?? null),
  };
}
