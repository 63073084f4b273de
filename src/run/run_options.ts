// What every run can be told: a search and a training alike.
import { resolve } from 'node:path';
import type { BackendName, Device } from '../backend/device.ts';
import { anInteger } from '../checks.ts';
import { checkDataset } from '../data/check_dataset.ts';
import { type ColourProfile, colourProfiles, type Dataset, type ImageSet, isInMemory } from '../data/dataset.ts';
import { type DatasetName, datasetNames } from '../data/load.ts';
import { ArgumentError, FileError, invalid } from '../errors.ts';
import { atLeast, type OptionRules, text, word, wordOr } from '../option_rules.ts';
import type { RunConfig } from './config.ts';
import { openRunDirectory, planRunDirectory, type RunFiles } from './directory.ts';
import { deviceRules, type Runtime } from './runtime.ts';

/** Options of a run; all have defaults. */
export interface RunOptions {
  /** A known dataset's name or images of your own; `mnist` when absent. */
  readonly dataset?: DatasetName | Dataset<ImageSet>;
  /** Folder of a named dataset's files. */
  readonly dataDir?: string;
  /** Use only so many training images of a named dataset; the preset's number when absent. */
  readonly limit?: number;
  /** Height and width that the image files of a named dataset are brought to; 224 when absent, 32 for a search. */
  readonly imageSize?: number;
  /** What becomes of colour profiles in image files of a named dataset; `convert` when absent, as a viewer does. */
  readonly colourProfile?: ColourProfile;
  /** Decides every random choice; 0 when absent. */
  readonly seed?: number;
  readonly backend?: 'auto' | BackendName;
  readonly threads?: number;
  /** Which GPU, as `dartsmith doctor` numbers them. */
  readonly index?: number;
  /** Threads that read and augment a training's images ahead of its steps; one per core, 16 at most, when absent. */
  readonly workers?: number;
  /** Run on this device instead of opening one; it is not disposed. */
  readonly device?: Device;
  /** Folder for the run's files; nothing is written when absent. It must hold no run yet. */
  readonly out?: string;
  /**
   * Folder of a run to go on with, to the same bits as if it had never stopped. Beside it only `backend`, `threads`,
   * `index`, `workers`, `device`, `signal` and `checkpointSeconds` may be given, what the run began with as an object, and `dataDir`
   * where the same data lie elsewhere now.
   */
  readonly resume?: string;
  /** Ends the run after the current step and a checkpoint, with AbortedError. */
  readonly signal?: AbortSignal;
  /** Time between checkpoints within an epoch; 60 when absent, 0 for one after each step. One ends each epoch anyway. */
  readonly checkpointSeconds?: number;
}

const aFolder = text('the path of a folder');

/** What options of a run may be; what they mean together is looked at when the run is planned. */
export const runRules: OptionRules<RunOptions> = {
  dataset: wordOr(datasetNames, 'a dataset of your own'),
  dataDir: aFolder,
  limit: anInteger(2),
  imageSize: anInteger(1),
  colourProfile: word(colourProfiles),
  seed: { ...anInteger(0), words: 'an integer from 0 to 2^53 - 1' },
  ...deviceRules,
  out: aFolder,
  resume: aFolder,
  checkpointSeconds: atLeast(0),
};

/** A checked run, new or resumed, with every default filled in. */
export interface RunPlan<Config extends RunConfig = RunConfig> {
  readonly dataset: DatasetName | Dataset<ImageSet>;
  readonly dataDir?: string;
  /** Of the training images, where the user gave one; `usualLimit` is that of a preset or of the run that goes on. */
  readonly limit?: number;
  readonly usualLimit?: number;
  readonly imageSize?: number;
  readonly colourProfile?: ColourProfile;
  /** Share of the training images that a training is scored on instead of test images. */
  readonly validationPortion?: number;
  readonly settings: Config['settings'];
  readonly seed: number;
  readonly runtime: Runtime;
  readonly files?: RunFiles;
  /** Of the run that goes on. */
  readonly config?: Config;
}

