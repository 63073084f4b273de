// The second and the third call that open a run: what it needs in memory and on a device, and where it stands on the disk.
import { existsSync } from 'node:fs';
import type { Device } from '../backend/device.ts';
import { emptyClassNotices } from '../data/classes.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { type DatasetName, loadDataset } from '../data/load.ts';
import { dataDigest, isCorpus, type RunData } from '../data/run_data.ts';
import { type CorpusName, loadCorpus } from '../data/text/corpus.ts';
import { writeVocabulary } from '../data/text/vocabulary.ts';
import { DataError, throwIfAborted } from '../errors.ts';
import {
  type Method,
  type MethodDescription,
  type MethodRun,
  type Position,
  type Stage,
  stepsOf,
} from '../methods/method.ts';
import { costOf } from '../report/cost.ts';
import { type FirstValues, firstPosition, loadCheckpoint } from './checkpoint.ts';
import type { RunDescription } from './describe.ts';
import { beginRun, holdRun, type RecordedRun, type RunFiles, readRun } from './directory.ts';
import type { StartEvent } from './events.ts';
import { type Journal, openJournal } from './journal.ts';
import type { Lock } from './lock.ts';
import { checkRecorded, configOf, recordChanges } from './recorded.ts';
import { deviceFor } from './runtime.ts';
import { checkSource, checkSourceFile, sourceRun } from './source.ts';
import { openTensorboard, type TensorboardLog } from './tensorboard_log.ts';
import { checkTraining } from './training.ts';

/** The files of a run that is going on. */
export interface RunLog {
  readonly files: RunFiles;
  readonly journal: Journal;
  /** Where event files are written too. */
  readonly tensorboard?: TensorboardLog;
  /** Position of the checkpoint on the disk. */
  saved?: Position;
}

/** Everything a run holds while it goes on. */
export interface OpenRun {
  readonly description: RunDescription;
  readonly start: StartEvent;
  readonly running: MethodRun;
  readonly firstValues: FirstValues;
  /** Absent when nothing is written. */
  readonly log?: RunLog;
  at: Position;
  /** So far, in this process. */
  unreadableImages: number;
}

/** Something to undo at the end, in reverse order. */
type Cleanup = (() => void | Promise<void>)[];

/**
 * Opens what a run needs, passes it to `work` and frees it afterwards, whatever happens. Throws the errors of the
 * dataset, the device and the run directory.
 */
export async function withRun<T>(
  description: RunDescription,
  methods: readonly Method[],
  work: (run: OpenRun) => Promise<T>,
): Promise<T> {
  const cleanup: Cleanup = [];
  try {
    return await work(await openRun(description, methods, cleanup));
  } finally {
    for (const undo of cleanup.reverse()) await undo();
  }
}

async function openRun(given: RunDescription, methods: readonly Method[], cleanup: Cleanup): Promise<OpenRun> {
  throwIfAborted(given.runtime.signal);
  const { description, lock } = await holdResumed(given, methods, cleanup);
  const { method, runtime, settings, seed, space = '', genotype, before, validationPortion } = description;
  const { workers, signal } = runtime;
  const dataset = await resolveDataset(description);
  const source = description.source && sourceRun(description.source, space, methods);
  const context = { settings, seed, dataset, space, genotype, before, source, validationPortion, workers, signal };
  if (source !== undefined) await checkSource(description.source!, source, context);
  const described = await method.describe(context);
  const { training, config, repeats } = description;
  if (repeats !== undefined) await checkRepeated(repeats, described, description);
  if (training !== undefined && config === undefined) await checkTraining(training, dataset, described, methods);
  const device = await deviceFor(runtime);
  if (runtime.device === undefined) cleanup.push(() => device.dispose());
  // Before anything is written: the device may refuse the precision.
  const running = await described.open(device);
  cleanup.push(() => running[Symbol.dispose]());
  const firstValues = Object.keys(running.state.values);
  const { notices = [] } = lock ?? (await settleNew(description, described, device, cleanup)) ?? {};
  const { files } = description;
  if (files !== undefined && config !== undefined) {
    await checkRecorded({ files, config }, described, description.dataDir);
  }
  const { log, at } = await restore(description, running, cleanup);
  if (config?.source !== undefined && log?.saved === undefined) await checkSourceFile(config.source, 'begin a new one');
  await recordChanges(description, device, at);
  const stage = (await running.stage(at.stage)) ?? { name: '', epochs: 0, steps: 0 };
  const start = startEvent(description, described, notices, device, stage, at);
  return { description, start, running, firstValues, log, at, unreadableImages: 0 };
}

/** Before anything is opened: a repetition of another run would be none. */
async function checkRepeated(repeats: RecordedRun, described: MethodDescription, { dataDir }: RunDescription) {
  await checkRecorded(repeats, described, dataDir);
  const { source } = repeats.config;
  if (source !== undefined) await checkSourceFile(source, 'it cannot be repeated');
}

