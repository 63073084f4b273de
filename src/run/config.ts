import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { isRecord } from '../checks.ts';
import { type ColourProfile, colourProfiles } from '../data/dataset.ts';
import { DartsmithError, FileError } from '../errors.ts';
import type { Genotype } from '../genotype/genotype.ts';
import { checkGenotype } from '../genotype/rules.ts';
import type { Graph } from '../graph/graph.ts';
import {
  type Method,
  type Position,
  type RunCommand,
  type RunOutcomes,
  type RunState,
  runCommands,
} from '../methods/method.ts';
import { methodsOf, trainingMethod } from '../methods/registry.ts';
import { checkSettings, type Settings } from '../setting_rules.ts';
import { upgraded } from './upgrade.ts';

/** What config.json holds: all that decides a run's bits, and what made it. */
export interface RunConfig {
  /** Of the run directory; a change of its meaning changes the number. */
  readonly format: typeof runFormat;
  readonly command: RunCommand;
  /** Its name. */
  readonly method: string;
  readonly versions: { readonly dartsmith: string; readonly node: string };
  /** The device that the run began on, and each other one that it went on with. */
  readonly devices: readonly RunDevice[];
  readonly seed: number;
  readonly settings: Settings;
  readonly dataset: {
    readonly name: string;
    /** Given as an object, so it must be given again on resume. */
    readonly given: boolean;
    /** Absolute. */
    readonly dataDir?: string;
    readonly limit?: number;
    /** Of image files, where it was given. */
    readonly imageSize?: number;
    /** What becomes of colour profiles, where it was given. */
    readonly colourProfile?: ColourProfile;
    /** Share of the training images that a training is scored on, where it was given. */
    readonly validationPortion?: number;
    /** [height, width, channels]; these three of images. */
    readonly imageShape?: readonly [number, number, number];
    readonly classes?: number;
    /** Absent where the dataset names none, and in runs of versions that did not record them. */
    readonly classNames?: readonly string[];
    /** Of a text: how many different words it has, and their digest. */
    readonly words?: number;
    readonly vocabulary?: string;
    /** Of the images and labels and of what is done to them, or of the text; see dataDigest. */
    readonly digest: string;
  };
  /** Where the method has spaces; `given` as a dataset is. */
  readonly space?: { readonly name: string; readonly given: boolean };
  /** Where the method needs one. */
  readonly genotype?: Genotype;
  /** What another run came to, where this one began with it. */
  readonly before?: RunOutcomes;
  /** The search whose supernet a selection goes on with. */
  readonly source?: RecordedSource;
  /** The training that follows a search, where one does. */
  readonly training?: TrainingPlan;
  /** Digests of the run's graphs by name: another space, other candidates or another image shape change them. */
  readonly graphs: Readonly<Record<string, string>>;
}

/** The training that follows a search, with every default filled in. */
export interface TrainingPlan {
  readonly settings: Settings;
  readonly seed: number;
  /** Of the training images. */
  readonly limit?: number;
  /** Share of the training images that it is scored on. */
  readonly validationPortion?: number;
}

/** A search that a selection goes on with, as it was found. */
export interface RecordedSource
  extends Pick<RunConfig, 'method' | 'settings' | 'seed' | 'space' | 'before' | 'graphs'> {
  /** Absolute, as is the checkpoint's. */
  readonly directory: string;
  readonly checkpoint: string;
  /** SHA-256 of the checkpoint, in hex. */
  readonly digest: string;
  readonly at: Pick<Position, 'stage' | 'epoch' | 'updates'>;
  readonly values: RunState['values'];
}

/** What the runs of a command are called. */
export const runNames: Readonly<Record<RunCommand, string>> = {
  search: 'search',
  train: 'training',
  select: 'selection',
};

/** From where on a run was computed on a device: results of different devices agree to round-off, not to the bit. */
export interface RunDevice {
  /** For people, such as 'cpu (avx512, 2 threads)'. */
  readonly device: string;
  readonly epoch: number;
  readonly step: number;
}

