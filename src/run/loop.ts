import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { abortedBy, DivergedError } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { firstNonFinite } from '../learn/finite.ts';
import {
  type EpochReport,
  type Measure,
  type Method,
  type Position,
  type Stage,
  type StepReport,
  stepsOf,
} from '../methods/method.ts';
import { costOf } from '../report/cost.ts';
import { inWords } from '../words.ts';
import { firstPosition, saveCheckpoint } from './checkpoint.ts';
import { makeFolder, makeFolders, runFiles, snapshotFile, writeGenotype } from './directory.ts';
import type { EpochEvent, RunEvent, StageEvent, StepEvent } from './events.ts';
import type { AlphaRecord, JournalRecord } from './journal.ts';
import type { OpenRun } from './open.ts';
import { Pace } from './pace.ts';

/** Told of what happens. */
export type Emit = (event: RunEvent) => void;

/** When things began in this process; a resumed run counts from its resumption. */
interface Clock {
  epochStart: number;
  lastCheckpoint: number;
  readonly pace: Pace;
}

/** Takes a run from its position to the end. Throws AbortedError, DivergedError or what the device and the disk throw. */
export async function runToEnd(run: OpenRun, emit: Emit): Promise<void> {
  const now = performance.now();
  const clock: Clock = { epochStart: now, lastCheckpoint: now, pace: new Pace(now) };
  let stage = await run.running.stage(run.at.stage);
  while (stage !== undefined) {
    while (run.at.epoch < stage.epochs) {
      if (await takeEpoch(run, stage, clock, emit)) await finishEpoch(run, stage, clock, emit);
    }
    await recordOutcome(run, stage);
    await keepStage(run, stage);
    stage = await run.running.stage(run.at.stage + 1);
    if (stage === undefined) return;
    run.at = { ...firstPosition, stage: run.at.stage + 1 };
    const event = stageEvent(run.at.stage, stage);
    await record(run, { ...event, epoch: 0 });
    emit(event);
  }
}

async function recordOutcome(run: OpenRun, { name }: Stage): Promise<void> {
  if (run.log === undefined) return;
  const outcome = await run.running.outcome?.();
  if (outcome !== undefined) await record(run, { type: 'outcome', epoch: run.at.epoch, name, outcome });
}

/** Keeps what a stage leaves beside that of the run, where another stage follows and puts its own in the place of it. */
async function keepStage({ log, running, at, firstValues }: OpenRun, { folder }: Stage): Promise<void> {
  if (log === undefined || folder === undefined) return;
  const files = runFiles(join(log.files.directory, folder));
  const { genotype } = await running.result();
  await makeFolder(files.directory);
  await saveCheckpoint(files.checkpoint, running, at, firstValues);
  await writeGenotype(files, genotype);
}

/** What begins. */
export function stageEvent(index: number, { name, epochs, steps, layers, graph }: Stage): StageEvent {
  const parameters = graph && costOf(graph).parameters;
  return { type: 'stage', stage: index, name, epochs, steps, ...(layers !== undefined && { layers, parameters }) };
}

/** Gives false where a step sent the run back to the beginning of an epoch. */
async function takeEpoch(run: OpenRun, stage: Stage, clock: Clock, emit: Emit): Promise<boolean> {
  clock.epochStart = performance.now();
  if (run.at.epoch === 0 && run.at.step === 0) await recordInitial(run);
  let last = run.at.step >= stepsOf(stage, run.at.epoch);
  while (!last) {
    await stopIfAborted(run, emit);
    const { event, report } = await takeStep(run, stage, clock);
    last = report.last;
    reportUnreadable(run, emit);
    await record(run, event);
    emit(event);
    if (report.back !== undefined) {
      await goBack(run, report.back, emit);
      return false;
    }
    if (performance.now() - clock.lastCheckpoint < run.description.runtime.checkpointSeconds * 1000) continue;
    await checkpoint(run, emit);
    clock.lastCheckpoint = performance.now();
  }
  return true;
}

/** Takes a run to where a step sent it. The checkpoint on the disk is of a time before, which the journal's lines no longer tell. */
async function goBack(run: OpenRun, { epoch, decision }: NonNullable<StepReport['back']>, emit: Emit): Promise<void> {
  run.at = { ...run.at, epoch, step: 0 };
  await record(run, { type: 'decision', epoch, updates: run.at.updates, decision });
  emit({ type: 'decision', epoch, decision });
  await checkpoint(run, emit);
}

