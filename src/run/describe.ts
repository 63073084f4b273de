// The first of the three calls that open a run: what it is, by its options and, of one that goes on, by its directory.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { deviceChoice } from '../backend/open.ts';
import { checkDataset } from '../data/check_dataset.ts';
import type { ColourProfile } from '../data/dataset.ts';
import { type DatasetName, isInFiles } from '../data/load.ts';
import { isCorpus, type RunData } from '../data/run_data.ts';
import { checkCorpus } from '../data/text/check_corpus.ts';
import type { CorpusName } from '../data/text/corpus.ts';
import { ArgumentError, FileError, invalid } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import type { Method, RunCommand, RunOutcomes, UsualTraining } from '../methods/method.ts';
import { trainingMethod } from '../methods/registry.ts';
import { checkOptionRules } from '../option_rules.ts';
import { resolvePreset, type Settings, usualPreset } from '../setting_rules.ts';
import { skeletons, usualSkeleton } from '../skeleton/skeletons.ts';
import { type SearchSpace, skeletonNameOf } from '../space/space.ts';
import type { RecordedSource, RunConfig, TrainingPlan } from './config.ts';
import { freeRunFiles, openRunDirectory, type RecordedRun, type RunFiles } from './directory.ts';
import { foundSkeleton } from './found_in.ts';
import { type MethodOptions, namedMethod, namesOf, type RunOptions, rulesOf } from './options.ts';
import { readOutcomes } from './outcomes.ts';
import { runDataset } from './run_dataset.ts';
import type { Runtime } from './runtime.ts';
import { findSource } from './source.ts';
import { planTraining } from './training.ts';

/** A checked run, new or resumed, with every default filled in. */
export interface RunDescription {
  readonly method: Method;
  readonly settings: Settings;
  readonly seed: number;
  readonly dataset: DatasetName | CorpusName | RunData;
  readonly dataDir?: string;
  /** Of the training images, where the user gave one; `usualLimit` is that of a preset or of the run that goes on. */
  readonly limit?: number;
  readonly usualLimit?: number;
  readonly imageSize?: number;
  readonly colourProfile?: ColourProfile;
  readonly validationPortion?: number;
  readonly space?: string | SearchSpace;
  readonly genotype?: Genotype;
  readonly before?: RunOutcomes;
  /** The search whose supernet it goes on with. */
  readonly source?: RecordedSource;
  /** What follows a search. */
  readonly training?: TrainingPlan;
  readonly runtime: Runtime;
  readonly files?: RunFiles;
  /** Of the run that goes on. */
  readonly config?: RunConfig;
  /** The run that a new one repeats: it is held to its data and networks. */
  readonly repeats?: RecordedRun;
}

/** What the run itself has fixed. */
const fixedOnResume = [
  'method',
  'limit',
  'imageSize',
  'colourProfile',
  'validationPortion',
  'preset',
  'settings',
  'seed',
  'out',
  'genotype',
  'from',
  'foundIn',
  'training',
  'run',
  'stage',
  'epoch',
] as const;

/** Checks options and the run directory, and fills in the defaults. Throws ArgumentError or FileError. */
export async function describeRun(
  command: RunCommand,
  options: MethodOptions,
  methods: readonly Method[],
): Promise<RunDescription> {
  const method = namedMethod(command, options, methods);
  checkOptionRules(command, options, rulesOf(method, methods));
  const { resume } = options;
  if (resume !== undefined) return describeResumed(command, options, resume, methods);
  const runtime = runtimeOf(options);
  const { needs, spaces, presets } = method;
  const { genotype, from, foundIn } = options;
  const before = from === undefined ? undefined : await readBefore(folder('from', from), method, methods);
  const found =
    foundIn === undefined || method.data === 'text'
      ? undefined
      : await foundSkeleton(folder('foundIn', foundIn), methods);
  const { preset = presetFor(method, found, options.space ?? before?.space, genotype) } = options;
  const space = options.space ?? before?.space ?? presets[preset]?.space ?? spaces?.[0];
  checkFollows(before, space);
  if (needs === 'genotype') {
    if (genotype === undefined) throw invalid('genotype', 'the genotype whose network is trained', genotype);
    checkGenotype(genotype);
  }
  const given = resolvePreset(method.settings, presets, preset, { ...depthOf(genotype), ...options.settings });
  const settings = found === undefined ? given : (method.inSkeleton?.(given, found) ?? given);
  checkOwnDataset(options);
  if (needs === 'run') return describeFollowing(method, settings, options, methods);
  const {
    dataset = namesOf[method.data][0] as DatasetName,
    seed = 0,
    dataDir,
    limit,
    colourProfile,
    validationPortion,
    out,
  } = options;
  return {
    ...{ method, settings, seed, dataset, limit, colourProfile, validationPortion, space, genotype, before, runtime },
    dataDir: dataDir === undefined ? undefined : resolve(dataDir),
    usualLimit: presets[preset].limit,
    imageSize: options.imageSize ?? usualSize(dataset, method),
    training: planned(method, preset, settings, { ...options, space }, methods),
    files: out === undefined ? undefined : await freeRunFiles(folder('out', out)),
  };
}