/** The format that this version writes and reads. */
export const runFormat = 7;

/** Versions of this package and of Node, for the record. */
export function runVersions(): RunConfig['versions'] {
  const manifest = createRequire(import.meta.url)('../../package.json') as { version: string };
  return { dartsmith: manifest.version, node: process.version };
}

/** SHA-256 in hex over a graph's nodes and parameters. */
export function graphDigest(graph: Graph): string {
  return createHash('sha256').update(JSON.stringify(graph)).digest('hex');
}

/**
 * Reads the text of config.json, and finds its method among `methods`. Throws FileError that names `path` and the field at fault, and for
 * a method that there is not.
 */
export function parseConfig(
  text: string,
  path: string,
  methods: readonly Method[],
): { readonly config: RunConfig; readonly method: Method } {
  const config = upgraded(parseObject(text, path), methods);
  if (config['format'] !== runFormat) {
    throw new FileError(
      `${path}: expected format ${runFormat} but got ${config['format']}; another version wrote this run`,
    );
  }
  const fail = (field: string, expectation: string): never => {
    throw new FileError(`${path} is damaged: expected ${expectation} for ${field}`);
  };
  const { command, seed, versions, devices, settings, dataset, space, graphs } = config;
  if (!runCommands.includes(command as RunCommand)) return fail('command', `one of ${runCommands.join(', ')}`);
  const method = recordedMethod(command as RunCommand, config['method'], path, methods);
  if (!Number.isSafeInteger(seed) || (seed as number) < 0) fail('seed', 'a non-negative integer');
  if (!isRecord(versions)) return fail('versions', 'an object');
  if (!Array.isArray(devices) || devices.length === 0) return fail('devices', 'a list of at least one');
  for (const [index, entry] of devices.entries()) {
    if (!isRecord(entry)) return fail(`devices[${index}]`, 'an object');
    checkFields(entry, { device: 'string', epoch: 'number', step: 'number' }, (field, type) =>
      fail(`devices[${index}].${field}`, type),
    );
  }
  if (!isRecord(settings)) return fail('settings', 'an object');
  checkRecordedSettings(method, settings, path);
  if (!isRecord(dataset)) return fail('dataset', 'an object');
  checkRecordedDataset(dataset, method, fail);
  if (!isRecord(graphs) || !Object.values(graphs).every((digest) => typeof digest === 'string')) {
    fail('graphs', 'digests by name');
  }
  const { before } = config;
  if (before !== undefined) {
    const isWhole = isRecord(before) && typeof before['directory'] === 'string' && isRecord(before['stages']);
    if (!isWhole) fail('before', 'a directory and the outcomes of its stages');
  }
  if (config['training'] !== undefined) checkRecordedTraining(config['training'], method, path, methods, fail);
  if (method.needs === 'run') {
    const fault = sourceFault(config['source'], methods);
    if (fault !== undefined) fail('source', fault);
  }
  if (method.needs === 'genotype') checkRecordedGenotype(config['genotype'], path);
  if (method.spaces !== undefined) {
    if (!isRecord(space)) return fail('space', 'an object');
    checkFields(space, { name: 'string', given: 'boolean' }, (field, type) => fail(`space.${field}`, type));
  }
  return { config: config as unknown as RunConfig, method };
}

function recordedMethod(command: RunCommand, name: unknown, path: string, methods: readonly Method[]): Method {
  const known = methodsOf(command, methods);
  const found = known.find((method) => method.name === name);
  if (found !== undefined) return found;
  const names = known.map((method) => method.name).join(', ');
  throw new FileError(`${path}: expected a method among ${names} but got '${name}'; another version wrote this run`);
}

