// Running again what a run directory tells, to see whether it comes to the same bits.
import { basename, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AbortedError, ArgumentError, FileError } from '../errors.ts';
import { exists } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { methods as builtIn } from '../methods/registry.ts';
import { checkOptionRules, type OptionRules, record, required, text } from '../option_rules.ts';
import type { SearchSpace } from '../space/space.ts';
import type { RunConfig } from './config.ts';
import { describeRecorded, folder, type RunDescription, runtimeOf } from './describe.ts';
import { freeRunFiles, type RecordedRun, readRun, runFiles, trainingDirectory } from './directory.ts';
import type { RunEvent } from './events.ts';
import type { Emit } from './loop.ts';
import { type RunOptions, runRules } from './options.ts';
import { Reaching, reachOf } from './reach.ts';
import { type Run, startRun } from './run.ts';
import { type PlaceOptions, placeRules } from './runtime.ts';
import { compareRuns, type Reaches, type RunComparison, type RunDifference } from './same_bits.ts';
import { runDescribed } from './start.ts';

/** Options of {@link repeatRun}. */
export interface RepeatOptions
  extends PlaceOptions,
    Pick<RunOptions, 'dataset' | 'dataDir' | 'checkpointSeconds' | 'snapshotEpochs' | 'tensorboard'> {
  /** Directory of the run. */
  readonly run: string;
  /** Folder for the repetition, which goes on where it has begun already; that of the run with `-repeated` when absent. */
  readonly out?: string;
  /** The run's, where it had one of its own; so is `dataset`. */
  readonly space?: SearchSpace;
}

/** What {@link repeatRun} comes to. */
export interface RepeatResult extends RunComparison {
  readonly run: string;
  /** Of the repetition. */
  readonly directory: string;
  readonly same: boolean;
  /** Why they may differ, a line each; none where they do not. */
  readonly hints: readonly string[];
}

/** A repetition that goes on. */
export type RepeatedRun = Run<RunEvent, RepeatResult>;

const rules: OptionRules<RepeatOptions> = {
  run: required(text('the directory of a run')),
  out: runRules.out,
  dataset: record('the dataset of the run, where it had one of its own'),
  space: record('the search space of the run, where it had one of its own'),
  dataDir: runRules.dataDir,
  checkpointSeconds: runRules.checkpointSeconds,
  snapshotEpochs: runRules.snapshotEpochs,
  tensorboard: runRules.tensorboard,
  ...placeRules,
};

/**
 * Runs again what a run directory tells, of any method, and compares the bits of both: journals record by record, but for what clock,
 * machine and place decide, then genotypes, alpha and weights. A run that was interrupted is repeated as far as it went. Other data than
 * the run's are refused before anything runs. Starts at once and throws nothing itself: every error, of options too, comes through the run.
 */
export function repeatRun(options: RepeatOptions, methods: readonly Method[] = builtIn): RepeatedRun {
  return startRun((emit) => repeatIn(options, methods, emit));
}

/** Where a repetition lies when nobody says. */
export function repeatedDirectory(run: string): string {
  const isNamed = !['', '.', '..'].includes(basename(run));
  return `${isNamed ? run.replace(/[/\\]+$/, '') : resolve(run)}-repeated`;
}

async function repeatIn(options: RepeatOptions, methods: readonly Method[], emit: Emit): Promise<RepeatResult> {
  checkOptionRules('repeatRun', options, rules);
  const { out = repeatedDirectory(options.run) } = options;
  const original = await readRun(folder('run', options.run), methods);
  const { directory } = original.files;
  const isTrained = original.config.training !== undefined;
  const reach = { run: await reachOf(directory), training: await reachOf(trainingDirectory(directory)) };
  const description = await describeRepetition(original, { ...options, out }, methods);
  await runAgain(description, reach, methods, emit);
  const compared = await compareRuns(directory, out, isTrained ? reach : { run: reach.run });
  const same = compared.difference === undefined;
  const hints = same ? [] : hintsOf(original.config, (await readRun(out, methods)).config, compared.difference);
  return { run: options.run, directory: out, same, ...compared, hints };
}

