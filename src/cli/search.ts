import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { BackendName } from '../backend/device.ts';
import { backendNames } from '../backend/open.ts';
import { type DatasetName, datasetNames } from '../data/load.ts';
import { AbortedError, ArgumentError } from '../errors.ts';
import { runFiles } from '../run/directory.ts';
import type { SearchOptions } from '../run/options.ts';
import { search } from '../run/search.ts';
import { type PresetName, presets, type SearchSettings, settingRules } from '../search/settings.ts';
import { spaces } from '../space/space.ts';
import { listenForInterrupt } from './interrupt.ts';
import {
  choiceParser,
  flagOf,
  givenSettings,
  integerParser,
  numberParser,
  settingOptions,
  textParser,
} from './options.ts';
import { createReporter, type Reporter } from './reporter.ts';
import { quoted } from './shell.ts';

interface SearchFlags extends Partial<SearchSettings> {
  readonly preset?: PresetName;
  readonly dataset?: DatasetName;
  readonly dataDir?: string;
  readonly limit?: number;
  readonly space?: string;
  readonly seed?: number;
  readonly threads?: number;
  readonly backend?: 'auto' | BackendName;
  readonly gpu?: number;
  readonly out?: string;
  readonly resume?: string;
  readonly checkpointSeconds?: number;
  readonly json?: boolean;
}

/** How a run is done, not what it computes: the only options that may change on resume. */
const freeOnResume: readonly (keyof SearchFlags)[] = [
  'resume',
  'threads',
  'backend',
  'gpu',
  'checkpointSeconds',
  'json',
];

const examples = `
Examples:
  dartsmith search
  dartsmith search --dataset cifar10 --data-dir cifar-10-batches-bin --preset paper --unrolled
  dartsmith search --dataset idx --data-dir my-images --epochs 10 --out runs/mine
  dartsmith search --resume runs/mine --threads 4
  dartsmith search --json > events.jsonl

Ctrl-C finishes the step, writes a checkpoint and says how to go on; the second one quits at once.`;

const backends = ['auto', ...backendNames] as const;

/** Adds `dartsmith search`. */
export function addSearchCommand(program: Command): void {
  const command = program
    .command('search')
    .summary('search an architecture')
    .description('Searches an architecture with DARTS (arXiv:1806.09055) and writes it to a run directory.');
  const names = (record: object) => Object.keys(record).join(', ');
  const choice = <T extends string>(flag: string, words: readonly T[]) => choiceParser(flag, words);
  command
    .option(
      '--preset <name>',
      'quick or paper (default: quick)',
      choice('--preset', Object.keys(presets) as PresetName[]),
    )
    .option('--dataset <name>', `${datasetNames.join(', ')} (default: mnist)`, choice('--dataset', datasetNames))
    .option('--data-dir <folder>', 'its files; mnist does without', textParser('--data-dir', 'a folder'))
    .option(
      '--limit <number>',
      `use only so many training images (quick: ${presets.quick.limit}, paper: all)`,
      integerParser('--limit', 2),
    )
    .option('--space <name>', `search space: ${names(spaces)} (default: darts)`, choice('--space', Object.keys(spaces)))
    .option('--seed <number>', 'decides every random choice (default: 0)', integerParser('--seed', 0))
    .option(
      '--threads <number>',
      'CPU threads (default: all cores); no influence on results',
      integerParser('--threads', 1),
    )
    .option(
      '--backend <name>',
      `${backends.join(', ')} (default: auto, a GPU where there is one); tfjs is slow; simt is for tests only`,
      choice('--backend', backends),
    )
    .option('--gpu <number>', 'which GPU, as dartsmith doctor numbers them (default: 0)', integerParser('--gpu', 0))
    .option('--out <run>', 'new run directory (default: runs/DATASET-DATE-TIME)', textParser('--out', 'a folder'))
    .option(
      '--resume <run>',
      'go on with an interrupted run, to the same bits',
      textParser('--resume', 'a run directory'),
    )
    .option(
      '--checkpoint-seconds <number>',
      'time between checkpoints within an epoch (default: 60)',
      numberParser('--checkpoint-seconds', 0),
    )
    .option('--json', 'print events as JSON Lines on stdout, everything else on stderr')
    .optionsGroup('Settings, under the names of the published code:');
  for (const option of settingOptions(settingRules, presets)) command.addOption(option);
  command.addHelpText('after', examples).action(runSearchCommand);
}

async function runSearchCommand(flags: SearchFlags): Promise<void> {
  refuseBesideResume(flags);
  const directory = flags.resume ?? flags.out ?? newRunDirectory(flags.dataset ?? 'mnist', new Date());
  const reporter = createReporter(flags.json ?? false, process, process.env);
  const interrupt = listenForInterrupt(() => reporter.notice('finishing the step; press Ctrl-C again to quit at once'));
  try {
    await follow(toSearchOptions(flags, directory, interrupt.signal), reporter);
  } catch (error) {
    throw error instanceof AbortedError ? interruption(directory) : error;
  } finally {
    reporter.close();
    interrupt[Symbol.dispose]();
  }
}

/** Runs the search and shows its events until it ends. */
async function follow(options: SearchOptions, reporter: Reporter): Promise<void> {
  const run = search(options);
  for await (const event of run) reporter.event(event);
  reporter.result(await run.result);
}

function toSearchOptions(flags: SearchFlags, directory: string, signal: AbortSignal): SearchOptions {
  const { threads, backend, gpu, checkpointSeconds, resume } = flags;
  const runtime = { threads, backend, index: gpu, checkpointSeconds, signal };
  if (resume !== undefined) return { ...runtime, resume };
  const { preset, dataset, dataDir, limit, space, seed } = flags;
  return {
    ...runtime,
    preset,
    dataset,
    dataDir,
    limit,
    space,
    seed,
    settings: givenSettings<SearchSettings>(settingRules, flags),
    out: directory,
  };
}

function refuseBesideResume({ resume, ...flags }: SearchFlags): void {
  if (resume === undefined) return;
  const given = (Object.keys(flags) as (keyof SearchFlags)[]).filter((name) => !freeOnResume.includes(name));
  if (given.length === 0) return;
  const names = given.map(flagOf).join(', ');
  throw new ArgumentError(`--resume goes on with the settings that the run began with: leave out ${names}`);
}

/** Where a run lies when the user does not say: a folder that does not exist yet. */
function newRunDirectory(dataset: string, now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const base = join(
    'runs',
    `${dataset}-${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`,
  );
  let directory = base;
  for (let count = 2; existsSync(directory); count++) directory = `${base}-${count}`;
  return directory;
}

function interruption(directory: string): AbortedError {
  const next = existsSync(runFiles(directory).config)
    ? `go on with: dartsmith search --resume ${quoted(directory)}`
    : 'the search had not begun, so nothing was kept';
  return new AbortedError(`interrupted; ${next}`);
}
