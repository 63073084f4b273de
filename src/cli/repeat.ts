import type { Command } from 'commander';
import type { DeviceChoice } from '../backend/open.ts';
import { FileError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { type RepeatOptions, type RepeatResult, repeatedDirectory, repeatRun } from '../run/repeat.ts';
import type { RunDifference } from '../run/same_bits.ts';
import { formatExact } from './format.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { addCheckpointOption, addSnapshotOption, addTensorboardOption } from './method_options.ts';
import { integerParser, textParser } from './options.ts';
import { createReporter } from './reporter.ts';
import { addDeviceOptions, type DeviceFlags, withDeviceOptions } from './run_command.ts';
import { quoted } from './shell.ts';

const examples = `
Examples:
  dartsmith repeat runs/mine
  dartsmith repeat runs/mine --out runs/again --data-dir /data/cifar-10-batches-bin
  dartsmith repeat runs/mine --json | tail -1

Runs again what config.json tells, with the same data, and compares all that both
journals tell but for what clock and machine decide, then genotypes, alpha and
weights. Interrupted or killed, the same command goes on. Exit code 0: the same
bits; 1: they differ, and where first. Threads have no influence on bits; another
device, instruction set or version may have.`;

/** Options of the command line. */
interface Given extends Omit<RepeatOptions, 'run' | keyof DeviceChoice>, DeviceFlags {
  readonly json?: boolean;
}

/** Adds `dartsmith repeat`. */
export function addRepeatCommand(program: Command, methods: readonly Method[]): void {
  const command = program
    .command('repeat')
    .summary('run again what a run directory tells: are the bits the same?')
    .description(
      'Runs again what a run directory tells, and says whether the bits are the same or where they first differ.',
    )
    .argument('<run>', 'a run directory')
    .option('-o, --out <folder>', 'new run directory (default: RUN-repeated)', textParser('--out', 'a folder'))
    .option(
      '--data-dir <folder>',
      "where the data lie now (default: as the run's config.json tells)",
      textParser('--data-dir', 'a folder'),
    )
    .option(
      '--workers <number>',
      'threads that read and augment images ahead (default: one a core that may be used, 16 at most); no influence on results',
      integerParser('--workers', 1),
    );
  addDeviceOptions(command);
  addCheckpointOption(command);
  addSnapshotOption(command);
  addTensorboardOption(command);
  command
    .option('--json', 'print events and the outcome as JSON Lines on stdout, everything else on stderr')
    .addHelpText('after', examples)
    .action((run: string, given: Given) => repeat(run, given, methods));
}

async function repeat(run: string, { json = false, ...given }: Given, methods: readonly Method[]): Promise<void> {
  const { out = repeatedDirectory(run) } = given;
  const reporter = createReporter(json, process, process.env, methods);
  const interrupt = listenForInterrupt(({ notice }) => reporter.notice(notice));
  try {
    const options = { ...withDeviceOptions(given), run, out, signal: interrupt.signal };
    const known = Object.entries(options).filter(([, value]) => value !== undefined);
    const repetition = repeatRun(Object.fromEntries(known) as unknown as RepeatOptions, methods);
    for await (const event of repetition) reporter.event(event);
    const result = await repetition.result;
    reporter.close();
    tell(result, json);
  } catch (error) {
    throw worded(error, `go on with: dartsmith repeat ${quoted(run)} --out ${quoted(out)}`);
  } finally {
    reporter.close();
    interrupt[Symbol.dispose]();
  }
}

/** Throws FileError where the bits differ. */
function tell(result: RepeatResult, json: boolean): void {
  const { run, directory, difference, whole, records, files, hints } = result;
  if (json) process.stdout.write(`${JSON.stringify({ type: 'repeat', ...result })}\n`);
  const print = (line: string) => (json ? process.stderr : process.stdout).write(`${line}\n`);
  if (difference === undefined) {
    const what = whole
      ? `${formatExact(records)} records and ${files} files`
      : `${formatExact(records)} records, as far as ${run} went`;
    print(`the same bits: ${what} of ${run} and ${directory}`);
    return;
  }
  for (const hint of hints) print(`hint: ${hint}`);
  throw new FileError(`${directory} differs from ${run}, first ${differenceText(difference)}`);
}

/** Where, with both values; epochs and steps count from 1 for people. */
export function differenceText({ file, record, stage, epoch, step, field, original, repeated }: RunDifference): string {
  const place = [
    ...(stage === undefined ? [] : [`stage ${stage + 1}`]),
    ...(epoch === undefined || record === 'start' ? [] : [`epoch ${epoch + 1}`]),
    ...(step === undefined || record === 'start' ? [] : [`step ${step + 1}`]),
    ...(record === undefined || record === 'step' ? [] : [record]),
  ].join(', ');
  return `in ${file}${place === '' ? '' : ` at ${place}`}: ${field} was ${shown(original)} and is ${shown(repeated)}`;
}

const longestValue = 80;

function shown(value: unknown): string {
  const text = value === undefined ? 'not there' : (JSON.stringify(value) ?? String(value));
  return text.length > longestValue ? `${text.slice(0, longestValue)}...` : text;
}