/** What the run that another goes on with has fixed. */
const fixedBySource = ['limit', 'imageSize', 'colourProfile', 'validationPortion'] as const;

/** A run that goes on with the supernet of another, whose images are its own. */
async function describeFollowing(
  method: Method,
  settings: Settings,
  { run, stage, epoch, out, space, seed = 0, ...options }: MethodOptions,
  methods: readonly Method[],
): Promise<RunDescription> {
  if (run === undefined) throw invalid('run', 'the directory of a search with a supernet', run);
  for (const name of fixedBySource) {
    if (options[name] !== undefined) throw new ArgumentError(`${name} cannot be given: the search fixed it`);
  }
  const { run: searched, recorded } = await findSource(folder('run', run), { stage, epoch }, methods);
  const { limit, dataDir, ...images } = runDataset(searched, options as Pick<MethodOptions, 'dataDir'>);
  return {
    ...{ method, settings, seed, space, source: recorded, usualLimit: limit, ...images },
    dataDir: dataDir === undefined ? undefined : resolve(dataDir),
    runtime: runtimeOf({ ...options, out }),
    files: out === undefined ? undefined : await freeRunFiles(folder('out', out)),
  };
}

/** The preset that is taken where nobody names one. */
function presetFor(
  { data, presets }: Method,
  found: string | undefined,
  space: RunDescription['space'],
  genotype: Genotype | undefined,
): string {
  if (data === 'text') return Object.keys(presets)[0];
  return usualPreset(presets, found ?? searchedSkeleton(space, genotype));
}

/** A genotype of all cells of a network fits no deeper one, and none less deep. */
function depthOf(genotype: Genotype | undefined): { readonly layers?: number } {
  return genotype?.cells === undefined ? {} : { layers: genotype.cells.length };
}

/** Name of the skeleton that a run's networks have, as far as its space or its genotype tells. */
function searchedSkeleton(space: string | SearchSpace | undefined, genotype: Genotype | undefined): string {
  if (space !== undefined) return skeletonNameOf(space);
  return genotype === undefined ? skeletons.darts.name : usualSkeleton(genotype);
}

/** What stages came to: those of a run or, in a file, of the published code. */
async function readBefore(from: string, method: Method, methods: readonly Method[]): Promise<RunOutcomes> {
  const isFile = (await stat(from).catch(() => undefined))?.isFile() ?? false;
  return isFile && method.readPublished ? method.readPublished(from) : readOutcomes(from, method, methods);
}

/** The training that follows, where one is asked for. */
function planned(
  method: Method,
  preset: string,
  settings: Settings,
  { training, space, ...search }: MethodOptions,
  methods: readonly Method[],
): TrainingPlan | undefined {
  if (training === undefined) return undefined;
  const skeleton = method.data === 'text' ? undefined : searchedSkeleton(space, undefined);
  const next = trainingMethod(methods, method.data);
  return planTraining(training, usualTraining(method, preset, settings), { ...search, skeleton }, next);
}

/** Where a method does not say, its training is the short one. */
function usualTraining(method: Method, preset: string, settings: Settings): UsualTraining {
  return method.usualTraining?.(preset, settings) ?? { preset: 'quick' };
}

/** What is found in one space tells nothing of another. */
function checkFollows(before: RunOutcomes | undefined, space: string | SearchSpace | undefined): void {
  const name = typeof space === 'object' ? space.name : space;
  if (before === undefined || before.space === name) return;
  throw new ArgumentError(`${before.directory} searched the space '${before.space}', but this run is of '${name}'`);
}

