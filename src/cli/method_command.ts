import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import type { DataKind } from '../data/run_data.ts';
import { ArgumentError } from '../errors.ts';
import { recurrentGenotypes } from '../genotype/published/recurrent.ts';
import { mapValues } from '../map_values.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { exampleLines, type MethodHints, meantMethod, methodsOf, trainingMethod } from '../methods/registry.ts';
import { runFiles } from '../run/directory.ts';
import { dataKindOf } from '../run/options.ts';
import { startMethod } from '../run/start.ts';
import { networkGenotype } from './genotype_argument.ts';
import { addRunOptions, followRun, type RunFlags, runOptionsOf } from './run_command.ts';
import { parseThen } from './then_option.ts';

const summaries: Readonly<Record<RunCommand, string>> = {
  search: 'search an architecture',
  train: 'train the network of a genotype from scratch',
  select: 'select a genotype afterwards',
};

const interruption = `Ctrl-C finishes the step, writes a checkpoint and says how to go on; the second
one quits at once. SIGTERM, SIGHUP and output that nobody reads any more
(| head) do the same.`;

/** Adds a command that runs methods. Its help and its options are those of the method that `args` name, or of its default. */
export function addMethodCommand(
  program: Command,
  name: RunCommand,
  args: readonly string[],
  methods: readonly Method[],
): void {
  const among = methodsOf(name, methods);
  const method = meantMethod(name, hintsOf(args), methods);
  const command = program.command(name).summary(summaries[name]).description(method.description);
  addRunOptions(command, method, among);
  const examples = exampleLines(method, among).map((line) => `  ${line}`);
  command
    .addHelpText('after', ['', 'Examples:', ...examples, '', interruption].join('\n'))
    .action((flags: RunFlags) => runMethodCommand(method, flags, methods));
}

/** Whether a command line selects by a run of its own, rather than by a rule that looks at alpha alone. */
export function selectsByRun(args: readonly string[], methods: readonly Method[]): boolean {
  if (args[0] !== 'select') return false;
  const isResumed = args.some((word) => word === '--resume' || word.startsWith('--resume='));
  return isResumed || methodsOf('select', methods).some(({ name }) => name === wordOf(args, '--by'));
}

/** Adds `dartsmith select RUN --by METHOD`: a run that goes on with the supernet of another. */
export function addSelectionCommand(program: Command, args: readonly string[], methods: readonly Method[]): void {
  const among = methodsOf('select', methods);
  const method = among.find(({ name }) => name === wordOf(args, '--by')) ?? among[0];
  const command = program.command('select').summary(summaries.select).description(method.description);
  command.argument('[run]', 'the run directory of a search');
  addRunOptions(command, method, among);
  const examples = exampleLines(method, among).map((line) => `  ${line}`);
  command
    .addHelpText('after', ['', 'Examples:', ...examples, '', interruption].join('\n'))
    .action((run: string | undefined, flags: RunFlags) => runMethodCommand(method, flags, methods, run));
}

/** What a command line tells of the method that is meant. */
export function hintsOf(args: readonly string[]): MethodHints {
  const words = mapValues({ method: '--method', space: '--space', preset: '--preset' } as const, (flag) =>
    wordOf(args, flag),
  );
  const resumed = wordOf(args, '--resume');
  if (resumed !== undefined) return { method: recordedMethodName(resumed) };
  const dataset = wordOf(args, '--dataset');
  return { ...words, data: dataset === undefined ? kindOfArch(wordOf(args, '--arch')) : dataKindOf(dataset) };
}

/** The kind of data that a genotype is for, as far as that is seen at once. */
function kindOfArch(arch: string | undefined): DataKind | undefined {
  if (arch === undefined) return undefined;
  if (Object.hasOwn(recurrentGenotypes, arch)) return 'text';
  const text = [runFiles(arch).genotype, arch].map(textOfFile).find((found) => found !== undefined) ?? arch;
  return /\brecurrent\b/.test(text) ? 'text' : undefined;
}

/** The name that the run in a folder tells of its method. */
function recordedMethodName(directory: string): unknown {
  try {
    return (JSON.parse(textOfFile(runFiles(directory).config) ?? '') as { method?: unknown }).method;
  } catch {
    // What is wrong with it is told when the run is opened.
    return undefined;
  }
}

/** Files that are larger are no genotypes. */
const longestText = 1 << 20;

function textOfFile(path: string): string | undefined {
  try {
    return statSync(path).size > longestText ? undefined : readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Before options are parsed, since they depend on it. */
function wordOf(args: readonly string[], flag: string): string | undefined {
  const place = args.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  return place < 0 ? undefined : (args[place].split('=')[1] ?? args[place + 1]);
}

/** Cells of the network that a run trains, as far as its preset and its options tell. */
function layersOf({ presets }: Method, { preset = Object.keys(presets)[0], ...flags }: RunFlags): number | undefined {
  const { layers = presets[preset].settings['layers'] } = flags as { readonly layers?: unknown };
  return typeof layers === 'number' ? layers : undefined;
}

async function runMethodCommand(
  method: Method,
  flags: RunFlags,
  methods: readonly Method[],
  run?: string,
): Promise<void> {
  const { command, needs } = method;
  const { arch, resume, then } = flags;
  if (needs === 'genotype' && resume === undefined && arch === undefined) {
    throw new ArgumentError(
      'expected --arch, the genotype whose network is trained, such as --arch DARTS_V2 or a run directory',
    );
  }
  if (needs === 'run' && (resume === undefined) === (run === undefined)) {
    throw new ArgumentError('expected the run directory of a search, or --resume with that of a selection');
  }
  const given =
    resume === undefined && arch !== undefined
      ? await networkGenotype(arch, { ...flags, layers: layersOf(method, flags) })
      : undefined;
  return followRun(method, flags, methods, (directory, signal) => {
    const training = then === undefined ? undefined : parseThen(then, trainingMethod(methods, method.data));
    const own = {
      genotype: given?.genotype,
      foundIn: given?.run,
      training,
      run,
      ...(run !== undefined && { method: method.name }),
    };
    const options = { ...runOptionsOf(method, flags, directory, signal), ...own };
    // A method refuses options that it does not know, given or not.
    const known = Object.entries(options).filter(([, value]) => value !== undefined);
    return startMethod(command, Object.fromEntries(known), methods);
  });
}
