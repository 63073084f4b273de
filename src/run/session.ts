import { existsSync } from 'node:fs';
import type { Device } from '../backend/device.ts';
import { openDevice } from '../backend/open.ts';
import type { Parameters } from '../backend/parameters.ts';
import { emptyClassNotices } from '../data/classes.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { datasetDigest } from '../data/digest.ts';
import { listed } from '../data/files.ts';
import { loadDataset } from '../data/load.ts';
import { DataError, FileError, throwIfAborted } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { costOf } from '../report/cost.ts';
import { initialProgress, loadCheckpoint, type Progress } from './checkpoint.ts';
import { graphDigest, type RunConfig, runFormat, runVersions } from './config.ts';
import { beginRun, holdRun, type RunFiles, readConfig, writeConfig } from './directory.ts';
import type { StartEvent } from './events.ts';
import type { Lock } from './lock.ts';
import { type MetricsLog, openMetrics, type Position } from './metrics.ts';
import type { RunPlan } from './run_options.ts';
import type { Work } from './work.ts';

/** The files of a run that is going on. */
export interface RunLog {
  readonly files: RunFiles;
  readonly metrics: MetricsLog;
  /** Position of the checkpoint on the disk. */
  saved?: Position;
}

/** Everything a run holds while it goes on. */
export interface Session<W extends Work = Work> {
  readonly plan: RunPlan;
  readonly start: StartEvent;
  readonly device: Device;
  readonly parameters: Parameters;
  readonly work: W;
  /** Absent when nothing is written. */
  readonly log?: RunLog;
  progress: Progress;
  /** So far, in this process. */
  unreadableImages: number;
}

/** A kind of run, made ready for a dataset. */
export interface Method<W extends Work> {
  /** The run's images: those that were loaded, or what the run makes of them. */
  readonly dataset: Dataset<ImageSet>;
  /** Whose parameters the run trains. */
  readonly graph: Graph;
  /** What the first event tells beside what all runs tell. */
  readonly about: Pick<StartEvent, 'run' | 'space' | 'layers' | 'trainImages' | 'validationImages'>;
  /** What config.json says beside what it says of all runs. */
  describe(graphDigest: string): object;
  /** Throws FileError where a resumed run began with another network than that of `graphDigest`. */
  check(config: RunConfig, graphDigest: string, files: RunFiles): void;
  open(device: Device, parameters: Parameters): W | Promise<W>;
}

/** Something to undo at the end, in reverse order. */
type Cleanup = (() => void | Promise<void>)[];

/**
 * Opens what a plan needs, passes it to `work` and frees it afterwards, whatever happens. Throws the errors of the
 * dataset, the device and the run directory.
 */
export async function withSession<W extends Work, T>(
  plan: RunPlan,
  prepare: (dataset: Dataset<ImageSet>) => Method<W> | Promise<Method<W>>,
  work: (session: Session<W>) => Promise<T>,
): Promise<T> {
  const cleanup: Cleanup = [];
  try {
    return await work(await openSession(plan, prepare, cleanup));
  } finally {
    for (const undo of cleanup.reverse()) await undo();
  }
}

async function openSession<W extends Work>(
  given: RunPlan,
  prepare: (dataset: Dataset<ImageSet>) => Method<W> | Promise<Method<W>>,
  cleanup: Cleanup,
): Promise<Session<W>> {
  throwIfAborted(given.runtime.signal);
  const { plan, lock } = await holdResumed(given, cleanup);
  const { seed, runtime } = plan;
  const method = await prepare(await resolveDataset(plan));
  const { backend, threads, index } = runtime;
  const device = runtime.device ?? (await openDevice({ backend, threads, index }));
  if (runtime.device === undefined) cleanup.push(() => device.dispose());
  const parameters = await device.createParameters(method.graph, { seed });
  cleanup.push(() => parameters.dispose());
  // Before anything is written: the device may refuse the precision.
  const work = await method.open(device, parameters);
  cleanup.push(() => work[Symbol.dispose]());
  const { notices = [] } = lock ?? (await settleNew(plan, method, device, cleanup)) ?? {};
  await checkResumed(plan, method);
  const { log, progress } = await openLog(plan, parameters, work, cleanup);
  await recordChanges(plan, device, progress);
  const start = startEvent(plan, method, notices, device, work.steps, progress);
  return { plan, start, device, parameters, work, log, progress, unreadableImages: 0 };
}

function startEvent(
  { files, config, seed, settings }: RunPlan,
  { about, graph, dataset }: Pick<Method<Work>, 'about' | 'graph' | 'dataset'>,
  notices: readonly string[],
  { description }: Device,
  steps: number,
  { epoch, step }: Position,
): StartEvent {
  const { name, train, test, classes } = dataset;
  const previous = config?.devices.at(-1)?.device;
  return {
    type: 'start',
    dataset: name,
    notices: [
      ...notices,
      ...dataset.notices,
      ...emptyClassNotices(train, dataset, 'training'),
      ...(about.run === 'train' && test ? emptyClassNotices(test, dataset, 'test') : []),
    ],
    imageShape: train.shape,
    classes,
    ...about,
    parameters: costOf(graph).parameters,
    device: description,
    previousDevice: previous === description ? undefined : previous,
    seed,
    epochs: settings.epochs,
    steps,
    directory: files?.directory,
    resumed: config && { epoch, step },
  };
}

