import { join } from 'node:path';
import type { Command } from 'commander';
import { ArgumentError } from '../errors.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import type { Method } from '../methods/method.ts';
import { meantMethod, methodsOf, trainingMethod } from '../methods/registry.ts';
import type { ProtocolResult } from '../protocol/events.ts';
import type { BenchmarkOptions, PickOptions, ProtocolArm, ProtocolOptions } from '../protocol/options.ts';
import { withoutUndefined } from '../protocol/plan.ts';
import { startProtocol } from '../protocol/protocol.ts';
import { makeRunDirectory } from '../run/directory.ts';
import type { TrainingOptions } from '../run/options.ts';
import { columnsParser } from './benchmark.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import { hintsOf } from './method_command.ts';
import { addCheckpointOption, addPresetOption, addSettingOptions, addTensorboardOption } from './method_options.ts';
import { choiceParser, flagOf, givenSettings, integerParser, textParser } from './options.ts';
import { type MainArm, parseArm, parseDeciders } from './protocol_arms.ts';
import { protocolLines, protocolMarkdown } from './protocol_report.ts';
import { createProtocolReporter } from './protocol_reporter.ts';
import {
  addDataOptions,
  addDeviceOptions,
  freeOnResume,
  type RunFlags,
  removeUnused,
  runName,
  withDeviceOptions,
} from './run_command.ts';
import { quoted } from './shell.ts';
import { parseThen } from './then_option.ts';

const examples = `
Examples:
  dartsmith protocol --seeds 5 --out runs/protocol
  dartsmith protocol --method fairdarts --seeds 5 --preset paper --train-preset cifar10 \\
    --dataset cifar10 --data-dir cifar-10-batches-bin --out runs/fair
  dartsmith protocol --seeds 5 --epochs 5 --arm fair='--method fairdarts' \\
    --arm noisy='--noise-darts' --arm drawn='--random-search --num-arch 1'
  dartsmith protocol --method projection --seeds 5 --select-preset quick
  dartsmith protocol --seeds 8 --pick-best-by validation --pick-among 4
  dartsmith protocol --space nasbench201 --seeds 5 --benchmark nasbench201.csv
  dartsmith protocol --space rnn --seeds 5 --data-dir text
  dartsmith protocol --resume runs/protocol

An --arm has what it does not say as the search before it, as far as its method
has it; --by NAME, and --of ARM, make it a selection. All that is kept are run
directories, OUT/ARM/seed-N/search, train and so on, beside table.json and
table.md. Interrupted or killed, the same command goes on with --resume OUT or
the same --out: nothing is run twice.`;

/** Options of the command line, settings of the search beside them. */
interface ProtocolFlags extends RunFlags {
  readonly seeds?: number;
  readonly firstSeed?: number;
  readonly trainPreset?: string;
  readonly by?: string;
  readonly selectPreset?: string;
  readonly arm?: readonly string[];
  readonly pickBestBy?: 'validation';
  readonly pickAmong?: number;
  readonly brief?: string;
  readonly benchmark?: string;
  readonly columns?: readonly string[];
  readonly incomplete?: boolean;
  readonly baseline: boolean;
  readonly markdown?: boolean;
}