async function describeRepetition(
  original: RecordedRun,
  { out, ...options }: RepeatOptions & { readonly out: string },
  methods: readonly Method[],
): Promise<RunDescription> {
  if (resolve(out) === resolve(original.files.directory)) {
    throw new ArgumentError(`expected another folder for out than that of the run, ${out}`);
  }
  const { dataset, space, dataDir, run: _, ...runtime } = options;
  const again = describeRecorded('repeat', original, { dataset, space, dataDir });
  const described = { ...again, runtime: runtimeOf({ ...runtime, out }) };
  if (!(await exists(runFiles(folder('out', out)).config))) {
    return { ...described, files: await freeRunFiles(out), repeats: original };
  }
  const begun = await readRun(out, methods);
  if (!isDeepStrictEqual(bitsOf(begun.config), bitsOf(original.config))) {
    throw new FileError(
      `${out} holds another run than ${original.files.directory}: choose another folder for the repetition`,
    );
  }
  return { ...described, files: begun.files, config: begun.config };
}

/** What of a configuration decides bits; the digest of data stands for where they lie and for how they are named. */
function bitsOf({ versions: _, devices: __, dataset, ...bits }: RunConfig) {
  const { dataDir: ___, classNames: ____, ...data } = dataset;
  return { ...bits, data };
}

/** To the end, or as far as the original came. Throws AbortedError on the signal of the caller alone. */
async function runAgain(
  description: RunDescription,
  reach: Required<Reaches>,
  methods: readonly Method[],
  emit: Emit,
): Promise<void> {
  const enough = new AbortController();
  const { signal } = description.runtime;
  const signals = signal === undefined ? [enough.signal] : [signal, enough.signal];
  const runtime = { ...description.runtime, signal: AbortSignal.any(signals) };
  const { directory } = description.files!;
  const own = new Reaching(directory, reach.run);
  const ofTraining = new Reaching(trainingDirectory(directory), reach.training);
  let going = own;
  const watch = (event: RunEvent) => {
    if (event.type === 'start') going = event.run === description.method.command ? own : ofTraining;
    emit(event);
    if (going.take(event)) enough.abort();
  };
  try {
    await runDescribed({ ...description, runtime }, methods, watch);
  } catch (error) {
    if (!(error instanceof AbortedError && enough.signal.aborted) || signal?.aborted) throw error;
  }
}

/** What is known to change bits, where it is not the same. */
function hintsOf(original: RunConfig, repeated: RunConfig, difference: RunDifference | undefined): string[] {
  if (difference?.record === 'start')
    return ['config.json tells another run than its journal: it was changed afterwards'];
  const [first, ...later] = original.devices;
  const device = repeated.devices[0].device;
  const versions = (['dartsmith', 'node'] as const).filter(
    (name) => original.versions[name] !== repeated.versions[name],
  );
  const hints = [
    ...(isSameDevice(first.device, device)
      ? []
      : [`it ran on ${first.device}, the repetition on ${device}: they agree to round-off`]),
    ...later
      .filter(({ device: other }, index) => !isSameDevice(other, original.devices[index].device))
      .map(({ device: other, epoch }) => `it went on with ${other} at epoch ${epoch + 1}`),
    ...versions.map(
      (name) => `it ran with ${name} ${original.versions[name]}, the repetition with ${repeated.versions[name]}`,
    ),
  ];
  return hints.length > 0
    ? hints
    : ['device and versions are the same: files of it may have been changed by hand, or memory is faulty'];
}

/** Threads have no influence. */
function isSameDevice(one: string, other: string): boolean {
  const [a, b] = [one, other].map((device) => device.replace(/,? *\d+ threads?/, ''));
  return a === b;
}