/** Takes hold of a run that goes on, before anything that takes long. */
async function holdResumed(plan: RunPlan, cleanup: Cleanup): Promise<{ plan: RunPlan; lock?: Lock }> {
  const { files, config } = plan;
  if (files === undefined || config === undefined) return { plan };
  const lock = await holdRun(files);
  cleanup.push(lock.release);
  // Again: whoever held it until now may have changed it.
  return { plan: { ...plan, config: await readConfig(files) }, lock };
}

async function resolveDataset(plan: RunPlan): Promise<Dataset<ImageSet>> {
  const { dataset, dataDir, limit, usualLimit, imageSize, colourProfile, config, runtime } = plan;
  if (typeof dataset !== 'string') return dataset;
  try {
    const { signal } = runtime;
    return await loadDataset(dataset, { dataDir, limit, usualLimit, imageSize, colourProfile, signal });
  } catch (error) {
    const moved = config !== undefined && dataDir !== undefined && !existsSync(dataDir);
    if (!(error instanceof DataError && moved)) throw error;
    throw new DataError(`${error.message}; dataDir (--data-dir) says where the data lie now`, { cause: error });
  }
}

/** Makes the directory of a new run and records its configuration; nothing for a run that writes nothing. */
async function settleNew<W extends Work>(
  plan: RunPlan,
  method: Method<W>,
  device: Device,
  cleanup: Cleanup,
): Promise<Lock | undefined> {
  const { files, config } = plan;
  if (files === undefined || config !== undefined) return undefined;
  const { dataset } = method;
  const about = describeRun(plan, dataset, device.description, await datasetDigest(dataset));
  // The plan's settings are those of the method's kind.
  const described: unknown = { ...about, ...method.describe(graphDigest(method.graph)) };
  const lock = await beginRun(files, described as RunConfig);
  cleanup.push(lock.release);
  return lock;
}

/** Holds a resumed run's data and network to the recorded ones: the data may lie elsewhere, but not be others. */
async function checkResumed<W extends Work>({ files, config, dataDir }: RunPlan, method: Method<W>): Promise<void> {
  if (files === undefined || config === undefined) return;
  const { dataset } = method;
  if (config.dataset.digest !== (await datasetDigest(dataset))) {
    const place = dataDir === undefined ? '' : ` in ${dataDir}`;
    throw new FileError(
      `${files.config} expects other images or another normalisation: dataset '${dataset.name}'${place} has changed`,
    );
  }
  checkClassNames(config, dataset, files);
  method.check(config, graphDigest(method.graph), files);
}

/** The digest of images in memory knows labels by number alone. */
function checkClassNames({ dataset }: RunConfig, { classNames }: Dataset<ImageSet>, { config }: RunFiles): void {
  const recorded = dataset.classNames;
  if (recorded === undefined || recorded.join('\0') === classNames.join('\0')) return;
  throw new FileError(`${config} expects the classes ${listed(recorded)}, found ${listed(classNames)}`);
}

function describeRun(
  { dataset, dataDir, limit, usualLimit, imageSize, colourProfile, validationPortion, seed, settings }: RunPlan,
  { name, classes, classNames, train }: Dataset<ImageSet>,
  device: string,
  digest: string,
) {
  const named = typeof dataset === 'string';
  return {
    format: runFormat,
    versions: runVersions(),
    devices: [{ device, epoch: 0, step: 0 }],
    seed,
    settings,
    dataset: {
      name: named ? dataset : name,
      given: !named,
      dataDir,
      limit: named ? (limit ?? usualLimit) : undefined,
      imageSize,
      colourProfile,
      validationPortion,
      imageShape: train.shape,
      classes,
      classNames: classNames.length > 0 ? classNames : undefined,
      digest,
    },
  };
}

/** Tells in the configuration of a resumed run that it goes on with another device, or with data that lie elsewhere. */
async function recordChanges({ files, config, dataDir }: RunPlan, device: Device, at: Position): Promise<void> {
  if (files === undefined || config === undefined) return;
  const isSame = config.devices.at(-1)?.device === device.description;
  if (isSame && config.dataset.dataDir === dataDir) return;
  const { epoch, step } = at;
  const devices = isSame ? config.devices : [...config.devices, { device: device.description, epoch, step }];
  await writeConfig(files, { ...config, devices, dataset: { ...config.dataset, dataDir } });
}

async function openLog(
  { files, config, settings }: RunPlan,
  parameters: Parameters,
  { steps, averages }: Work,
  cleanup: Cleanup,
): Promise<{ log?: RunLog; progress: Progress }> {
  if (files === undefined) return { progress: initialProgress };
  // A run killed before its first checkpoint has none and starts from the beginning.
  const trained = { parameters, averages };
  const saved = config && (await loadCheckpoint(files.checkpoint, trained, { epochs: settings.epochs, steps }));
  const progress = saved ?? initialProgress;
  const metrics = await openMetrics(files.metrics, progress);
  // Its lines were synced with the last checkpoint; an error here must not hide the one that ended the run.
  cleanup.push(() => metrics.close().catch(() => {}));
  return { log: { files, metrics, saved }, progress };
}
