import type { Command } from 'commander';
import { ArgumentError } from '../errors.ts';
import type { Method, RunCommand } from '../methods/method.ts';
import { exampleLines, methodsOf, trainingMethod } from '../methods/registry.ts';
import { startMethod } from '../run/start.ts';
import { networkGenotype } from './genotype_argument.ts';
import { addRunOptions, followRun, type RunFlags, runOptionsOf } from './run_command.ts';
import { parseThen } from './then_option.ts';

const summaries: Readonly<Record<RunCommand, string>> = {
  search: 'search an architecture',
  train: 'train the network of a genotype from scratch',
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
  const method = among.find((one) => one.name === givenMethod(args)) ?? among[0];
  const command = program.command(name).summary(summaries[name]).description(method.description);
  addRunOptions(command, method, among);
  const examples = exampleLines(method, among).map((line) => `  ${line}`);
  command
    .addHelpText('after', ['', 'Examples:', ...examples, '', interruption].join('\n'))
    .action((flags: RunFlags) => runMethodCommand(method, flags, methods));
}

/** Before options are parsed, since they depend on it. */
function givenMethod(args: readonly string[]): string | undefined {
  const place = args.findIndex((word) => word === '--method' || word.startsWith('--method='));
  return place < 0 ? undefined : (args[place].split('=')[1] ?? args[place + 1]);
}

async function runMethodCommand(method: Method, flags: RunFlags, methods: readonly Method[]): Promise<void> {
  const { command, needs } = method;
  const { arch, resume, then } = flags;
  if (needs === 'genotype' && resume === undefined && arch === undefined) {
    throw new ArgumentError(
      'expected --arch, the genotype whose network is trained, such as --arch DARTS_V2 or a run directory',
    );
  }
  const given = resume === undefined && arch !== undefined ? await networkGenotype(arch, flags) : undefined;
  return followRun(command, flags, methods, (directory, signal) => {
    const training = then === undefined ? undefined : parseThen(then, trainingMethod(methods));
    const options = { ...runOptionsOf(method, flags, directory, signal), genotype: given?.genotype, training };
    // A method refuses options that it does not know, given or not.
    const known = Object.entries(options).filter(([, value]) => value !== undefined);
    return startMethod(command, Object.fromEntries(known), methods);
  });
}
