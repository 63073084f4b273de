import { abortedBy, DivergedError } from '../errors.ts';
import { firstNonFinite } from '../learn/finite.ts';
import { tellsTopFive } from '../learn/score.ts';
import { saveCheckpoint } from './checkpoint.ts';
import { writeGenotype } from './directory.ts';
import type { RunEvent, StepEvent } from './events.ts';
import type { Session } from './session.ts';
import type { StepResult, Validation } from './work.ts';

/** Told of what happens. */
export type Emit = (event: RunEvent) => void;

/** When this process began, for estimates; a resumed run counts from its resumption. */
interface Clock {
  readonly start: number;
  epochStart: number;
  lastCheckpoint: number;
  stepsDone: number;
}

/** Runs a session from its position to the end. Throws AbortedError, DivergedError or what the device and the disk throw. */
export async function runToEnd(session: Session, emit: Emit): Promise<void> {
  const now = performance.now();
  const clock: Clock = { start: now, epochStart: now, lastCheckpoint: now, stepsDone: 0 };
  while (session.progress.epoch < session.plan.settings.epochs) {
    await trainEpoch(session, clock, emit);
    await finishEpoch(session, clock, emit);
  }
}

async function trainEpoch(session: Session, clock: Clock, emit: Emit): Promise<void> {
  const { plan, work, log } = session;
  clock.epochStart = performance.now();
  while (session.progress.step < work.steps) {
    await stopIfAborted(session, emit);
    const event = await takeStep(session, clock);
    reportUnreadable(session, emit);
    await log?.metrics.append(event);
    emit(event);
    if (performance.now() - clock.lastCheckpoint < plan.runtime.checkpointSeconds * 1000) continue;
    await checkpoint(session, emit);
    clock.lastCheckpoint = performance.now();
  }
}

async function takeStep(session: Session, clock: Clock): Promise<StepEvent> {
  const { plan, work, progress } = session;
  const { epoch, step } = progress;
  const began = performance.now();
  const result = await work.step(epoch, step, progress.updates);
  checkResult(session, result);
  const { count, loss, correct, validationLoss } = result;
  session.progress = {
    ...progress,
    step: step + 1,
    lossSum: progress.lossSum + loss * count,
    correct: progress.correct + correct,
    updates: progress.updates + 1,
  };
  clock.stepsDone++;
  return {
    type: 'step',
    epoch,
    epochs: plan.settings.epochs,
    step,
    steps: work.steps,
    loss,
    accuracy: correct / count,
    ...(validationLoss !== undefined && { validationLoss }),
    imagesPerSecond: (count * 1000) / (performance.now() - began),
    secondsLeft: secondsLeft(session, clock),
  };
}

function secondsLeft({ plan, work, progress }: Session, { start, stepsDone }: Clock): number {
  const stepsLeft = plan.settings.epochs * work.steps - progress.updates;
  return ((performance.now() - start) / 1000 / stepsDone) * stepsLeft;
}

async function finishEpoch(session: Session, clock: Clock, emit: Emit): Promise<void> {
  const { plan, work, progress, log } = session;
  const { epoch, lossSum, correct } = progress;
  const validation = await validateEpoch(session, emit);
  const event = {
    type: 'epoch',
    epoch,
    epochs: plan.settings.epochs,
    learningRate: work.learningRate(epoch),
    trainLoss: lossSum / work.trainImages,
    trainAccuracy: correct / work.trainImages,
    validationLoss: validation.loss,
    validationAccuracy: validation.accuracy,
    ...(validation.top5 !== undefined && tellsTopFive(session.start.classes) && { validationTop5: validation.top5 }),
    seconds: (performance.now() - clock.epochStart) / 1000,
  } as const;
  const genotype = await work.genotype?.();
  await log?.metrics.append(event);
  emit(event);
  if (genotype !== undefined) {
    if (log !== undefined) await writeGenotype(log.files, genotype);
    emit({ type: 'genotype', epoch, genotype });
  }
  session.progress = { ...progress, epoch: epoch + 1, step: 0, lossSum: 0, correct: 0, validation };
  await checkpoint(session, emit);
  clock.lastCheckpoint = performance.now();
}

async function validateEpoch(session: Session, emit: Emit): Promise<Validation> {
  const { plan, work, progress } = session;
  await stopIfAborted(session, emit);
  try {
    const validation = await work.validate(plan.runtime.signal);
    reportUnreadable(session, emit);
    if (!Number.isFinite(validation.loss)) {
      throw diverged(session, progress.updates - 1, `the epoch's validation loss became ${validation.loss}`);
    }
    return validation;
  } catch (error) {
    await stopIfAborted(session, emit);
    throw error;
  }
}

function reportUnreadable(session: Session, emit: Emit): void {
  for (const image of session.work.takeUnreadable?.() ?? []) {
    session.unreadableImages++;
    emit({ type: 'unreadable', ...image, count: session.unreadableImages });
  }
}

/** A signal ends the run between steps, never within one, so that a checkpoint can follow. */
async function stopIfAborted(session: Session, emit: Emit): Promise<void> {
  const { signal } = session.plan.runtime;
  if (!signal?.aborted) return;
  await checkpoint(session, emit);
  throw abortedBy(signal);
}

/** Writes the state unless the disk has it already. A state that is not finite is refused, and the last good one stays. */
async function checkpoint(session: Session, emit: Emit): Promise<void> {
  const { log, parameters, progress, work } = session;
  const { epoch, step } = progress;
  const bad = await firstNonFinite(parameters);
  if (bad !== undefined) throw diverged(session, progress.updates - 1, `${bad} became NaN or infinite`);
  if (log === undefined || (log.saved?.epoch === epoch && log.saved.step === step)) return;
  await log.metrics.sync();
  await saveCheckpoint(log.files.checkpoint, { parameters, averages: work.averages }, progress, work.metadata);
  log.saved = { epoch, step };
  emit({ type: 'checkpoint', epoch, step, file: log.files.checkpoint });
}

function checkResult(session: Session, result: StepResult): void {
  const { updates } = session.progress;
  const names = { validationLoss: 'the validation loss', loss: 'the loss', gradientNorm: 'the gradient norm' } as const;
  for (const field of ['validationLoss', 'loss', 'gradientNorm'] as const) {
    const value = result[field];
    if (value !== undefined && !Number.isFinite(value))
      throw diverged(session, updates, `${names[field]} became ${value}`);
  }
}

/** `update` counts the run's steps from 0, over all epochs. */
function diverged({ log, work }: Session, update: number, what: string): DivergedError {
  const epoch = Math.floor(update / work.steps);
  const step = update % work.steps;
  const kept = log?.saved === undefined ? '' : '; the last good checkpoint was kept';
  return new DivergedError(
    `${what} in epoch ${epoch} at step ${step} (both from 0)${kept}; try a lower learning rate`,
    epoch,
    step,
  );
}