/** Checks the options of a new run. `settings` and `usualLimit` are those of its preset. Throws ArgumentError or FileError. */
export async function planNewRun<Config extends RunConfig>(
  options: RunOptions,
  settings: Config['settings'],
  usualLimit: number | undefined,
): Promise<RunPlan<Config>> {
  const { dataset = 'mnist', seed = 0, dataDir, limit, out } = options;
  const runtime = planRuntime(options);
  checkOwnDataset(options);
  return {
    dataset,
    dataDir: dataDir === undefined ? undefined : resolve(dataDir),
    limit,
    usualLimit,
    imageSize: options.imageSize,
    colourProfile: options.colourProfile,
    settings,
    seed,
    runtime,
    files: out === undefined ? undefined : await planRunDirectory(folder('out', out)),
  };
}

/** Throws ArgumentError for a faulty dataset that is given itself, and for what tells where a named one comes from beside it. */
export function checkOwnDataset(
  options: Pick<RunOptions, 'dataset' | 'dataDir' | 'limit' | 'imageSize' | 'colourProfile'>,
): void {
  if (options.dataset === undefined || typeof options.dataset === 'string') return;
  checkDataset(options.dataset);
  for (const name of ['dataDir', 'limit', 'imageSize', 'colourProfile'] as const) {
    if (options[name] !== undefined) throw invalid(name, 'nothing beside a dataset of your own', options[name]);
  }
}

/** What decides the size of a dataset's images, as its user knows it. */
export function sizeOption(dataset: Dataset<ImageSet>): string {
  return isInMemory(dataset) ? `the images of dataset '${dataset.name}'` : 'imageSize (--image-size)';
}

/**
 * Opens the folder of a run of one kind to go on with it. `fixed` names the options that the run fixed. Throws ArgumentError or
 * FileError.
 */
export async function planResumedRun<Config extends RunConfig, Options extends RunOptions = RunOptions>(
  kind: Config['kind'],
  options: Options,
  directory: string,
  fixed: readonly (keyof Options & string)[],
): Promise<RunPlan<Config> & { readonly files: RunFiles; readonly config: Config }> {
  const runtime = planRuntime(options);
  checkOwnDataset(options);
  for (const name of fixed) {
    if (options[name] !== undefined) throw new ArgumentError(`${name} cannot be given with resume: the run fixed it`);
  }
  const { files, config } = await openRunDirectory<Config>(folder('resume', directory), kind);
  return {
    dataset: sameKind('dataset', options.dataset, config.dataset, files) as DatasetName | Dataset<ImageSet>,
    dataDir: options.dataDir === undefined ? config.dataset.dataDir : resolve(folder('dataDir', options.dataDir)),
    usualLimit: config.dataset.limit,
    imageSize: config.dataset.imageSize,
    colourProfile: config.dataset.colourProfile,
    validationPortion: config.dataset.validationPortion,
    settings: config.settings,
    seed: config.seed,
    runtime,
    files,
    config,
  };
}

/** What a run began with: its name, or the object, which no file can hold and the caller gives again. */
export function sameKind<T extends object>(
  option: 'dataset' | 'space',
  value: string | T | undefined,
  recorded: { readonly name: string; readonly given: boolean },
  files: RunFiles,
): string | T {
  if (recorded.given) {
    if (typeof value === 'object' && value !== null) return value;
    throw new ArgumentError(
      `${files.directory} began with a ${option} of its own, '${recorded.name}': resume it from a program that gives it again`,
    );
  }
  if (value !== undefined) throw new ArgumentError(`${option} cannot be given with resume: the run fixed it`);
  return recorded.name;
}

function planRuntime({ workers, device, signal, checkpointSeconds = 60, ...options }: RunOptions): Runtime {
  const { backend, threads, index } = options;
  if (device !== undefined && [backend, threads, index].some((option) => option !== undefined)) {
    throw new ArgumentError('backend, threads and index cannot be given with device: it was opened with its own');
  }
  return { backend, threads, index, workers, device, signal, checkpointSeconds };
}

function folder(option: string, path: string): string {
  if (path.includes('\0')) throw new FileError(`the path for ${option} holds a NUL character`);
  return path;
}