/** Holds the training that follows a search to its data and its networks, though nothing is begun. Throws what those throw. */
export async function checkFollowing(description: RunDescription, methods: readonly Method[]): Promise<void> {
  const { method, settings, seed, space = '', before, training, runtime } = description;
  if (training === undefined) return;
  const { workers, signal } = runtime;
  const dataset = await resolveDataset(description);
  const described = await method.describe({ settings, seed, dataset, space, before, workers, signal });
  await checkTraining(training, dataset, described, methods);
}

function startEvent(
  { files, config, seed, method }: RunDescription,
  { dataset, graphs, space, notices: own = [], trainSamples, validationSamples, ...described }: MethodDescription,
  notices: readonly string[],
  { description }: Device,
  stage: Stage,
  { epoch, step }: Position,
): StartEvent {
  const previous = config?.devices.at(-1)?.device;
  const { epochs, layers = described.layers, graph = Object.values(graphs)[0] } = stage;
  return {
    type: 'start',
    dataset: dataset.name,
    notices: [...notices, ...own, ...dataset.notices, ...(isCorpus(dataset) ? [] : classNotices(dataset, method))],
    ...(isCorpus(dataset)
      ? { trainWords: trainSamples, validationWords: validationSamples, vocabulary: dataset.vocabulary.words.length }
      : {
          ...{ imageShape: dataset.train.shape, classes: dataset.classes },
          ...{ trainImages: trainSamples, validationImages: validationSamples },
        }),
    run: method.command,
    method: method.name,
    ...(space !== undefined && { space }),
    layers,
    parameters: costOf(graph).parameters,
    device: description,
    previousDevice: previous === description ? undefined : previous,
    seed,
    epochs,
    steps: stepsOf(stage, Math.min(epoch, epochs - 1)),
    ...((stage.layers ?? stage.later) !== undefined && { stageName: stage.name }),
    directory: files?.directory,
    resumed: config && { epoch, step },
  };
}

function classNotices(dataset: Dataset<ImageSet>, { command }: Method): string[] {
  const { train, test } = dataset;
  return [
    ...emptyClassNotices(train, dataset, 'training'),
    ...(command === 'train' && test ? emptyClassNotices(test, dataset, 'test') : []),
  ];
}

/** Takes hold of a run that goes on, before anything that takes long. */
async function holdResumed(
  description: RunDescription,
  methods: readonly Method[],
  cleanup: Cleanup,
): Promise<{ description: RunDescription; lock?: Lock }> {
  const { files, config } = description;
  if (files === undefined || config === undefined) return { description };
  const lock = await holdRun(files);
  cleanup.push(lock.release);
  // Again: whoever held it until now may have changed it.
  const { config: current } = await readRun(files.directory, methods);
  return { description: { ...description, config: current }, lock };
}

async function resolveDataset(description: RunDescription): Promise<RunData> {
  const { method, dataset, dataDir, limit, usualLimit, imageSize, colourProfile, runtime } = description;
  if (typeof dataset !== 'string') return dataset;
  try {
    const { signal } = runtime;
    if (method.data === 'text') {
      return await loadCorpus(dataset as CorpusName, { dataDir: dataDir ?? '', limit, usualLimit, signal });
    }
    return await loadDataset(dataset as DatasetName, {
      ...{ dataDir, limit, usualLimit, imageSize, colourProfile, signal },
    });
  } catch (error) {
    const isRecorded = description.config !== undefined || description.repeats !== undefined;
    const moved = isRecorded && dataDir !== undefined && !existsSync(dataDir);
    if (!(error instanceof DataError && moved)) throw error;
    throw new DataError(`${error.message}; dataDir (--data-dir) says where the data lie now`, { cause: error });
  }
}

/** Makes the directory of a new run and records its configuration; nothing for a run that writes nothing. */
async function settleNew(
  description: RunDescription,
  described: MethodDescription,
  device: Device,
  cleanup: Cleanup,
): Promise<Lock | undefined> {
  const { files, config } = description;
  if (files === undefined || config !== undefined) return undefined;
  const digest = await dataDigest(described.dataset);
  const lock = await beginRun(files, configOf(description, described, device.description, digest));
  cleanup.push(lock.release);
  if (isCorpus(described.dataset)) await writeVocabulary(files.vocabulary, described.dataset.vocabulary);
  return lock;
}

/** Where a run stands on the disk: at its last checkpoint, behind which its journal is cut off. */
async function restore(
  { files, config, method, runtime }: RunDescription,
  running: MethodRun,
  cleanup: Cleanup,
): Promise<{ log?: RunLog; at: Position }> {
  if (files === undefined) return { at: firstPosition };
  // A run killed before its first checkpoint has none and starts from the beginning.
  const saved = config && (await loadCheckpoint(files.checkpoint, running));
  const at = saved ?? firstPosition;
  const journal = await openJournal(files.journal, at);
  // Its lines were synced with the last checkpoint; an error here must not hide the one that ended the run.
  cleanup.push(() => journal.close().catch(() => {}));
  const tensorboard = runtime.tensorboard ? await openTensorboard(files.directory, method) : undefined;
  cleanup.push(() => tensorboard?.close().catch(() => {}));
  return { log: { files, journal, saved, ...(tensorboard && { tensorboard }) }, at };
}
