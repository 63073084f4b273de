// What the commands of all methods have in common: options of a run, its directory, its events on the terminal, Ctrl-C.
import { existsSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { type BackendName, backendNames } from '../backend/device.ts';
import { type ColourProfile, colourProfiles } from '../data/dataset.ts';
import type { DatasetName } from '../data/load.ts';
import type { CorpusName } from '../data/text/corpus.ts';
import { ArgumentError } from '../errors.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { runNames } from '../run/config.ts';
import { makeRunDirectory, runFiles } from '../run/directory.ts';
import type { RunEvent, SearchResult, TrainResult } from '../run/events.ts';
import { type MethodOptions, namesOf } from '../run/options.ts';
import type { Run } from '../run/run.ts';
import { addNetworkOptions, genotypeArgumentHelp, type NetworkFlags } from './genotype_argument.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import {
  addCheckpointOption,
  addLimitOption,
  addPortionOption,
  addPresetOption,
  addSettingOptions,
  addSnapshotOption,
  addTensorboardOption,
} from './method_options.ts';
import { choiceParser, flagOf, givenSettings, integerParser, sizeParser, textParser } from './options.ts';
import { createReporter } from './reporter.ts';
import { quoted } from './shell.ts';
import { addThenOption } from './then_option.ts';

/** Options of the command line that choose a device. */
export interface DeviceFlags {
  readonly threads?: number;
  readonly backend?: 'auto' | BackendName;
  readonly gpu?: number;
  readonly memoryLimit?: number;
}

/** Options that every run takes. */
export interface RunFlags extends NetworkFlags, DeviceFlags {
  readonly method?: string;
  readonly preset?: string;
  readonly space?: string;
  readonly arch?: string;
  readonly from?: string;
  readonly then?: string;
  readonly stage?: string;
  readonly dataset?: DatasetName | CorpusName;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly imageSize?: number;
  readonly colourProfile?: ColourProfile;
  readonly validationPortion?: number;
  readonly seed?: number;
  readonly workers?: number;
  readonly out?: string;
  readonly resume?: string;
  readonly checkpointSeconds?: number;
  readonly snapshotEpochs?: number;
  readonly tensorboard?: boolean;
  readonly epoch?: number;
  readonly json?: boolean;
}

/** How a run is done and where its data lie, not what it computes: the only options that may change on resume. */
export const freeOnResume: readonly string[] = [
  'resume',
  'dataDir',
  'threads',
  'backend',
  'gpu',
  'memoryLimit',
  'workers',
  'checkpointSeconds',
  'snapshotEpochs',
  'tensorboard',
  'json',
];

const backends = ['auto', ...backendNames] as const;

/** Adds the options of every run of a command: those of `method` among them. */
export function addRunOptions(command: Command, method: Method, among: readonly Method[]): void {
  const { needs, followsRuns } = method;
  if (method.command === 'search') addMethodOption(command, among);
  if (method.command === 'select') addDeciderOption(command, among);
  if (method.command === 'search') addThenOption(command);
  if (needs === 'genotype') {
    command.option('--arch <genotype>', genotypeArgumentHelp, textParser('--arch', 'a genotype'));
    addNetworkOptions(command);
  }
  if (followsRuns) {
    const help = 'begin with what the stages of that run came to';
    command.option('--from <run>', help, textParser('--from', 'a run directory'));
  }
  addPresetOption(command, method);
  if (needs === 'run') addSourceOptions(command);
  else addDataOptions(command, method);
  if (method.command === 'train' && method.data === 'images') addPortionOption(command);
  command.option('--seed <number>', 'decides every random choice (default: 0)', integerParser('--seed', 0));
  addDeviceOptions(command);
  command
    .option('--out <run>', 'new run directory (default: runs/DATASET-DATE-TIME)', textParser('--out', 'a folder'))
    .option(
      '--resume <run>',
      'go on with an interrupted run, to the same bits',
      textParser('--resume', 'a run directory'),
    );
  addCheckpointOption(command);
  addSnapshotOption(command);
  addTensorboardOption(command);
  command.option('--json', 'print events as JSON Lines on stdout, everything else on stderr');
  addSettingOptions(command, method);
}

/** Adds what tells where data come from, and the space. */
export function addDataOptions(command: Command, method: Method): void {
  const { presets, spaces, data } = method;
  const names = [...namesOf[data]];
  const [usual] = names;
  command
    .option('--dataset <name>', `${names.join(', ')} (default: ${usual})`, choiceParser('--dataset', names))
    .option(
      '--data-dir <folder>',
      `its files${data === 'images' ? '; mnist does without' : ''}; beside --resume: where they lie now`,
      textParser('--data-dir', 'a folder'),
    );
  addLimitOption(command, method);
  if (spaces !== undefined) {
    const own = Object.keys(presets).filter((name) => presets[name].space !== undefined);
    const usual = [`default: ${spaces[0]}`, ...own.map((name) => `${name}: ${presets[name].space}`)].join(', ');
    const help = `search space: ${spaces.join(', ')} (${usual})`;
    command.option('--space <name>', help, choiceParser('--space', spaces));
  }
  if (data === 'images') addImageOptions(command);
}

/** Adds what tells of the search that is gone on with. */
function addSourceOptions(command: Command): void {
  command
    .option('--stage <name>', 'of a search in stages: which (default: the last)', textParser('--stage', 'a stage'))
    .option(
      '--epoch <number>',
      'a snapshot of so many epochs that the search kept (default: its checkpoint)',
      integerParser('--epoch', 1),
    )
    .option('--data-dir <folder>', "the data's files (default: the search's)", textParser('--data-dir', 'a folder'));
}

