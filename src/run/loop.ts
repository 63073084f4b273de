import { AbortedError, DivergedError } from '../errors.ts';
import { readArchitecture } from '../search/architecture.ts';
import { type EpochBatches, epochBatches, validationBatches } from '../search/batches.ts';
import { type DartsStepOutcome, dartsStep, dartsStepOutcome } from '../search/darts.ts';
import { firstNonFinite } from '../search/finite.ts';
import { cosineLearningRate } from '../search/schedule.ts';
import { type Validation, validate } from '../search/validate.ts';
import { saveCheckpoint } from './checkpoint.ts';
import { writeGenotype } from './directory.ts';
import type { SearchEvent, SearchResult, StepEvent } from './events.ts';
import type { Session } from './session.ts';

type Emit = (event: SearchEvent) => void;

/** When this process began, for estimates; a resumed run counts from its resumption. */
interface Clock {
  readonly start: number;
  epochStart: number;
  lastCheckpoint: number;
  stepsDone: number;
}

/** Runs a session from its position to the end. Throws AbortedError, DivergedError or what the device and the disk throw. */
export async function runSearch(session: Session, emit: Emit): Promise<SearchResult> {
  const now = performance.now();
  const clock: Clock = { start: now, epochStart: now, lastCheckpoint: now, stepsDone: 0 };
  while (session.progress.epoch < session.plan.settings.epochs) {
    await trainEpoch(session, clock, emit);
    await finishEpoch(session, clock, emit);
  }
  return resultOf(session);
}

async function trainEpoch(session: Session, clock: Clock, emit: Emit): Promise<void> {
  const { plan, source, steps, log } = session;
  const batches = epochBatches(source, session.progress.epoch);
  clock.epochStart = performance.now();
  while (session.progress.step < steps) {
    await stopIfAborted(session, emit);
    const event = await trainStep(session, batches, clock);
    await log?.metrics.append(event);
    emit(event);
    if (performance.now() - clock.lastCheckpoint < plan.runtime.checkpointSeconds * 1000) continue;
    await checkpoint(session, emit);
    clock.lastCheckpoint = performance.now();
  }
}

async function trainStep(session: Session, batches: EpochBatches, clock: Clock): Promise<StepEvent> {
  const { plan, device, programs, progress } = session;
  const { settings } = plan;
  const { epoch, step } = progress;
  const began = performance.now();
  const train = batches.train(step);
  const count = train.indices.length;
  const outcomes = await device.execute(
    dartsStep({
      program: programs.programFor(count),
      train,
      validation: batches.validation(step),
      settings,
      learningRate: cosineLearningRate(settings, epoch),
      alphaUpdate: progress.alphaUpdates + 1,
    }),
  );
  const outcome = dartsStepOutcome(outcomes);
  checkOutcome(session, outcome);
  session.progress = {
    ...progress,
    step: step + 1,
    lossSum: progress.lossSum + outcome.loss * count,
    correct: progress.correct + outcome.correct,
    alphaUpdates: progress.alphaUpdates + 1,
  };
  clock.stepsDone++;
  return {
    type: 'step',
    epoch,
    epochs: settings.epochs,
    step,
    steps: session.steps,
    loss: outcome.loss,
    accuracy: outcome.correct / count,
    validationLoss: outcome.validationLoss,
    imagesPerSecond: (count * 1000) / (performance.now() - began),
    secondsLeft: secondsLeft(session, clock),
  };
}

function secondsLeft({ plan, steps, progress }: Session, { start, stepsDone }: Clock): number {
  const stepsLeft = plan.settings.epochs * steps - progress.alphaUpdates;
  return ((performance.now() - start) / 1000 / stepsDone) * stepsLeft;
}

async function finishEpoch(session: Session, clock: Clock, emit: Emit): Promise<void> {
  const { plan, source, progress, log } = session;
  const { epoch, lossSum, correct } = progress;
  const validation = await validateEpoch(session, emit);
  const { genotype } = await readArchitecture(session.supernet, session.parameters);
  const event = {
    type: 'epoch',
    epoch,
    epochs: plan.settings.epochs,
    learningRate: cosineLearningRate(plan.settings, epoch),
    trainLoss: lossSum / source.train.length,
    trainAccuracy: correct / source.train.length,
    validationLoss: validation.loss,
    validationAccuracy: validation.accuracy,
    seconds: (performance.now() - clock.epochStart) / 1000,
  } as const;
  await log?.metrics.append(event);
  emit(event);
  if (log !== undefined) await writeGenotype(log.files, genotype);
  emit({ type: 'genotype', epoch, genotype });
  session.progress = { ...progress, epoch: epoch + 1, step: 0, lossSum: 0, correct: 0, validation };
  await checkpoint(session, emit);
  clock.lastCheckpoint = performance.now();
}

async function validateEpoch(session: Session, emit: Emit): Promise<Validation> {
  const { plan, device, programs, source } = session;
  await stopIfAborted(session, emit);
  try {
    const { signal } = plan.runtime;
    const validation = await validate(device, programs.programFor, validationBatches(source), { signal });
    if (!Number.isFinite(validation.loss))
      throw diverged(
        session,
        session.progress.alphaUpdates - 1,
        `the epoch's validation loss became ${validation.loss}`,
      );
    return validation;
  } catch (error) {
    await stopIfAborted(session, emit);
    throw error;
  }
}

/** A signal ends the search between steps, never within one, so that a checkpoint can follow. */
async function stopIfAborted(session: Session, emit: Emit): Promise<void> {
  if (!session.plan.runtime.signal?.aborted) return;
  await checkpoint(session, emit);
  throw new AbortedError();
}

/** Writes the state unless the disk has it already. A state that is not finite is refused, and the last good one stays. */
async function checkpoint(session: Session, emit: Emit): Promise<void> {
  const { log, parameters, progress } = session;
  const { epoch, step } = progress;
  const bad = await firstNonFinite(parameters);
  if (bad !== undefined) throw diverged(session, progress.alphaUpdates - 1, `${bad} became NaN or infinite`);
  if (log === undefined || (log.saved?.epoch === epoch && log.saved.step === step)) return;
  await log.metrics.sync();
  await saveCheckpoint(log.files.checkpoint, parameters, progress);
  log.saved = { epoch, step };
  emit({ type: 'checkpoint', epoch, step, file: log.files.checkpoint });
}

function checkOutcome(session: Session, outcome: DartsStepOutcome): void {
  const { alphaUpdates } = session.progress;
  const names = { validationLoss: 'the validation loss', loss: 'the loss', gradientNorm: 'the gradient norm' } as const;
  for (const field of ['validationLoss', 'loss', 'gradientNorm'] as const) {
    if (!Number.isFinite(outcome[field]))
      throw diverged(session, alphaUpdates, `${names[field]} became ${outcome[field]}`);
  }
}

/** `update` counts the search's steps from 0, over all epochs. */
function diverged({ log, steps }: Session, update: number, what: string): DivergedError {
  const epoch = Math.floor(update / steps);
  const step = update % steps;
  const kept = log?.saved === undefined ? '' : '; the last good checkpoint was kept';
  return new DivergedError(
    `${what} in epoch ${epoch} at step ${step} (both from 0)${kept}; try a lower learning rate`,
    epoch,
    step,
  );
}

async function resultOf(session: Session): Promise<SearchResult> {
  const { log, progress } = session;
  return {
    ...(await readArchitecture(session.supernet, session.parameters)),
    validationAccuracy: progress.validation!.accuracy,
    validationLoss: progress.validation!.loss,
    directory: log?.files.directory,
  };
}
