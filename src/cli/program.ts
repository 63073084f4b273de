import { Command } from 'commander';
import type { Method } from '../methods/method.ts';
import { methods as builtInMethods } from '../methods/registry.ts';
import { addBenchCommand } from './bench.ts';
import { addBenchmarkCommand } from './benchmark.ts';
import { addCorrelateCommand } from './correlate.ts';
import { addDashboardCommand } from './dashboard.ts';
import { addDoctorCommand } from './doctor.ts';
import { addDrawCommand } from './draw.ts';
import { exitCodes } from './exit_codes.ts';
import { addExportCommand, addImportCommand } from './export.ts';
import { endingOf } from './failure.ts';
import { addFeaturesCommand } from './features.ts';
import { addHistoryCommand } from './history.ts';
import { addInfoCommand } from './info.ts';
import { addMethodCommand, addSelectionCommand, selectsByRun } from './method_command.ts';
import { addMethodsCommand } from './methods.ts';
import { addProtocolCommand } from './protocol.ts';
import { addRepeatCommand } from './repeat.ts';
import { addReportCommand } from './report.ts';
import { addSelectCommand } from './select.ts';
import { addShowCommand } from './show.ts';
import { addStrengthCommand } from './strength.ts';
import { addTestCommand } from './test.ts';
import { version } from './version.ts';

const examples = `
Examples:
  dartsmith search
  dartsmith search --dataset cifar10 --data-dir cifar-10-batches-bin --preset paper
  dartsmith train --arch DARTS_V2
  dartsmith draw DARTS_V2 --out cells.svg
  dartsmith info supernet
  dartsmith bench separable mixedEdge

Exit codes: 0 done, 1 failed, 2 wrong usage; before the end 130 by Ctrl-C,
143 by SIGTERM, 129 by SIGHUP, 141 where nobody reads the output any more.
DARTSMITH_DEBUG=1 adds the stack to an error.`;

/** Runs one command line (without node and script) and gives the exit code. Errors become one line on stderr. */
export async function runCommandLine(
  args: readonly string[],
  methods: readonly Method[] = builtInMethods,
): Promise<number> {
  try {
    await createProgram(args, methods).parseAsync(args, { from: 'user' });
    return exitCodes.done;
  } catch (error) {
    const { exitCode, line } = endingOf(error);
    if (line !== undefined) process.stderr.write(`dartsmith: ${line}\n`);
    if (exitCode !== exitCodes.done && process.env['DARTSMITH_DEBUG'] === '1') {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    }
    return exitCode;
  }
}

function createProgram(args: readonly string[], methods: readonly Method[]): Command {
  const program = new Command('dartsmith')
    .description('Searches neural architectures by gradient descent (the DARTS family) and trains them.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', examples)
    .exitOverride()
    // Commander's own report of an error would be a second one.
    .configureOutput({ outputError: () => {} });
  for (const command of ['search', 'train'] as const) addMethodCommand(program, command, args, methods);
  addTestCommand(program);
  addExportCommand(program);
  addImportCommand(program);
  addShowCommand(program, methods);
  addRepeatCommand(program, methods);
  if (selectsByRun(args, methods)) addSelectionCommand(program, args, methods);
  else addSelectCommand(program, methods);
  addFeaturesCommand(program);
  addStrengthCommand(program);
  addCorrelateCommand(program, methods);
  addProtocolCommand(program, args, methods);
  addHistoryCommand(program);
  addDrawCommand(program);
  addReportCommand(program, methods);
  addDashboardCommand(program, methods);
  addInfoCommand(program);
  addMethodsCommand(program, methods);
  addBenchCommand(program);
  addBenchmarkCommand(program);
  addDoctorCommand(program);
  return program;
}