function addDeciderOption(command: Command, among: readonly Method[]): void {
  const names = among.map(({ name }) => name);
  const help = `what decides: ${names.join(', ')}; a rule of selection (select --help) needs no fine-tuning`;
  command.option('--by <name>', help, choiceParser('--by', names));
}

function addMethodOption(command: Command, among: readonly Method[]): void {
  const names = among.map(({ name }) => name);
  const help = `how to search: ${names.join(', ')} (default: ${names[0]}); its settings and presets are those below`;
  command.option('--method <name>', help, choiceParser('--method', names));
}

/** Options that choose a device, among others, by the library's names. */
export function withDeviceOptions<Flags extends DeviceFlags>({ gpu, memoryLimit, ...flags }: Flags) {
  return { ...flags, index: gpu, memoryLimitBytes: memoryLimit };
}

/** Adds the options that choose a device. */
export function addDeviceOptions(command: Command): void {
  command
    .option(
      '--threads <number>',
      'CPU threads (default: one a core that may be used); no influence on results',
      integerParser('--threads', 1),
    )
    .option(
      '--backend <name>',
      `${backends.join(', ')} (default: auto, a GPU where there is one); tfjs is slow; simt is for tests only`,
      choiceParser('--backend', backends),
    )
    .option('--gpu <number>', 'which GPU, as dartsmith doctor numbers them (default: 0)', integerParser('--gpu', 0))
    .option(
      '--memory-limit <size>',
      'what the device may hold, as 1.4GB (default: all there is); where it ends, steps compute again what they would keep: slower, the same results',
      sizeParser('--memory-limit'),
    );
}

/** What the library takes for a run of a method, but for the genotype. */
export function runOptionsOf(
  { settings: table, needs }: Method,
  flags: RunFlags,
  directory: string,
  signal: AbortSignal,
): MethodOptions {
  const { threads, backend, gpu, memoryLimit, workers, checkpointSeconds, snapshotEpochs, tensorboard, resume } = flags;
  const { dataset, dataDir, limit, imageSize, colourProfile, seed } = flags;
  const place = { ...withDeviceOptions({ threads, backend, gpu, memoryLimit }), workers, signal, dataDir };
  const runtime = { ...place, checkpointSeconds, snapshotEpochs, tensorboard };
  if (resume !== undefined) return { ...runtime, resume };
  const { method, preset, space, validationPortion, from, stage, epoch } = flags;
  const settings = givenSettings(table, flags as Readonly<Record<string, unknown>>);
  const data = { dataset, limit, imageSize, colourProfile, validationPortion };
  // Else a setting may be called so, as StacNAS' is.
  const source = needs === 'run' ? { stage, epoch } : {};
  return { ...runtime, ...data, ...source, method, preset, space, settings, seed, from, out: directory };
}

/** What happens to image files where nobody says otherwise, in words. */
const usualReading = { imageSize: "224, a trained network's own; 32 for a search", colourProfile: 'convert' };

/** Adds the options of image files, and of what prepares images; `usual` is what happens otherwise. */
export function addImageOptions(command: Command, usual = usualReading): void {
  command
    .option(
      '--image-size <number>',
      `height and width that image files are brought to (default: ${usual.imageSize})`,
      integerParser('--image-size', 1),
    )
    .option(
      '--colour-profile <name>',
      `convert shows the colours that a file means (P3, CMYK); ignore takes its numbers as the published trainings did (default: ${usual.colourProfile})`,
      choiceParser('--colour-profile', colourProfiles),
    )
    .option(
      '--workers <number>',
      'threads that read and augment images ahead (default: one a core that may be used, 16 at most); no influence on results',
      integerParser('--workers', 1),
    );
}

/** Runs a command's search or training and shows its events until it ends. */
export async function followRun(
  { command, data }: Method,
  flags: RunFlags,
  methods: readonly Method[],
  start: (directory: string, signal: AbortSignal) => Run<RunEvent, SearchResult | TrainResult>,
): Promise<void> {
  refuseBesideResume(flags);
  const { resume, out, dataset = namesOf[data][0], json = false } = flags;
  const directory =
    resume ?? out ?? (await makeRunDirectory(runName(command === 'select' ? 'selection' : dataset, new Date())));
  const reporter = createReporter(json, process, process.env, methods);
  const interrupt = listenForInterrupt(({ notice }) => reporter.notice(notice));
  try {
    const run = start(directory, interrupt.signal);
    for await (const event of run) reporter.event(event);
    reporter.result(await run.result);
  } catch (error) {
    throw worded(error, nextAfter(command, directory));
  } finally {
    if (resume === undefined && out === undefined) await removeUnused(directory);
    reporter.close();
    interrupt[Symbol.dispose]();
  }
}

function refuseBesideResume({ resume, ...flags }: RunFlags): void {
  if (resume === undefined) return;
  const given = Object.keys(flags).filter((name) => !freeOnResume.includes(name));
  if (given.length === 0) return;
  const names = given.map(flagOf).join(', ');
  throw new ArgumentError(`--resume goes on with the settings that the run began with: leave out ${names}`);
}

/** Where a run lies when the user does not say. */
export function runName(dataset: string, now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return join('runs', `${dataset}-${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`);
}

/** Takes away the folder of a run that never began, and the folder around it: only empty ones can be removed so. */
export async function removeUnused(directory: string): Promise<void> {
  await rmdir(directory)
    .then(() => rmdir(dirname(directory)))
    .catch(() => {});
}

function nextAfter(command: RunCommand, directory: string): string {
  return existsSync(runFiles(directory).config)
    ? `go on with: dartsmith ${command} --resume ${quoted(directory)}`
    : `the ${runNames[command]} had not begun, so nothing was kept`;
}
