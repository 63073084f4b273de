import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { DeviceChoice } from '../backend/open.ts';
import { edgeName } from '../genotype/edges.ts';
import { writeFileAtomic } from '../io/atomic.ts';
import { fileError } from '../io/file_error.ts';
import type { Method } from '../methods/method.ts';
import { methodsOf } from '../methods/registry.ts';
import { drawAlphaScatter } from '../report/draw_alpha_scatter.ts';
import { rasterise } from '../report/rasterise.ts';
import { type AlphaCorrelation, type CorrelationOptions, correlate } from '../run/correlate.ts';
import type { Association } from '../statistics/association.ts';
import { createCorrelateReporter } from './correlate_reporter.ts';
import { formatTable } from './format.ts';
import { addNetworkOptions } from './genotype_argument.ts';
import { listenForInterrupt, worded } from './interrupt.ts';
import {
  addCheckpointOption,
  addLimitOption,
  addPortionOption,
  addPresetOption,
  addSettingOptions,
} from './method_options.ts';
import { givenSettings, integerParser, textParser } from './options.ts';
import { addDeviceOptions, addImageOptions, type DeviceFlags, withDeviceOptions } from './run_command.ts';

const examples = `
Examples:
  dartsmith correlate runs/mine
  dartsmith correlate runs/mine --edge reduce.2.0 --preset cifar10 --epochs 100 --out runs/reduce
  dartsmith correlate runs/stac --stage search1 --json

Each candidate of the edge, but none, is trained in its place: a run directory
of its name beside correlate.json and correlate.svg and .png. Interrupted or
killed, the same command goes on; what is done is not trained again.`;

/** Options of the command line, settings of trainings beside them. */
interface CorrelateFlags
  extends Omit<
      CorrelationOptions,
      'run' | 'settings' | 'dataset' | keyof DeviceChoice | 'device' | 'signal' | 'onProgress'
    >,
    DeviceFlags {
  readonly json?: boolean;
}

/** Adds `dartsmith correlate`. */
export function addCorrelateCommand(program: Command, methods: readonly Method[]): void {
  const [training] = methodsOf('train', methods);
  const command = program
    .command('correlate')
    .summary('whether alpha tells how good candidates are: those of an edge, trained one by one')
    .description(
      'Trains the genotype of a search from scratch with each candidate of an edge in turn, and correlates accuracies with what alpha says.',
    )
    .argument('<run>', 'the run directory of a search')
    .option('--stage <name>', 'of a search in stages: which (default: the last)', textParser('--stage', 'a stage'))
    .option(
      '--edge <edge>',
      'CELL.NODE.INPUT, such as normal.0.1: an edge that the genotype keeps (default: its first)',
      textParser('--edge', 'an edge'),
    );
  addNetworkOptions(command);
  addPresetOption(command, training);
  command.option('--data-dir <folder>', "the data's files (default: the run's)", textParser('--data-dir', 'a folder'));
  addLimitOption(command, training);
  addImageOptions(command, { imageSize: "the search's", colourProfile: "the search's" });
  addPortionOption(command);
  command.option('--seed <number>', "of every training (default: the search's)", integerParser('--seed', 0));
  addDeviceOptions(command);
  addCheckpointOption(command);
  command
    .option(
      '-o, --out <folder>',
      'where trainings and files go (default: RUN/correlate)',
      textParser('--out', 'a folder'),
    )
    .option('--json', 'print what correlate.json holds, and write nothing but the trainings')
    .addHelpText('after', examples)
    .action((run: string, flags: CorrelateFlags) => runCorrelate(run, flags, methods));
  addSettingOptions(command, training);
}

async function runCorrelate(run: string, flags: CorrelateFlags, methods: readonly Method[]): Promise<void> {
  const [{ settings: table, measures }] = methodsOf('train', methods);
  const { json = false, out = join(run, 'correlate') } = flags;
  const reporter = createCorrelateReporter(json, process, process.env, measures);
  const interrupt = listenForInterrupt(({ notice }) => reporter.notice(notice));
  try {
    const { signal } = interrupt;
    const options = { ...optionsOf(flags, Object.keys(table)), run, out, signal, onProgress: reporter.progress };
    const found = await correlate({ ...options, settings: givenSettings(table, { ...flags }) }, methods);
    reporter.close();
    if (json) return void process.stdout.write(`${JSON.stringify(found)}\n`);
    await writeCorrelation(out, run, found);
    process.stdout.write(`${[...report(found), '', `wrote ${out}`].join('\n')}\n`);
  } catch (error) {
    throw worded(error, 'the same command goes on with what was done');
  } finally {
    reporter.close();
    interrupt[Symbol.dispose]();
  }
}

/** What the library takes, but for the settings. */
function optionsOf({ json: _, ...flags }: CorrelateFlags, settings: readonly string[]) {
  const given = Object.entries(withDeviceOptions(flags));
  return Object.fromEntries(given.filter(([name, value]) => value !== undefined && !settings.includes(name)));
}

async function writeCorrelation(folder: string, run: string, found: AlphaCorrelation): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError('write', folder, error);
  });
  const write = (name: string, contents: string | Uint8Array) => writeFileAtomic(join(folder, name), contents);
  const svg = drawAlphaScatter(`${run}: ${placeText(found)}`, found.candidates);
  await write('correlate.json', `${JSON.stringify(found, null, 2)}\n`);
  await write('correlate.svg', svg);
  await write('correlate.png', await rasterise(svg));
}

function placeText({ stage, edge }: AlphaCorrelation): string {
  return `stage ${stage}, edge ${edgeName(edge)}`;
}

function report(found: AlphaCorrelation): string[] {
  const { operations, activation, candidates, correlation } = found;
  const { kendall, spearman, pearson } = correlation;
  const rows = candidates.map(({ candidate, alpha, mixing, accuracy }) => [
    ...[candidate, alpha.toFixed(4), mixing.toFixed(4), `${(100 * accuracy).toFixed(2)}%`],
  ]);
  return [
    `${placeText(found)}: the search chose ${operations.join(' and ')}; mixing weights by ${activation}`,
    '',
    ...formatTable([['candidate', 'alpha', 'mixing weight', 'accuracy'], ...rows], [1, 2, 3]),
    ...candidates.flatMap(othersText),
    '',
    ...formatTable([
      ['mixing weight and accuracy', 'coefficient', '95% interval'],
      associationRow("Kendall's tau", kendall),
      associationRow("Spearman's rho", spearman),
      associationRow("Pearson's r", pearson),
    ]),
    ...gapText([kendall, spearman, pearson]),
  ];
}

/** Why there is a dash. */
function gapText(associations: readonly Association[]): string[] {
  if (associations.some(({ coefficient }) => coefficient === null))
    return ['no coefficient: the mixing weights or the accuracies are all the same'];
  if (associations.every(({ interval }) => interval !== null)) return [];
  return ["no interval: fewer than 4 candidates (5 for Kendall's tau), or a coefficient of 1 or -1"];
}

function othersText({ candidate, others = [] }: AlphaCorrelation['candidates'][number]): string[] {
  if (others.length === 0) return [];
  const told = others.map(({ alpha, mixing }) => `${alpha.toFixed(4)} (${mixing.toFixed(4)})`).join(', ');
  return [`${candidate} is on the edge ${others.length + 1} times, and its largest alpha counts; the others: ${told}`];
}

function associationRow(name: string, { coefficient, interval }: Association): string[] {
  const text = (value: number) => value.toFixed(3).replace(/^-(?=0\.000$)/, '');
  return [name, coefficient === null ? '-' : text(coefficient), interval?.map(text).join(' to ') ?? '-'];
}