/** What a stage begins with; a run that goes on from its first step has cut off what it wrote of this. */
async function recordInitial(run: OpenRun): Promise<void> {
  if (run.log === undefined) return;
  const initial = await run.running.architecture?.();
  if (initial === undefined) return;
  const { alpha, layout, activation, selection } = initial;
  const how = { activation, ...(selection && { selection }) };
  await record(run, { type: 'layout', epoch: 0, step: 0, ...how, ...layout });
  await record(run, { type: 'alpha', epoch: 0, step: 0, tables: compactRows(alpha) });
}

async function takeStep(
  run: OpenRun,
  stage: Stage,
  clock: Clock,
): Promise<{ readonly event: StepEvent; readonly report: StepReport }> {
  const { at } = run;
  const { epochs } = stage;
  const steps = stepsOf(stage, at.epoch);
  const began = performance.now();
  const report = await run.running.step(at);
  // Whoever goes back has dealt with it.
  if (report.back === undefined) checkStep(run, report);
  run.at = { ...at, step: at.step + 1, updates: at.updates + 1 };
  const now = performance.now();
  clock.pace.took(stage, now);
  const event = {
    type: 'step',
    epoch: at.epoch,
    epochs,
    step: at.step,
    steps,
    ...report.measures,
    [rateOf(run.description.method)]: (report.samples * 1000) / (now - began),
    secondsLeft: clock.pace.secondsLeft(stage, (epochs - at.epoch) * steps - run.at.step),
  };
  // The measures are what the method says that its events have.
  return { event: event as unknown as StepEvent, report };
}

/** The name of a step's rate. */
function rateOf({ data }: Method): keyof StepEvent {
  return data === 'text' ? 'wordsPerSecond' : 'imagesPerSecond';
}

async function finishEpoch(run: OpenRun, { name, epochs }: Stage, clock: Clock, emit: Emit): Promise<void> {
  const { at, log } = run;
  const { epoch } = at;
  const { measures, architecture, decisions = [], files = {} } = await endEpoch(run, emit);
  const told = { type: 'epoch', epoch, epochs, ...measures, seconds: (performance.now() - clock.epochStart) / 1000 };
  // As for steps.
  const event = told as unknown as EpochEvent;
  await record(run, event);
  emit(event);
  for (const decision of decisions) {
    await record(run, { type: 'decision', epoch, decision });
    emit({ type: 'decision', epoch, decision });
  }
  if (architecture !== undefined) {
    const { genotype, alpha } = architecture;
    await record(run, { type: 'genotype', epoch, genotype });
    if (alpha !== undefined) await record(run, { type: 'alpha', epoch, tables: compactRows(alpha) });
    if (log !== undefined) await writeGenotype(log.files, genotype);
    emit({ type: 'genotype', epoch, genotype });
  }
  await keepFiles(run, files);
  run.at = { ...at, epoch: epoch + 1, step: 0 };
  await checkpoint(run, emit);
  await keepSnapshot(run, name);
  clock.lastCheckpoint = performance.now();
}

/** Keeps what the published code leaves of an epoch. */
async function keepFiles({ log }: OpenRun, files: NonNullable<EpochReport['files']>): Promise<void> {
  if (log === undefined) return;
  for (const [name, text] of Object.entries(files)) await writeFileAtomic(join(log.files.directory, name), text);
}

/** Keeps the checkpoint of an epoch beside the last one, where that is wanted. */
async function keepSnapshot({ log, at, description }: OpenRun, stage: string): Promise<void> {
  const { snapshotEpochs } = description.runtime;
  if (log === undefined || snapshotEpochs === undefined || at.epoch % snapshotEpochs !== 0) return;
  const file = snapshotFile(log.files.directory, stage, at.epoch);
  await makeFolders(dirname(file));
  await writeFileAtomic(file, await readFile(log.files.checkpoint));
}

/** Nine digits tell every float32 from its neighbours. */
function compactRows(alpha: AlphaRecord['tables']): AlphaRecord['tables'] {
  const compact = (row: readonly number[]) => row.map((value) => Number(value.toPrecision(9)));
  return Object.fromEntries(Object.entries(alpha).map(([name, rows]) => [name, rows.map(compact)]));
}

