import { once } from 'node:events';
import type { Command } from 'commander';
import { type DashboardOptions, openDashboard, usualPort } from '../dashboard/dashboard.ts';
import { AbortedError } from '../errors.ts';
import type { Method } from '../methods/method.ts';
import { exitCodes } from './exit_codes.ts';
import { Interruption, listenForInterrupt, worded } from './interrupt.ts';
import { integerParser, textParser } from './options.ts';

const examples = `
Examples:
  dartsmith dashboard
  dartsmith dashboard experiments --port 8080
  dartsmith dashboard --host 0.0.0.0     # for others too: its address holds a token

Nothing but the runs of the folder is served. Ctrl-C ends it.`;

/** Adds `dartsmith dashboard`. */
export function addDashboardCommand(program: Command, methods: readonly Method[]): void {
  program
    .command('dashboard')
    .summary('a page that shows runs while they go on: curves, alpha, cells, side by side')
    .description(
      'Serves a page that shows the runs of a folder while they go on, to this machine alone unless told otherwise.',
    )
    .argument('[folder]', 'where the runs lie, up to six folders deep', 'runs')
    .option('--port <number>', `0 for any that is free (default: ${usualPort})`, integerParser('--port', 0))
    .option(
      '--host <name>',
      "where to listen; on another than 127.0.0.1 and localhost the page's address holds a random token (default: 127.0.0.1)",
      textParser('--host', 'a host'),
    )
    .addHelpText('after', examples)
    .action((folder: string, options: DashboardOptions) => runDashboard(folder, options, methods));
}

async function runDashboard(folder: string, options: DashboardOptions, methods: readonly Method[]): Promise<void> {
  const interrupt = listenForInterrupt(() => {});
  try {
    const { signal } = interrupt;
    const dashboard = await openDashboard(folder, options, methods);
    const { address, runs } = dashboard;
    if (runs === 0) process.stderr.write(`there is no run in ${folder} yet: each is shown as soon as it begins\n`);
    process.stdout.write(`${runs} ${runs === 1 ? 'run' : 'runs'} of ${folder}: ${address}\n`);
    if (!signal.aborted) await once(signal, 'abort');
    await dashboard.close();
    // Ctrl-C is how it ends, and no failure.
    const { reason } = signal;
    if (!(reason instanceof Interruption && reason.exitCode === exitCodes.interrupted))
      throw worded(new AbortedError(undefined, { cause: reason }));
  } finally {
    interrupt[Symbol.dispose]();
  }
}