/** Adds `dartsmith protocol`. Its settings are those of the search that `args` name, or of the default. */
export function addProtocolCommand(program: Command, args: readonly string[], methods: readonly Method[]): void {
  const search = meantMethod('search', args[0] === 'protocol' ? hintsOf(args) : {}, methods);
  const training = trainingMethod(methods, search.data);
  const names = [...methodsOf('search', methods), ...methodsOf('select', methods)].map(({ name }) => name);
  const command = program
    .command('protocol')
    .summary('whether a gain is noise: searches with several seeds, trained, beside random architectures')
    .description(
      'Searches with several seeds, trains each result from scratch as it does as many random architectures of the same space, and prints means, deviations, 95% intervals and paired tests.',
    )
    .option(
      '--method <name>',
      `how to search: ${names.join(', ')} (default: ${names[0]}); a selection is of the default search, beside all others`,
      choiceParser('--method', names),
    )
    .option(
      '--seeds <number>',
      'how many seeds; searches, random architectures and trainings have the same',
      integerParser('--seeds', 1),
    )
    .option('--first-seed <number>', 'the first of them (default: 0)', integerParser('--first-seed', 0))
    .option(
      '--arm <name=options>',
      "another search or selection: NAME='--method fairdarts --epochs 3', NAME='--by projection'; may be repeated",
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option(
      '--by <names>',
      'also select from the supernets: projection, or projection,magnitude',
      textParser('--by', 'a selection'),
    )
    .option('--select-preset <name>', 'of these selections', textParser('--select-preset', 'a preset'))
    .option(
      '--train-preset <name>',
      trainPresetHelp(training),
      choiceParser('--train-preset', Object.keys(training.presets)),
    )
    .option(
      '--then <command>',
      "settings of the trainings: 'train --epochs 20 --layers 8'",
      textParser('--then', 'train'),
    )
    .option(
      '--pick-best-by <what>',
      'also the published recipe: validation keeps of several seeds the one that does best after a brief training',
      choiceParser('--pick-best-by', ['validation'] as const),
    )
    .option('--pick-among <number>', 'of how many seeds one is kept (default: all)', integerParser('--pick-among', 1))
    .option(
      '--brief <command>',
      "the brief training: 'train --epochs 5' (default: a tenth of the epochs, scored on a tenth of the training images)",
      textParser('--brief', 'train'),
    )
    .option(
      '--benchmark <file>',
      'look cells up in a table of NAS-Bench-201 instead of training',
      textParser('--benchmark', 'a file'),
    )
    .option(
      '--columns <names>',
      'accuracies of that table, with commas (default: after 200 epochs)',
      columnsParser('--columns'),
    )
    .option('--incomplete', 'take a table that lacks cells')
    .option('--no-baseline', 'no random architectures');
  addPresetOption(command, search);
  addDataOptions(command, search);
  addDeviceOptions(command);
  addCheckpointOption(command);
  addTensorboardOption(command);
  command
    .option('-o, --out <folder>', 'its folder (default: runs/protocol-DATE-TIME)', textParser('--out', 'a folder'))
    .option('--resume <folder>', 'go on with an interrupted one', textParser('--resume', 'the folder of a protocol'))
    .option('--json', 'print the result as JSON')
    .option('--markdown', 'print the table as Markdown')
    .addHelpText('after', examples)
    .action((flags: ProtocolFlags) => runProtocolCommand(flags, search, methods));
  addSettingOptions(command, search);
}

function trainPresetHelp({ presets }: Method): string {
  return `of the trainings: ${Object.keys(presets).join(', ')} (default: what goes with the search)`;
}

async function runProtocolCommand(flags: ProtocolFlags, search: Method, methods: readonly Method[]): Promise<void> {
  refuseBesideResume(flags, search);
  const { json = false, markdown = false, resume, out } = flags;
  const asked = resume === undefined ? askedBy(flags, search, methods) : {};
  const directory = resume ?? out ?? (await makeRunDirectory(runName('protocol', new Date())));
  const reporter = createProtocolReporter(json || markdown, process, process.env, methods);
  const interrupt = listenForInterrupt(({ notice }) => reporter.notice(notice));
  try {
    const { threads, backend, gpu, memoryLimit, workers, checkpointSeconds, tensorboard, dataDir } = flags;
    const place = withDeviceOptions({ threads, backend, gpu, memoryLimit });
    const how = { ...place, workers, checkpointSeconds, tensorboard, dataDir, signal: interrupt.signal };
    const where = resume === undefined ? { out: directory } : { resume };
    const run = startProtocol(withoutUndefined({ ...asked, ...how, ...where }), methods);
    for await (const event of run) reporter.event(event);
    const result = await run.result;
    reporter.close();
    await print(result, { json, markdown });
  } catch (error) {
    throw worded(error, `go on with: dartsmith protocol --resume ${quoted(directory)}`);
  } finally {
    if (resume === undefined && out === undefined) await removeUnused(directory);
    reporter.close();
    interrupt[Symbol.dispose]();
  }
}

async function print(
  result: ProtocolResult,
  { json, markdown }: { readonly json: boolean; readonly markdown: boolean },
): Promise<void> {
  const { directory } = result;
  const markdownText = protocolMarkdown(result).join('\n');
  await writeFileAtomic(join(directory, 'table.md'), `${markdownText}\n`);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (markdown) process.stdout.write(`${markdownText}\n`);
  else process.stdout.write(`${[...protocolLines(result), '', `wrote ${directory}`].join('\n')}\n`);
}

function refuseBesideResume({ resume, baseline, ...flags }: ProtocolFlags, { settings }: Method): void {
  if (resume === undefined) return;
  const given = Object.entries(flags).filter(([, value]) => value !== undefined);
  const other = given.find(([name]) => ![...freeOnResume, 'markdown'].includes(name) || name in settings)?.[0];
  const refused = other ?? (baseline ? undefined : 'noBaseline');
  if (refused === undefined) return;
  throw new ArgumentError(`--resume goes on with what the protocol was asked: leave out ${flagOf(refused)}`);
}

/** What the options of a new protocol ask for. Throws ArgumentError. */
function askedBy(flags: ProtocolFlags, search: Method, methods: readonly Method[]): ProtocolOptions {
  const { seeds, firstSeed, dataset, limit, imageSize, colourProfile, baseline } = flags;
  if (seeds === undefined) throw new ArgumentError('expected --seeds, how many there are to be, such as --seeds 5');
  const training = trainingOf(flags, trainingMethod(methods, search.data));
  const pick = pickOf(flags, trainingMethod(methods, search.data));
  return withoutUndefined({
    ...{ arms: armsOf(flags, search, methods), seeds, firstSeed, training, pick, benchmark: benchmarkOf(flags) },
    ...{ dataset, limit, imageSize, colourProfile },
    ...(!baseline && { baseline }),
  });
}

function armsOf(
  { preset, space, by, selectPreset, method, arm = [], ...flags }: ProtocolFlags,
  search: Method,
  methods: readonly Method[],
): ProtocolArm[] {
  const settings = givenSettings(search.settings, flags);
  const main: MainArm = withoutUndefined({ name: search.name, method: search.name, preset, space, settings });
  const selections = methodsOf('select', methods).map(({ name }) => name);
  const all = method !== undefined && selections.includes(method) ? selections : [];
  const deciders = by === undefined ? all : parseDeciders(by, methods);
  if (selectPreset !== undefined && deciders.length === 0) {
    throw new ArgumentError('--select-preset is of selections: expected --by beside it');
  }
  return [
    main,
    ...deciders.map((name) => withoutUndefined({ name, of: main.name, by: name, preset: selectPreset })),
    ...arm.map((text) => parseArm(text, main, methods)),
  ];
}

function trainingOf({ then, trainPreset }: ProtocolFlags, training: Method): TrainingOptions | undefined {
  if (then === undefined) return trainPreset === undefined ? undefined : { preset: trainPreset };
  const { preset, ...others } = parseThen(then, training);
  if (preset !== undefined && trainPreset !== undefined) {
    throw new ArgumentError('--train-preset and a preset in --then: expected one of them');
  }
  return withoutUndefined({ ...others, preset: preset ?? trainPreset });
}

function pickOf({ pickBestBy, pickAmong, brief }: ProtocolFlags, training: Method): PickOptions | undefined {
  if (pickBestBy === undefined) {
    const other = pickAmong !== undefined ? '--pick-among' : brief !== undefined ? '--brief' : undefined;
    if (other !== undefined)
      throw new ArgumentError(`${other} is of --pick-best-by validation: expected that beside it`);
    return undefined;
  }
  const briefly = brief === undefined ? undefined : withoutUndefined(parseThen(brief, training, '--brief'));
  return withoutUndefined({ among: pickAmong, training: briefly });
}

function benchmarkOf({ benchmark, columns, incomplete }: ProtocolFlags): BenchmarkOptions | undefined {
  if (benchmark !== undefined) return withoutUndefined({ table: benchmark, columns, incomplete });
  const other = columns !== undefined ? '--columns' : incomplete ? '--incomplete' : undefined;
  if (other !== undefined) throw new ArgumentError(`${other} is of --benchmark: expected that beside it`);
  return undefined;
}