async function endEpoch(run: OpenRun, emit: Emit): Promise<EpochReport> {
  await stopIfAborted(run, emit);
  try {
    const report = await run.running.endEpoch(run.at, run.description.runtime.signal);
    reportUnreadable(run, emit);
    for (const { name } of lossesOf(run, 'epoch')) {
      const value = report.measures[name];
      if (value === undefined || Number.isFinite(value)) continue;
      throw diverged(run, { ...run.at, step: run.at.step - 1 }, `the epoch's ${inWords(name)} became ${value}`);
    }
    return report;
  } catch (error) {
    await stopIfAborted(run, emit);
    throw error;
  }
}

/** Appends a line to the journal, where there is one, and to what is written from it. */
export async function record({ log, at }: OpenRun, line: JournalRecord): Promise<void> {
  if (log === undefined) return;
  const told = at.stage > 0 ? { ...line, stage: at.stage } : line;
  await log.journal.append(told);
  await log.tensorboard?.append(told);
}

function reportUnreadable(run: OpenRun, emit: Emit): void {
  for (const image of run.running.takeUnreadable?.() ?? []) {
    run.unreadableImages++;
    emit({ type: 'unreadable', ...image, count: run.unreadableImages });
  }
}

/** A signal ends the run between steps, never within one, so that a checkpoint can follow. */
async function stopIfAborted(run: OpenRun, emit: Emit): Promise<void> {
  const { signal } = run.description.runtime;
  if (!signal?.aborted) return;
  await checkpoint(run, emit);
  throw abortedBy(signal);
}

/** Writes the state unless the disk has it already. A state that is not finite is refused, and the last good one stays. */
async function checkpoint(run: OpenRun, emit: Emit): Promise<void> {
  const { log, running, at, firstValues } = run;
  for (const { parameters, optimizer } of Object.values(running.state.parameters)) {
    const bad = optimizer ? await firstNonFinite(parameters) : undefined;
    if (bad !== undefined) throw diverged(run, await stepBefore(run), `${bad} became NaN or infinite`);
  }
  if (log === undefined || isSame(log.saved, at)) return;
  await log.journal.sync();
  await saveCheckpoint(log.files.checkpoint, running, at, firstValues);
  log.saved = at;
  emit({ type: 'checkpoint', epoch: at.epoch, step: at.step, file: log.files.checkpoint });
}

/** A run that went back comes to an epoch and a step again, with other updates behind it. */
function isSame(saved: Position | undefined, { stage, epoch, step, updates }: Position): boolean {
  return saved?.stage === stage && saved.epoch === epoch && saved.step === step && saved.updates === updates;
}

function checkStep(run: OpenRun, { measures, gradientNorm }: StepReport): void {
  const losses = lossesOf(run, 'step').map(({ name }) => [name, measures[name]] as const);
  for (const [name, value] of [...losses, ['gradientNorm', gradientNorm] as const]) {
    if (value === undefined || Number.isFinite(value)) continue;
    throw diverged(run, run.at, `the ${inWords(name)} became ${value}`);
  }
}

function lossesOf({ description }: OpenRun, of: Measure['of']): readonly Measure[] {
  return description.method.measures.filter((measure) => measure.of === of && measure.unit === 'loss');
}

/** The step that led to where a run is. */
async function stepBefore({ running, at }: OpenRun): Promise<Pick<Position, 'epoch' | 'step'>> {
  if (at.step > 0 || at.epoch === 0) return { epoch: at.epoch, step: at.step - 1 };
  const stage = await running.stage(at.stage);
  return { epoch: at.epoch - 1, step: stage === undefined ? 0 : stepsOf(stage, at.epoch - 1) - 1 };
}

function diverged({ log }: OpenRun, { epoch, step }: Pick<Position, 'epoch' | 'step'>, what: string): DivergedError {
  const kept = log?.saved === undefined ? '' : '; the last good checkpoint was kept';
  return new DivergedError(
    `${what} in epoch ${epoch} at step ${step} (both from 0)${kept}; try a lower learning rate`,
    epoch,
    step,
  );
}
