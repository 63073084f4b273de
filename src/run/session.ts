import type { Device } from '../backend/device.ts';
import { openDevice } from '../backend/open.ts';
import type { Parameters } from '../backend/parameters.ts';
import type { Dataset, ImageSet } from '../data/dataset.ts';
import { datasetDigest } from '../data/digest.ts';
import { loadDataset } from '../data/load.ts';
import { AbortedError, FileError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { costOf } from '../report/cost.ts';
import { initialProgress, loadCheckpoint, type Progress } from './checkpoint.ts';
import { graphDigest, type RunConfig, runFormat, runVersions } from './config.ts';
import { beginRun, type RunFiles, writeConfig } from './directory.ts';
import type { StartEvent } from './events.ts';
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
  prepare: (dataset: Dataset<ImageSet>) => Method<W>,
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
  plan: RunPlan,
  prepare: (dataset: Dataset<ImageSet>) => Method<W>,
  cleanup: Cleanup,
): Promise<Session<W>> {
  const { seed, runtime } = plan;
  if (runtime.signal?.aborted) throw new AbortedError();
  const dataset = await resolveDataset(plan);
  const method = prepare(dataset);
  const { backend, threads, index } = runtime;
  const device = runtime.device ?? (await openDevice({ backend, threads, index }));
  if (runtime.device === undefined) cleanup.push(() => device.dispose());
  const parameters = await device.createParameters(method.graph, { seed });
  cleanup.push(() => parameters.dispose());
  // Before anything is written: the device may refuse the precision.
  const work = await method.open(device, parameters);
  cleanup.push(() => work[Symbol.dispose]());
  await settleConfig(plan, dataset, method, device);
  const { log, progress } = await openLog(plan, parameters, work, cleanup);
  await recordDevice(plan, device, progress);
  const start = startEvent(plan, method, dataset, device, work.steps, progress);
  return { plan, start, device, parameters, work, log, progress, unreadableImages: 0 };
}

function startEvent(
  { files, config, seed, settings }: RunPlan,
  { about, graph }: Pick<Method<Work>, 'about' | 'graph'>,
  { name, notices, train, classes }: Dataset<ImageSet>,
  { description }: Device,
  steps: number,
  { epoch, step }: Position,
): StartEvent {
  const previous = config?.devices.at(-1)?.device;
  return {
    type: 'start',
    dataset: name,
    notices,
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

async function resolveDataset(plan: RunPlan): Promise<Dataset<ImageSet>> {
  const { dataset, dataDir, limit, usualLimit, imageSize, runtime } = plan;
  if (typeof dataset !== 'string') return dataset;
  return loadDataset(dataset, { dataDir, limit, usualLimit, imageSize, signal: runtime.signal });
}

/** Records a new run's configuration, or holds a resumed run's data and network to the recorded one. */
async function settleConfig<W extends Work>(
  plan: RunPlan,
  dataset: Dataset<ImageSet>,
  method: Method<W>,
  device: Device,
): Promise<void> {
  const { files, config } = plan;
  if (files === undefined) return;
  const [data, graph] = [await datasetDigest(dataset), graphDigest(method.graph)];
  if (config === undefined) {
    // The plan's settings are those of the method's kind.
    const described: unknown = { ...describeRun(plan, dataset, device.description, data), ...method.describe(graph) };
    await beginRun(files, described as RunConfig);
    return;
  }
  if (config.dataset.digest !== data) {
    throw new FileError(
      `${files.config} expects other images or another normalisation: dataset '${dataset.name}' has changed`,
    );
  }
  method.check(config, graph, files);
}

function describeRun(
  { dataset, dataDir, limit, usualLimit, imageSize, seed, settings }: RunPlan,
  { name, classes, train }: Dataset<ImageSet>,
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
      imageShape: train.shape,
      classes,
      digest,
    },
  };
}

/** Tells in the configuration of a resumed run that it goes on with another device. */
async function recordDevice({ files, config }: RunPlan, { description }: Device, at: Position): Promise<void> {
  if (files === undefined || config === undefined || config.devices.at(-1)?.device === description) return;
  const { epoch, step } = at;
  await writeConfig(files, { ...config, devices: [...config.devices, { device: description, epoch, step }] });
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