function checkRecordedDataset(
  dataset: Readonly<Record<string, unknown>>,
  { data }: Method,
  fail: (field: string, expectation: string) => never,
): void {
  checkFields(dataset, { name: 'string', given: 'boolean', digest: 'string' }, (field, type) =>
    fail(`dataset.${field}`, type),
  );
  if (!['string', 'undefined'].includes(typeof dataset['dataDir'])) fail('dataset.dataDir', 'a string');
  if (![undefined, ...colourProfiles].includes(dataset['colourProfile'] as ColourProfile | undefined)) {
    fail('dataset.colourProfile', `one of ${colourProfiles.join(', ')}`);
  }
  for (const field of ['limit', 'imageSize', 'validationPortion']) {
    if (!['number', 'undefined'].includes(typeof dataset[field])) fail(`dataset.${field}`, 'a number');
  }
  if (data === 'text') {
    if (!isPositiveInteger(dataset['words'])) fail('dataset.words', 'a positive integer');
    if (typeof dataset['vocabulary'] !== 'string') fail('dataset.vocabulary', 'a digest');
    return;
  }
  if (!isImageShape(dataset['imageShape'])) fail('dataset.imageShape', 'three positive integers');
  if (!isPositiveInteger(dataset['classes'])) fail('dataset.classes', 'a positive integer');
  const { classNames = [] } = dataset;
  if (!(Array.isArray(classNames) && classNames.every((name) => typeof name === 'string'))) {
    fail('dataset.classNames', 'a list of strings');
  }
}

function parseObject(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // Told below, with what was expected instead of the parser's words.
  }
  throw new FileError(`${path} is damaged: expected a JSON object`);
}

/** Every setting must be there: a default would silently change the run. */
function checkRecordedSettings(
  { settings: table }: Method,
  settings: Readonly<Record<string, unknown>>,
  path: string,
): void {
  try {
    checkSettings(table, settings);
    const missing = Object.keys(table).find((name) => !Object.hasOwn(settings, name));
    if (missing !== undefined) throw new FileError(`${path} is damaged: expected a value for settings.${missing}`);
  } catch (error) {
    if (error instanceof FileError || !(error instanceof DartsmithError)) throw error;
    throw new FileError(`${path} is damaged: ${error.message}`, { cause: error });
  }
}

function checkRecordedTraining(
  training: unknown,
  { data }: Method,
  path: string,
  methods: readonly Method[],
  fail: (field: string, expectation: string) => never,
): void {
  const { settings, seed, ...others } = isRecord(training) ? training : fail('training', 'an object');
  checkRecordedSettings(
    trainingMethod(methods, data),
    isRecord(settings) ? settings : fail('training.settings', 'an object'),
    path,
  );
  if (!Number.isSafeInteger(seed) || Number(seed) < 0) fail('training.seed', 'a non-negative integer');
  for (const field of ['limit', 'validationPortion']) {
    if (!['number', 'undefined'].includes(typeof others[field])) fail(`training.${field}`, 'a number');
  }
}

function checkRecordedGenotype(genotype: unknown, path: string): void {
  try {
    checkGenotype(genotype as Genotype);
  } catch (error) {
    throw new FileError(`${path} is damaged: ${(error as Error).message}`, { cause: error });
  }
}

function checkFields(
  record: Readonly<Record<string, unknown>>,
  types: Readonly<Record<string, string>>,
  fail: (field: string, expectation: string) => never,
): void {
  for (const [field, type] of Object.entries(types)) {
    if (typeof record[field] !== type) fail(field, `a ${type}`);
  }
}

function isImageShape(value: unknown): boolean {
  return Array.isArray(value) && value.length === 3 && value.every(isPositiveInteger);
}

function isPositiveInteger(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

/** What is wrong with the search that a selection goes on with. */
function sourceFault(value: unknown, methods: readonly Method[]): string | undefined {
  const { directory, method, settings, seed, graphs, checkpoint, digest, at, values } = (value ??
    {}) as Partial<RecordedSource>;
  const texts = [directory, method, checkpoint, digest].every((text) => typeof text === 'string');
  const records = [settings, graphs, at, values].every((one) => typeof one === 'object' && one !== null);
  if (!texts || !records || !Number.isSafeInteger(seed)) return 'the search that it goes on with';
  return methodsOf('search', methods).some(({ name }) => name === method) ? undefined : 'a known method of the search';
}
