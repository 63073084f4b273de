import type { Device } from '../backend/device.ts';
import { openDevice } from '../backend/open.ts';
import type { Parameters } from '../backend/parameters.ts';
import type { Dataset } from '../data/dataset.ts';
import { datasetDigest } from '../data/digest.ts';
import { loadDataset } from '../data/load.ts';
import { splitIndices } from '../data/split.ts';
import { AbortedError, FileError } from '../errors.ts';
import { buildSupernet, type Supernet } from '../network/supernet.ts';
import { type BatchSource, stepsPerEpoch } from '../search/batches.ts';
import { createProgramSet, type ProgramSet } from '../search/programs.ts';
import { initialProgress, loadCheckpoint, type Progress } from './checkpoint.ts';
import { graphDigest, type RunConfig, runFormat, runVersions } from './config.ts';
import { beginRun, type RunFiles, writeConfig } from './directory.ts';
import type { StartEvent } from './events.ts';
import { type MetricsLog, openMetrics, type Position } from './metrics.ts';
import type { SearchPlan } from './options.ts';
import { startEvent } from './start.ts';

/** The files of a run that is going on. */
export interface RunLog {
  readonly files: RunFiles;
  readonly metrics: MetricsLog;
  /** Position of the checkpoint on the disk. */
  saved?: Position;
}

/** Everything a search holds while it runs. */
export interface Session {
  readonly plan: SearchPlan;
  readonly start: StartEvent;
  readonly device: Device;
  readonly supernet: Supernet;
  readonly parameters: Parameters;
  readonly programs: ProgramSet;
  readonly source: BatchSource;
  /** Steps of an epoch. */
  readonly steps: number;
  /** Absent when nothing is written. */
  readonly log?: RunLog;
  progress: Progress;
}

/** Something to undo at the end, in reverse order. */
type Cleanup = (() => void | Promise<void>)[];

/**
 * Opens what a plan needs, passes it to `work` and frees it afterwards, whatever happens. Throws the errors of the
 * dataset, the device and the run directory.
 */
export async function withSession<T>(plan: SearchPlan, work: (session: Session) => Promise<T>): Promise<T> {
  const cleanup: Cleanup = [];
  try {
    return await work(await openSession(plan, cleanup));
  } finally {
    for (const undo of cleanup.reverse()) await undo();
  }
}

async function openSession(plan: SearchPlan, cleanup: Cleanup): Promise<Session> {
  const { settings, seed, runtime } = plan;
  if (runtime.signal?.aborted) throw new AbortedError();
  const dataset = await resolveDataset(plan);
  const supernet = buildSupernet({
    space: plan.space,
    inputShape: dataset.train.shape,
    classes: dataset.classes,
    initChannels: settings.initChannels,
    layers: settings.layers,
  });
  const split = splitIndices(dataset.train.labels.length, settings.trainPortion, seed);
  const { backend, threads, index } = runtime;
  const device = runtime.device ?? (await openDevice({ backend, threads, index }));
  if (runtime.device === undefined) cleanup.push(() => device.dispose());
  const parameters = await device.createParameters(supernet.graph, { seed });
  cleanup.push(() => parameters.dispose());
  const images = device.createDataset(dataset.train);
  cleanup.push(() => images.dispose());
  const programs = createProgramSet(device, supernet.graph, parameters, settings.precision);
  cleanup.push(() => programs.dispose());
  // Not the dataset whole: its images are the device's now.
  const { mean, deviation, augmentation } = dataset;
  const source = { images, statistics: { mean, deviation, augmentation }, ...split, settings, seed };
  const steps = stepsPerEpoch(source);
  // Before anything is written: the device may refuse the precision.
  programs.programFor(Math.min(settings.batchSize, split.train.length));
  await settleConfig(plan, dataset, supernet, device);
  const { log, progress } = await openLog(plan, parameters, steps, cleanup);
  await recordDevice(plan, device, progress);
  const start = startEvent(plan, { dataset, split, supernet, device, steps, position: progress });
  return { plan, start, device, supernet, parameters, programs, source, steps, log, progress };
}

async function resolveDataset({ dataset, dataDir, limit, runtime }: SearchPlan): Promise<Dataset> {
  return typeof dataset === 'string' ? loadDataset(dataset, { dataDir, limit, signal: runtime.signal }) : dataset;
}

/** Records a new run's configuration, or holds a resumed run's data and network to the recorded one. */
async function settleConfig(plan: SearchPlan, dataset: Dataset, supernet: Supernet, device: Device): Promise<void> {
  if (plan.files === undefined) return;
  const digests = { data: datasetDigest(dataset), graph: graphDigest(supernet.graph) };
  if (plan.config === undefined) {
    await beginRun(plan.files, describeRun(plan, dataset, device.description, digests));
    return;
  }
  if (plan.config.dataset.digest !== digests.data) {
    throw new FileError(`${plan.files.config} expects other training images: dataset '${dataset.name}' has changed`);
  }
  if (plan.config.space.graphDigest !== digests.graph) {
    throw new FileError(`${plan.files.config} expects another supernet: space '${supernet.space.name}' has changed`);
  }
}

function describeRun(
  { dataset, dataDir, limit, space, seed, settings }: SearchPlan,
  { name, classes, train }: Dataset,
  device: string,
  digests: { readonly data: string; readonly graph: string },
): RunConfig {
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
      limit,
      imageShape: train.shape,
      classes,
      digest: digests.data,
    },
    space: {
      name: typeof space === 'string' ? space : space.name,
      given: typeof space !== 'string',
      graphDigest: digests.graph,
    },
  };
}

/** Tells in the configuration of a resumed run that it goes on with another device. */
async function recordDevice({ files, config }: SearchPlan, { description }: Device, at: Position): Promise<void> {
  if (files === undefined || config === undefined || config.devices.at(-1)?.device === description) return;
  const { epoch, step } = at;
  await writeConfig(files, { ...config, devices: [...config.devices, { device: description, epoch, step }] });
}

async function openLog(
  { files, config, settings }: SearchPlan,
  parameters: Parameters,
  steps: number,
  cleanup: Cleanup,
): Promise<{ log?: RunLog; progress: Progress }> {
  if (files === undefined) return { progress: initialProgress };
  // A run killed before its first checkpoint has none and starts from the beginning.
  const saved = config && (await loadCheckpoint(files.checkpoint, parameters, { epochs: settings.epochs, steps }));
  const progress = saved ?? initialProgress;
  const metrics = await openMetrics(files.metrics, progress);
  // Its lines were synced with the last checkpoint; an error here must not hide the one that ended the run.
  cleanup.push(() => metrics.close().catch(() => {}));
  return { log: { files, metrics, saved }, progress };
}