/** Of image files. */
function usualSize(dataset: RunDescription['dataset'], { imageSize }: Method): number | undefined {
  return typeof dataset === 'string' && isInFiles(dataset as DatasetName) ? imageSize : undefined;
}

async function describeResumed(
  command: RunCommand,
  options: MethodOptions,
  directory: string,
  methods: readonly Method[],
): Promise<RunDescription> {
  const runtime = runtimeOf(options);
  for (const name of fixedOnResume) {
    if (options[name] !== undefined) throw new ArgumentError(`${name} cannot be given with resume: the run fixed it`);
  }
  const recorded = await openRunDirectory(folder('resume', directory), command, methods);
  const { files, config } = recorded;
  return { ...describeRecorded('resume', recorded, options), runtime, files, config };
}

/** What of a run its directory cannot hold, or what may be otherwise now. */
type GivenAgain = Pick<MethodOptions, 'dataset' | 'space' | 'dataDir'>;

/** A run by its configuration, which holds all that decides its bits. Throws ArgumentError for what was given as an object and is not now. */
export function describeRecorded(
  doing: 'resume' | 'repeat',
  { files, config, method }: RecordedRun,
  given: GivenAgain,
): Omit<RunDescription, 'runtime' | 'files' | 'config'> {
  const { dataset, space, source } = config;
  checkOwnDataset(given);
  return {
    method,
    settings: config.settings,
    seed: config.seed,
    dataset: sameKind(doing, 'dataset', given.dataset, dataset, files) as RunDescription['dataset'],
    dataDir: given.dataDir === undefined ? dataset.dataDir : resolve(folder('dataDir', given.dataDir)),
    usualLimit: dataset.limit,
    imageSize: dataset.imageSize,
    colourProfile: dataset.colourProfile,
    validationPortion: dataset.validationPortion,
    space: source ? given.space : space && sameKind(doing, 'space', given.space, space, files),
    genotype: config.genotype,
    before: config.before,
    training: config.training,
    source,
  };
}

/** Throws ArgumentError for a faulty dataset that is given itself, and for what tells where a named one comes from beside it. */
export function checkOwnDataset(
  options: Pick<RunOptions, 'dataset' | 'dataDir' | 'limit' | 'imageSize' | 'colourProfile'>,
): void {
  if (options.dataset === undefined || typeof options.dataset === 'string') return;
  if (isCorpus(options.dataset)) checkCorpus(options.dataset);
  else checkDataset(options.dataset);
  for (const name of ['dataDir', 'limit', 'imageSize', 'colourProfile'] as const) {
    if (options[name] !== undefined) throw invalid(name, 'nothing beside a dataset of your own', options[name]);
  }
}

/** What a run began with: its name, or the object, which no file can hold and the caller gives again. */
function sameKind<T extends object>(
  doing: 'resume' | 'repeat',
  option: 'dataset' | 'space',
  value: string | T | undefined,
  recorded: { readonly name: string; readonly given: boolean },
  files: RunFiles,
): string | T {
  if (recorded.given) {
    if (typeof value === 'object' && value !== null) return value;
    throw new ArgumentError(
      `${files.directory} began with a ${option} of its own, '${recorded.name}': ${doing} it from a program that gives it again${doing === 'repeat' ? ', by repeatRun' : ''}`,
    );
  }
  if (value !== undefined) throw new ArgumentError(`${option} cannot be given with ${doing}: the run fixed it`);
  return recorded.name;
}

/** How a run goes on, with the defaults filled in. Throws ArgumentError. */
export function runtimeOf({
  workers,
  device,
  signal,
  checkpointSeconds = 60,
  snapshotEpochs,
  tensorboard = false,
  ...options
}: RunOptions): Runtime {
  const choice = deviceChoice(options);
  const [own] = Object.entries(choice).find(([, value]) => value !== undefined) ?? [];
  if (device !== undefined && own !== undefined) {
    throw new ArgumentError(`${own} cannot be given with device: it was opened with its own`);
  }
  if (tensorboard && options.out === undefined && options.resume === undefined) {
    throw new ArgumentError('tensorboard needs out, the folder of the run: event files are written into it');
  }
  return { ...choice, workers, device, signal, checkpointSeconds, snapshotEpochs, tensorboard };
}

/** Throws FileError for a path that no system takes. */
export function folder(option: string, path: string): string {
  if (path.includes('\0')) throw new FileError(`the path for ${option} holds a NUL character`);
  return path;
}
